"""Name servers that die and come back, over real DNS: one incident, and no domain is blamed."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, CheckTransition, Incident, Tenant
from audit.reading.incidents import cause_in_words
from audit.results.incident_sweep import sweep
from mock_tenant.dnsserver import DnsServer, Zone
from mock_tenant.tenant import MockTenant
from tests.audit.draining import close_loop, drain_due

DOMAINS = [f"c{n}.test" for n in range(4)]
SERVERS = ["ns1.dns.example", "ns2.dns.example"]
OTHERS = {"mx1.host.test": {"A": ["127.0.0.2"]}, "healthy.test": {"MX": ["10 mx1.host.test."]}}
DNS_CHECKS = ("dns_mx", "dns_spf", "dns_dmarc")


def zone(action=None):
    own = {
        "MX": ["10 mx1.host.test."],
        "TXT": ["v=spf1 -all"],
        "NS": [f"{server}." for server in SERVERS],
    }
    rules = [
        {"name": name, "action": action} for domain in DOMAINS for name in (domain, f"*.{domain}")
    ]
    return Zone(
        {"names": {**OTHERS, **dict.fromkeys(DOMAINS, own)}, "rules": rules if action else []}
    )


@pytest.fixture
def world(settings):
    """A DNS server and the domains of a tenant, each of which was audited once."""
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.AUDIT_CHECK_TIMEOUT_SEC = 3
    settings.AUDIT_DNS_CACHE_SEC = 0
    close_loop()
    with DnsServer(zone()) as dns:
        settings.AUDIT_DNS_SERVERS = ((dns.host, dns.port),)
        tenant = Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"])
        for name in (*DOMAINS, "healthy.test"):
            AuditDomain.objects.create(tenant=tenant, domain=name)
        drain_due(seconds=100)
        yield dns
        close_loop()


def audit_all(times):
    for _time in range(times):
        AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
        assert drain_due(seconds=100) == len(DOMAINS) + 1


def verdicts():
    rows = AuditCheck.objects.filter(domain__domain__in=DOMAINS, check_id__in=DNS_CHECKS)
    return set(rows.values_list("status", flat=True))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("servfail", "name servers fail (SERVFAIL)"),
        ("refused", "name servers refuse to answer"),
        ("drop", "name servers do not answer"),
    ],
)
def test_one_incident_opens_and_closes_and_no_domain_is_blamed(world, action, words):
    before = verdicts()
    assert "unknown" not in before and Incident.objects.count() == 0
    transitions = CheckTransition.objects.count()
    world.zone = zone(action)
    audit_all(2)
    assert verdicts() == {"unknown"}
    incident = Incident.objects.get()
    assert (incident.kind, incident.key) == ("name_server", ", ".join(SERVERS))
    assert (incident.domains_now, incident.closed_at) == (len(DOMAINS), None)
    assert cause_in_words(incident) == f"ns1/ns2.dns.example: {words}"
    for check in AuditCheck.objects.filter(domain__domain__in=DOMAINS, check_id="dns_mx"):
        assert check.evidence["zone"] == check.domain.domain
        assert check.evidence["name_servers"] == SERVERS
        assert check.conclusive_status == "ok"
    world.zone = zone()
    audit_all(2)
    incident.refresh_from_db()
    assert incident.closed_at and verdicts() == before
    assert Incident.objects.count() == 1 and CheckTransition.objects.count() == transitions
    assert not AuditDomain.objects.exclude(silent_servers="").exists()


@pytest.mark.django_db
def test_the_demo_has_such_a_fault(settings, tmp_path):
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.AUDIT_CHECK_TIMEOUT_SEC, settings.AUDIT_DNS_CACHE_SEC = 3, 0
    close_loop()
    with MockTenant(tmp_path, portal=0, dns=0, webmail=0) as mock:
        settings.AUDIT_DNS_SERVERS = (("127.0.0.1", mock.ports["dns"]),)
        company = mock.company
        silent = company.faults["name_servers"]["silent"]
        theirs = [d.name for d in company.present() if silent in d.zone[d.name]["NS"]]
        tenant = Tenant.objects.create(name="VM112", mail_hosts=mock.fields["mail_hosts"])
        for name in (*theirs, company.host):
            AuditDomain.objects.create(tenant=tenant, domain=name)
        drain_due(seconds=100)
        for on in (True, False):
            mock.dns.zone = Zone(company.zone(["name_servers"] if on else []))
            for _audit in range(2):
                AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
                drain_due(seconds=100)
            incident = Incident.objects.get(kind="name_server")
            assert (incident.closed_at is None) == on
    assert incident.domains_most == len(theirs) == 4
    close_loop()


UNRELATED = [f"d{n}.test" for n in range(6)]


def remembering(lost=False):
    """A resolver that has lost its way to the internet, or not: it answers what it remembers."""
    names = {
        name: {
            "MX": ["10 mx1.host.test."],
            "TXT": ["v=spf1 -all"],
            "NS": [f"ns{i}.dns{n}.example." for i in (1, 2)],
        }
        for n, name in enumerate(UNRELATED)
    }
    rules = [
        {"name": each, "action": "servfail"} for name in UNRELATED for each in (name, f"*.{name}")
    ]
    return Zone({"names": {**OTHERS, **names}, "rules": rules if lost else []})


@pytest.mark.django_db
def test_a_resolver_that_answers_out_of_its_cache_alone_is_one_incident_of_ours(world):
    """Case 295."""
    for name in UNRELATED:
        AuditDomain.objects.create(tenant=Tenant.objects.get(), domain=name, onboarding=False)
    world.zone = remembering()
    AuditDomain.objects.exclude(domain__in=UNRELATED).delete()
    drain_due(seconds=100)
    healthy = AuditCheck.objects.filter(check_id="dns_mx", status="ok")
    assert healthy.count() == len(UNRELATED)
    for lost, kinds in ((True, ["resolver"]), (False, [])):
        world.zone = remembering(lost)
        for _time in range(2):
            AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
            assert drain_due(seconds=100) == len(UNRELATED)
        sweep(timezone.now())
        opened = Incident.objects.filter(closed_at=None, kind__in=["resolver", "name_server"])
        assert list(opened.values_list("kind", flat=True)) == kinds
    assert Incident.objects.filter(kind="name_server").count() == 0


@pytest.mark.django_db
def test_a_resolver_that_denies_everything_is_one_incident_and_no_domain_is_gone(world):
    """Case 296."""
    before = verdicts()
    world.zone = Zone({"names": {"log-in-first.test": {"A": ["192.0.2.1"]}}})
    audit_all(2)
    assert verdicts() == {"unknown"}
    assert [i.kind for i in Incident.objects.exclude(kind="server")] == ["resolver"]
    changes = CheckTransition.objects.exclude(from_status="")
    assert not changes.filter(check_id__in=DNS_CHECKS).exists()
    world.zone = zone()
    audit_all(2)
    assert verdicts() == before and not Incident.objects.filter(closed_at=None).exists()
