"""Incidents: confirmed, grouped by cause, opened and closed with the audit that shows it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, CheckTransition, Incident, IncidentDomain, TenantCounts
from audit.results import incident_events, store
from audit.results import incidents as seam
from tests.audit import factories as make
from tests.audit.troubles import (
    SHARED,
    all_ok,
    assert_true_to_rows,
    audit,
    fault,
    found,
    incidents,
    mx_incident,
    settled,
    unmeasured,
)

pytestmark = pytest.mark.django_db
MX = fault("mx_missing")


# -- confirmation


def test_an_incident_opens_when_a_second_audit_sees_the_same(domain, told):
    began = timezone.now() - timedelta(minutes=10)
    audit(domain, at=began, dns_mx=MX)
    assert incidents() == [] and domain.unconfirmed["dns_mx"][:2] == ["fail", 1]
    assert domain.status == "critical", "score and status never wait"
    assert domain.trouble_at is None
    audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)] and domain.unconfirmed == {}
    incident = Incident.objects.get()
    assert (incident.opened_at, incident.closed_at) == (began, None)
    assert incident.confirmed_at > began and domain.trouble_at == began
    assert (incident.check_id, incident.code) == ("dns_mx", "mx_missing")
    assert (incident.owner, incident.severity, incident.message) == (
        "customer",
        "fail",
        "There is mx_missing.",
    )
    assert (incident.tenant, incident.domains_most) == (domain.tenant, 1)
    assert told == [("opened", "check", f"{domain.pk}:dns_mx")]


def test_it_closes_when_a_second_audit_sees_it_gone(domain, told):
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    audit(domain)
    assert incidents() == [mx_incident(domain)] and domain.status == "healthy"
    audit(domain)
    assert incidents() == [] and incidents("closed") == [mx_incident(domain, 0)]
    incident = Incident.objects.get()
    assert incident.closed_at and incident.domains_most == 1
    assert domain.trouble_at is None and domain.unconfirmed == {}
    assert [event for event, *_of in told] == ["opened", "closed"]
    assert not IncidentDomain.objects.filter(left_at=None).exists()


def test_what_flaps_opens_nothing_and_closes_nothing(domain, told):
    """Case 227."""
    for _time in range(3):
        audit(domain, dns_mx=MX)
        audit(domain)
    assert Incident.objects.count() == 0 and domain.unconfirmed == {}
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    for _time in range(3):
        audit(domain)
        audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)]
    assert len(told) == 1 and CheckTransition.objects.filter(check_id="dns_mx").count() > 10


def test_unknown_in_between_neither_confirms_nor_closes(domain):
    silent = fault("dns_timeout", severity="unknown", owner="measurement")
    audit(domain, dns_mx=MX)
    audit(domain, dns_mx=silent)
    assert incidents() == [] and domain.unconfirmed["dns_mx"][1] == 1
    audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)]
    for _time in range(3):
        audit(domain, dns_mx=silent)
    assert incidents() == [mx_incident(domain)] and domain.not_measured
    audit(domain)
    audit(domain, dns_mx=silent)
    assert incidents() == [mx_incident(domain)]
    audit(domain)
    assert incidents() == [] and not domain.not_measured


def test_unknown_alone_opens_nothing(domain):
    for _time in range(3):
        audit(domain, dns_mx=fault("dns_timeout", severity="unknown", owner="measurement"))
    assert Incident.objects.count() == 0 and domain.not_measured and not domain.covered


def test_a_persons_own_audit_confirms_at_once(domain):
    audit(domain, asked=True, dns_mx=MX)
    assert incidents() == [mx_incident(domain)]
    audit(domain, asked=True)
    assert incidents() == []


def test_an_audit_of_many_that_somebody_asked_for_does_not(domain):
    AuditDomain.objects.filter(pk=domain.pk).request_audit(bulk=True)
    audit(domain, dns_mx=MX)
    assert incidents() == []


@pytest.mark.parametrize("needed", [1, 2, 4])
def test_the_setting_says_how_many_audits_confirm(domain, settings, needed):
    settings.AUDIT_CONFIRM = needed
    for n in range(1, needed + 1):
        audit(domain, dns_mx=MX)
        assert len(incidents()) == (n == needed)
    for n in range(1, needed + 1):
        audit(domain)
        assert len(incidents()) == (n < needed)


def test_another_severity_of_the_same_check_is_the_same_incident_reworded(domain):
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    audit(domain, dns_mx=fault("mx_foreign_backup", severity="warn", owner="host"))
    assert incidents() == [mx_incident(domain)]
    incident = Incident.objects.get()
    assert (incident.code, incident.severity, incident.owner) == (
        "mx_foreign_backup",
        "warn",
        "host",
    )


def test_what_waits_for_its_second_audit_is_looked_at_again_soon(domain, settings, monkeypatch):
    monkeypatch.setattr(seam, "_pace", seam.Pace())
    settings.AUDIT_INTERVAL_SEC, settings.AUDIT_CONCURRENCY = 3600, 1
    other = settled("outro.pt")
    audit(domain, dns_mx=MX)
    assert domain.next_audit_at <= timezone.now() + timedelta(seconds=60)
    audit(other, dns_mx=MX)
    assert other.next_audit_at > timezone.now() + timedelta(seconds=61), "not many at once"
    audit(domain, dns_mx=MX)
    assert domain.next_audit_at > timezone.now() + timedelta(seconds=61)


# -- onboarding


def test_a_new_domain_opens_nothing_before_its_grace_ends(told):
    domain = make.make_domain("novo.pt")
    for _time in range(4):
        audit(domain, dns_mx=MX)
    audit(domain, asked=True, dns_mx=MX)
    assert incidents() == [] and domain.onboarding and domain.trouble_at is None
    began = domain.unconfirmed["dns_mx"][2]
    AuditDomain.objects.filter(pk=domain.pk).update(created_at=timezone.now() - timedelta(days=7))
    audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)] and len(told) == 1
    assert Incident.objects.get().opened_at.timestamp() == pytest.approx(began / 1e6)
    assert domain.onboarding, "it was never 8/8"


def test_onboarding_ends_by_itself_at_the_first_8_of_8():
    domain = make.make_domain("novo.pt")
    audit(domain, dns_mx=MX)
    assert domain.onboarding and domain.first_healthy_at is None
    audit(domain)
    first = domain.first_healthy_at
    assert not domain.onboarding and first
    for _time in range(2):
        audit(domain, dns_mx=MX)
    audit(domain)
    assert domain.first_healthy_at == first and incidents() == [mx_incident(domain)]


def test_taken_out_of_onboarding_by_a_person_its_troubles_open():
    domain = make.make_domain("novo.pt")
    audit(domain, dns_mx=MX)
    AuditDomain.objects.filter(pk=domain.pk).update(onboarding=False)
    audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)]


# -- causes


def test_what_follows_from_another_check_is_part_of_its_incident(domain):
    vhost = fault("vhost_missing", owner="host")
    cert = fault("cert_name_mismatch", owner="host", because=("nginx_vhost", "vhost_missing"))
    for _confirmed in range(2):
        audit(domain, nginx_vhost=vhost, cert_le=cert)
    assert incidents() == [("check", f"{domain.pk}:nginx_vhost", 1)]
    members = IncidentDomain.objects.values_list("check_id", flat=True)
    assert set(members) == {"nginx_vhost", "cert_le"}
    for _confirmed in range(2):
        audit(domain, cert_le=fault("cert_expired", owner="host"))
    assert incidents() == [("check", f"{domain.pk}:cert_le", 1)]


def test_what_rests_on_a_row_of_the_server_card_is_one_incident(settings):
    tenant = make.make_tenant()
    domains = [settled(f"c{n}.pt", tenant) for n in range(3)]
    spf = fault("spf_include_missing", owner="host", because=("server_spf", "server_spf_broken"))
    for _confirmed in range(2):
        for domain in domains:
            audit(domain, dns_spf=spf)
    assert incidents() == [("server", f"{tenant.pk}:server_spf", 3)]
    incident = Incident.objects.get()
    assert (incident.owner, incident.code, incident.tenant) == ("host", "server_spf_broken", tenant)
    assert all(AuditDomain.objects.values_list("covered", flat=True))
    assert TenantCounts.objects.get(tenant=tenant).covered == 3
    assert {d.trouble_at for d in AuditDomain.objects.all()} == {None}
    for n, domain in enumerate(domains):
        for _confirmed in range(2):
            audit(domain)
        assert len(incidents()) == (n < 2)
    assert TenantCounts.objects.get(tenant=tenant).covered == 0


def test_a_service_that_stopped_is_the_servers_for_all_of_its_domains():
    domains = [settled(f"c{n}.pt") for n in range(2)]
    for _confirmed in range(2):
        for domain in domains:
            audit(
                domain,
                nginx_vhost=fault("nginx_down", owner="host"),
                webmail_http=fault(
                    "webmail_refused", owner="host", because=("nginx_vhost", "nginx_down")
                ),
                carbonio=fault("carbonio_service_down", owner="host"),
            )
    tenant = domains[0].tenant_id
    assert sorted(incidents()) == [
        ("server", f"{tenant}:server_proxy", 2),
        ("server", f"{tenant}:server_services", 2),
    ]


@pytest.mark.parametrize("kind", SHARED)
@pytest.mark.parametrize("tenants", [1, 2])
def test_several_that_share_what_explains_it_become_one(kind, tenants, told):
    check, trouble, key = SHARED[kind]
    of = [make.make_tenant(f"VM{n}") for n in range(tenants)]
    domains = [settled(f"c{n}.pt", of[n % tenants]) for n in range(4)]
    for n, domain in enumerate(domains[:2]):
        for _confirmed in range(2):
            audit(domain, **{check: trouble(n)})
    assert [i[0] for i in incidents()] == ["check", "check"]
    first = Incident.objects.earliest("opened_at").opened_at
    for _confirmed in range(2):
        audit(domains[2], **{check: trouble(2)})
    assert incidents() == [(kind, key, 3)]
    shared = Incident.objects.get(kind=kind)
    assert shared.opened_at == first and shared.domains_most == 3
    assert shared.tenant == (of[0] if tenants == 1 else None)
    merged = Incident.objects.filter(kind="check")
    assert {i.merged_into for i in merged} == {shared}
    assert [e for e, *_of in told] == ["opened", "opened", "merged", "merged", "opened"] or [
        e for e, *_of in told
    ] == ["opened", "opened", "opened", "merged", "merged"]
    rows = AuditDomain.objects.exclude(pk=domains[3].pk)
    assert set(rows.values_list("covered", "trouble_at")) == {(True, None)}
    for _confirmed in range(2):
        audit(domains[3], **{check: trouble(3)})
    assert incidents() == [(kind, key, 4)]
    for domain in domains[:3]:
        for _confirmed in range(2):
            audit(domain)
    assert incidents() == [(kind, key, 1)], "what is left stays in it"
    for _confirmed in range(2):
        audit(domains[3])
    assert incidents() == [] and told[-1][:2] == ("closed", kind)
    assert_true_to_rows()


def test_several_at_the_same_time_open_one_and_no_single_ones(told):
    check, trouble, key = SHARED["address"]
    domains = [settled(f"c{n}.pt") for n in range(5)]
    for _confirmed in range(2):
        store.record_lot(
            [
                store.Audited(d, found(**{check: trouble(n)}), timezone.now())
                for n, d in enumerate(domains)
            ]
        )
    assert incidents("all") == [("address", key, 5)] and told == [("opened", "address", key)]


def test_a_trouble_that_comes_from_another_cause_moves_once_that_is_confirmed(domain):
    ours = fault("spf_include_missing", owner="host", because=("server_spf", "server_spf_broken"))
    for _confirmed in range(2):
        audit(domain, dns_spf=fault("spf_missing"))
    own = ("check", f"{domain.pk}:dns_spf", 1)
    server = ("server", f"{domain.tenant_id}:server_spf", 1)
    audit(domain, dns_spf=ours)
    assert incidents() == [own]
    audit(domain, dns_spf=fault("spf_missing"))
    audit(domain, dns_spf=ours)
    assert incidents() == [own], "it flaps"
    audit(domain, dns_spf=ours)
    assert incidents() == [server] and domain.covered and domain.trouble_at is None
    for _confirmed in range(2):
        audit(domain)
    assert incidents() == [] and domain.unconfirmed == {}


# -- what we measure through


def test_a_portal_that_is_away_is_one_incident_of_the_domains_not_measured(told):
    domains = [settled(f"c{n}.pt") for n in range(3)]
    for _confirmed in range(2):
        for domain in domains:
            audit(domain, unmeasured("portal_unreachable"))
    tenant = domains[0].tenant_id
    assert incidents() == [("portal", str(tenant), 3)]
    incident = Incident.objects.get()
    assert (incident.owner, incident.code) == ("measurement", "portal_unreachable")
    assert set(AuditDomain.objects.values_list("covered", "not_measured")) == {(True, True)}
    for _confirmed in range(2):
        for domain in domains:
            audit(domain)
    assert incidents() == [] and [e for e, *_of in told] == ["opened", "closed"]
    assert set(AuditDomain.objects.values_list("covered", "not_measured")) == {(False, False)}


def test_a_portal_that_comes_and_goes_ten_times_is_one_incident(domain, told):
    """Case 227."""
    for _confirmed in range(2):
        audit(domain, unmeasured("portal_unreachable"))
    for _time in range(10):
        audit(domain)
        audit(domain, unmeasured("portal_unreachable"))
    assert len(told) == 1 and incidents() == [("portal", str(domain.tenant_id), 1)]
    for _confirmed in range(2):
        audit(domain)
    for _time in range(10):
        audit(domain, unmeasured("portal_unreachable"))
        audit(domain)
    assert [e for e, *_of in told] == ["opened", "closed"]


def test_our_resolver_away_is_one_incident_of_no_tenant(told):
    domains = [settled("a.pt", make.make_tenant("A")), settled("b.pt", make.make_tenant("B"))]
    for _confirmed in range(2):
        for domain in domains:
            audit(domain, unmeasured("resolver_down"))
    assert incidents() == [("resolver", "resolver", 2)]
    assert Incident.objects.get().tenant is None
    for _confirmed in range(2):
        for domain in domains:
            audit(domain)
    assert incidents() == []


def test_new_domains_are_part_of_what_is_not_measured_too():
    domain = make.make_domain("novo.pt")
    for _confirmed in range(2):
        audit(domain, unmeasured("portal_unreachable"))
    assert incidents() == [("portal", str(domain.tenant_id), 1)]


def test_a_trouble_that_cannot_be_measured_meanwhile_stays_in_its_incident(domain):
    for _confirmed in range(2):
        audit(domain, carbonio=fault("carbonio_domain_missing", owner="host"))
    for _confirmed in range(2):
        audit(domain, unmeasured("portal_unreachable"))
    assert sorted(i[0] for i in incidents()) == ["check", "portal"]
    for _confirmed in range(2):
        audit(domain, carbonio=fault("carbonio_domain_missing", owner="host"))
    assert incidents() == [("check", f"{domain.pk}:carbonio", 1)]


# -- what is lost, and what fails


def test_a_membership_that_was_lost_is_found_again(domain):
    """By whatever way: the next answer that differs is confirmed anew."""
    for _confirmed in range(2):
        audit(domain, dns_mx=MX)
    Incident.objects.all().delete()
    for _confirmed in range(2):
        audit(domain, dns_mx=fault("mx_null"))
    assert incidents() == [mx_incident(domain)]


def test_a_listener_that_fails_fails_the_audit_and_nothing_is_written(domain, monkeypatch):
    """Case 226."""
    audit(domain, dns_mx=MX)

    def broken(incident, event):
        raise RuntimeError("no")

    monkeypatch.setattr(incident_events, "HANDLERS", [broken])
    with pytest.raises(RuntimeError):
        audit(domain, dns_mx=MX)
    domain.refresh_from_db()
    assert Incident.objects.count() == 0 and domain.unconfirmed["dns_mx"][1] == 1
    monkeypatch.setattr(incident_events, "HANDLERS", [])
    audit(domain, dns_mx=MX)
    assert incidents() == [mx_incident(domain)]


def test_a_lost_claim_writes_nothing(domain):
    audit(domain, dns_mx=MX)
    AuditDomain.objects.filter(pk=domain.pk).update(claimed_by="other")
    assert not store.record(domain, found(dns_mx=MX), begun_at=timezone.now(), owner="me")
    assert Incident.objects.count() == 0


def test_a_partial_audit_confirms_what_it_looked_at(domain):
    audit(domain, dns_mx=MX, dns_spf=fault("spf_missing"))
    audit(domain, {"dns_mx": found(dns_mx=MX)["dns_mx"]})
    assert incidents() == [mx_incident(domain)] and "dns_spf" in domain.unconfirmed
    audit(domain, {"dns_mx": all_ok()["dns_mx"]})
    audit(domain, {"dns_mx": all_ok()["dns_mx"]})
    assert incidents() == []
