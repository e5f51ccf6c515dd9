"""Waivers: each way in, each way out; score and status never lie for one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Incident, TenantCounts, Waiver
from audit.results import incident_sweep, waived, waivers
from collectors.base import DnsRecord, Finding, Fix, Owner, Severity
from collectors.text import _
from tests.audit.troubles import audit, fault, settled

pytestmark = pytest.mark.django_db
MX, SPF = fault("mx_missing"), fault("spf_missing")


@pytest.fixture
def domain():
    domain = settled("cliente.pt")
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    return domain


def waive(domain, check_id="dns_mx", code="", *, until=None):
    waiver = waivers.waive(
        domain, check_id, code, reason="moves to us in March", by="ana", until=until
    )
    domain.refresh_from_db()
    return waiver


def assert_known(domain, known):
    domain.refresh_from_db()
    counts = TenantCounts.objects.get(tenant=domain.tenant)
    assert (domain.known, counts.known) == (known, int(known))
    assert counts.needs_customer == (domain.needs_customer and not known)
    assert (domain.trouble_at is None) == known
    assert Incident.objects.get(closed_at=None).state == ("known" if known else "open")
    assert AuditDomain.objects.count_anew([domain.tenant_id]) == 0


def why(waiver):
    waiver.refresh_from_db()
    assert bool(waiver.ended_at) == bool(waiver.ended_why)
    return waiver.ended_why


@pytest.mark.parametrize("code", ["", "mx_missing"])
def test_what_is_waived_is_known_and_counts_as_before(domain, code):
    assert_known(domain, known=False)
    waiver = waive(domain, code=code)
    assert_known(domain, known=True)
    assert (domain.score, domain.status, domain.needs_customer) == (7, "critical", True)
    assert (waiver.by, waiver.reason, waiver.ended_at) == ("ana", "moves to us in March", None)


def test_the_same_answer_leaves_it_in_force(domain):
    waiver = waive(domain)
    for _time in range(3):
        audit(domain, dns_mx=MX)
    audit(domain, dns_mx=fault("mx_missing", message="It says so in other words, after 3 days."))
    assert why(waiver) == ""
    assert_known(domain, known=True)


def test_another_trouble_beside_it_is_not_known(domain):
    waiver = waive(domain)
    for _confirmed in range(2):
        audit(domain, dns_mx=MX, dns_spf=SPF)
    assert not domain.known and why(waiver) == "" and domain.trouble_at
    assert {(i.check_id, i.state) for i in Incident.objects.all()} == {
        ("dns_mx", "known"),
        ("dns_spf", "open"),
    }
    waive(domain, "dns_spf")
    assert domain.known and domain.trouble_at is None


@pytest.mark.parametrize(
    "after",
    [fault("mx_null"), fault("mx_missing", severity="warn"), fault("mx_missing", owner="host")],
)
def test_it_ends_when_the_finding_is_another(domain, after):
    waiver = waive(domain)
    audit(domain, dns_mx=after)
    assert why(waiver) == "changed" and not domain.known
    assert Incident.objects.get().state == "open"


def test_one_of_a_finding_ends_when_that_is_gone_and_the_check_still_fails(domain):
    waiver = waive(domain, code="mx_missing")
    audit(domain, dns_mx=fault("mx_null"))
    assert why(waiver) == "cured"
    assert_known(domain, known=False)


def test_it_ends_when_the_cure_is_confirmed_and_not_before(domain):
    waiver = waive(domain)
    audit(domain)
    assert why(waiver) == ""
    audit(domain, dns_mx=MX)
    assert why(waiver) == "" and domain.known
    audit(domain)
    audit(domain)
    assert why(waiver) == "cured" and not domain.known
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    assert_known(domain, known=False)


def test_what_could_not_be_measured_says_nothing(domain):
    waiver = waive(domain)
    silent = fault("dns_timeout", severity="unknown", owner="measurement")
    for _time in range(3):
        audit(domain, dns_mx=silent)
    audit(domain, dns_mx=MX)
    assert why(waiver) == ""
    assert_known(domain, known=True)


def test_its_time_ends_it_by_the_sweep_alone(domain):
    waiver = waive(domain, until=timezone.now() + timedelta(hours=1))
    incident_sweep.sweep(timezone.now())
    assert_known(domain, known=True)
    incident_sweep.sweep(timezone.now() + timedelta(hours=1, seconds=1))
    assert why(waiver) == "time"
    assert_known(domain, known=False)


def test_its_time_ends_it_at_an_audit_too(domain):
    waiver = waive(domain, until=timezone.now() + timedelta(hours=1))
    Waiver.objects.update(until=timezone.now())
    audit(domain, dns_mx=MX, dns_spf=SPF)
    assert why(waiver) == "time" and not domain.known


def test_a_person_takes_it_back(domain):
    waiver = waive(domain)
    assert waivers.take_back(waiver, "rui")
    assert why(waiver) == "person" and waiver.ended_by == "rui"
    assert_known(domain, known=False)
    assert not waivers.take_back(waiver, "eva")
    waiver.refresh_from_db()
    assert waiver.ended_by == "rui"


def test_waived_again_it_has_the_new_reason_and_end(domain):
    first = waive(domain)
    until = timezone.now() + timedelta(days=7)
    again = waivers.waive(domain, "dns_mx", "", reason="later", by="rui", until=until)
    assert again.pk == first.pk and Waiver.objects.count() == 1
    assert (again.reason, again.by, again.until) == ("later", "rui", until)


@pytest.mark.parametrize("check, code", [("dns_spf", ""), ("dns_mx", "mx_null"), ("nonsense", "")])
def test_what_is_not_there_cannot_be_waived(domain, check, code):
    with pytest.raises(ValueError):
        waive(domain, check, code)
    with pytest.raises(ValueError):
        waive(domain, until=timezone.now())
    assert not Waiver.objects.exists()


def test_what_follows_from_something_known_is_known(domain):
    vhost = fault("vhost_missing", owner="host")
    cert = fault("cert_name_mismatch", owner="host", because=("nginx_vhost", "vhost_missing"))
    for _confirmed in range(2):
        audit(domain, nginx_vhost=vhost, cert_le=cert)
    waive(domain, "nginx_vhost")
    assert_known(domain, known=True)


def test_before_it_is_confirmed_it_can_be_waived_too():
    domain = settled("outro.pt")
    audit(domain, dns_mx=MX)
    waive(domain)
    assert domain.known
    audit(domain, dns_mx=MX)
    assert_known(domain, known=True)
    assert Incident.objects.get().known


def test_removing_the_domain_removes_its_waivers(domain):
    waive(domain)
    domain.delete()
    assert not Waiver.objects.exists()


def _finding(*current, code="spf_syntax", value="v=spf1 -all"):
    records = tuple(DnsRecord("TXT", "c.pt", value, current=text) for text in current)
    fix = Fix(_("Replace it."), records)
    return Finding(code, Severity.FAIL, _("For {n} days.", n=3), Owner.CUSTOMER, fix).to_dict()


def test_the_print_is_of_what_is_published_and_of_nothing_that_ages():
    same = waived.print_of([_finding("v=spf1 +all")])
    assert same == waived.print_of([_finding("v=spf1 +all", value="v=spf1 ip4:192.0.2.1 -all")])
    assert same != waived.print_of([_finding("v=spf1 ?all")])
    assert same != waived.print_of([_finding("v=spf1 +all", code="spf_missing")])
    one, two = _finding("a"), _finding("b", code="spf_slip")
    assert waived.print_of([one, two]) == waived.print_of([two, one])
