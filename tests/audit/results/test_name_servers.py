"""Name servers that fail: the cause that the domains which share them have in common."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra.django import TestCase

from audit.models import AuditDomain, Incident, IncidentDomain, TenantCounts
from audit.results.cause import Kind, away
from audit.results.incident_sweep import hold_numbers_against_rows, sweep
from audit.results.name_servers import CODES, short
from tests.audit import factories as make
from tests.audit.troubles import (
    assert_true_to_rows,
    audit,
    fault,
    found,
    incidents,
    servers_silent,
    settled,
    unmeasured,
)

pytestmark = pytest.mark.django_db
SERVERS = ("ns1.dns.example", "ns2.dns.example")
KEY = "ns1.dns.example, ns2.dns.example"


def twice(domains, *servers, **how):
    for _confirmed in range(2):
        for domain in domains:
            audit(domain, servers_silent(*servers, domain=domain.domain, **how))


# -- what one audit says


@pytest.mark.parametrize("code", CODES)
def test_the_domains_own_lookup_that_failed_is_their_doing(code):
    cause = away(3, servers_silent(*SERVERS, code=code))[Kind.NAME_SERVER]
    assert cause.place == ("name_server", KEY, "ns1/ns2.dns.example")
    assert (cause.finding.code, cause.finding.severity) == (code, "unknown")
    assert (cause.finding.owner, cause.check_id) == ("measurement", "dns_mx")
    assert "ns1/ns2.dns.example" in cause.finding.message


@pytest.mark.parametrize(
    "changed",
    [
        {"name_servers": []},
        {"zone": ""},
        {"lookups": []},
        {"lookups": "… [nested too deep]"},
        {"lookups": ["… 7 more"]},
        {"lookups": [{"name": "mx.other.pt", "type": "A", "result": "dns_timeout"}]},
        {"lookups": [{"name": "other.pt", "type": "MX", "result": "dns_timeout"}]},
        {"lookups": [{"name": "cliente.pt", "type": "MX", "result": "dns_limit"}]},
        {"lookups": [{"name": "cliente.pt", "type": "MX", "result": "NODATA"}]},
    ],
)
def test_any_other_lookup_says_nothing_of_them(changed):
    seen = {
        "zone": "cliente.pt",
        "name_servers": list(SERVERS),
        "lookups": [{"name": "cliente.pt", "type": "MX", "result": "dns_timeout"}],
    }
    failed = fault("dns_timeout", severity="unknown", owner="measurement", **seen | changed)
    assert away(3, found(dns_mx=failed)) == {}


def test_while_our_resolver_is_away_they_are_not_blamed():
    both = servers_silent(*SERVERS) | {"dns_spf": unmeasured("resolver_down")["dns_spf"]}
    assert set(away(3, both)) == {Kind.RESOLVER}


@pytest.mark.parametrize(
    ("servers", "text"),
    [
        (["ns.a.pt"], "ns.a.pt"),
        (["ns1.a.pt", "ns2.a.pt", "ns.b.pt"], "ns1/ns2.a.pt, ns.b.pt"),
        ([f"ns{n}.a.pt" for n in range(9)], "ns0/ns1/ns2/ns3.a.pt, …"),
    ],
)
def test_they_are_said_shortly(servers, text):
    assert short(servers) == text


# -- incidents


def test_domains_that_share_them_are_one_incident_that_opens_and_closes(told):
    domains = [settled(f"c{n}.pt") for n in range(4)]
    twice(domains, *SERVERS)
    assert incidents() == [("name_server", KEY, 4)]
    incident = Incident.objects.get()
    assert (incident.severity, incident.owner) == ("unknown", "measurement")
    assert incident.tenant == domains[0].tenant and incident.subject == "ns1/ns2.dns.example"
    assert set(AuditDomain.objects.values_list("covered", "silent_servers")) == {(True, KEY)}
    assert_true_to_rows()
    for _confirmed in range(2):
        for domain in domains:
            audit(domain)
    assert incidents() == [] and [e for e, *_of in told] == ["opened", "closed"]
    assert set(AuditDomain.objects.values_list("covered", "silent_servers")) == {(False, "")}
    assert_true_to_rows()


def test_two_domains_are_none(told):
    twice([settled(f"c{n}.pt") for n in range(2)], *SERVERS)
    sweep(timezone.now())
    assert told == [] and set(AuditDomain.objects.values_list("covered")) == {(False,)}


def test_those_before_the_third_are_taken_in_with_it_and_began_it(told):
    domains = [settled(f"c{n}.pt") for n in range(3)]
    began = timezone.now() - timedelta(hours=1)
    audit(domains[0], servers_silent(*SERVERS, domain="c0.pt", at=began))
    for domain in domains:
        twice([domain], *SERVERS)
    assert incidents() == [("name_server", KEY, 3)] and len(told) == 1
    assert IncidentDomain.objects.filter(left_at=None, check_id="name_server").count() == 3
    assert set(AuditDomain.objects.values_list("covered")) == {(True,)}
    assert TenantCounts.objects.get().covered == 3
    assert_true_to_rows()


def test_servers_of_several_tenants_are_no_tenants_own():
    domains = [settled(f"c{n}.pt", make.make_tenant(f"VM{n}")) for n in range(3)]
    twice(domains, *SERVERS)
    assert Incident.objects.get().tenant is None


def test_while_our_resolver_is_an_incident_they_are_none_and_afterwards_they_are(told):
    other = settled("other.pt")
    for _confirmed in range(2):
        audit(other, unmeasured("resolver_down"))
    domains = [settled(f"c{n}.pt") for n in range(3)]
    twice(domains, *SERVERS)
    sweep(timezone.now())
    assert [kind for kind, *_of in incidents()] == ["resolver"]
    for _confirmed in range(2):
        audit(other)
    sweep(timezone.now())
    assert incidents() == [("name_server", KEY, 3)]
    assert [(e, kind) for e, kind, _key in told] == [
        ("opened", "resolver"),
        ("closed", "resolver"),
        ("opened", "name_server"),
    ]
    message = Incident.objects.get(kind="name_server").message
    assert message.startswith("The name servers ns1/ns2.dns.example do not answer.")
    assert_true_to_rows()


def test_what_fails_once_is_nothing_and_what_comes_and_goes_is_one(told):
    domains = [settled(f"c{n}.pt") for n in range(3)]
    for domain in domains:
        audit(domain, servers_silent(*SERVERS, domain=domain.domain))
        audit(domain)
    assert told == []
    twice(domains, *SERVERS)
    for _time in range(5):
        for domain in domains:
            audit(domain)
            audit(domain, servers_silent(*SERVERS, domain=domain.domain))
    assert len(told) == 1 and incidents() == [("name_server", KEY, 3)]


def test_a_domain_that_moved_to_others_that_fail_too_goes_to_them():
    domains = [settled(f"c{n}.pt") for n in range(4)]
    others = [settled(f"d{n}.pt") for n in range(3)]
    twice(domains, *SERVERS)
    twice(others, "ns.other.example")
    audit(domains[0], servers_silent("ns.other.example", domain="c0.pt"))
    assert incidents() == [("name_server", KEY, 3), ("name_server", "ns.other.example", 4)]
    assert_true_to_rows()


def test_whoever_is_switched_off_leaves_them():
    domains = [settled(f"c{n}.pt") for n in range(3)]
    twice(domains, *SERVERS)
    AuditDomain.objects.filter(pk=domains[0].pk).update(enabled=False)
    sweep(timezone.now())
    domains[0].refresh_from_db()
    assert incidents() == [("name_server", KEY, 2)] and domains[0].silent_servers == ""


def test_a_verdict_that_something_else_keeps_away_says_that_they_answer():
    domains = [settled(f"c{n}.pt") for n in range(3)]
    twice(domains, *SERVERS)
    unseen = fault("dns_timeout", severity="unknown", owner="measurement", mx=["10 mx.pt"])
    for _confirmed in range(2):
        for domain in domains:
            audit(domain, dns_mx=unseen)
    assert incidents() == []


# -- whatever happens

SETS = (("ns1.a.pt", "ns2.a.pt"), ("ns1.a.pt", "ns3.a.pt"), ("ns.b.pt",))
STATES = some.sampled_from(["ok", "resolver", 0, 1, 2])
STEP = some.one_of(some.tuples(some.integers(0, 6), STATES), some.just("sweep"))


class TestGrouping(TestCase):
    """Of any history: each incident is of one set of name servers, its domains are those that are
    confirmed to be silent by it, none has two, and nothing is left out that should be in one."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some.lists(STEP, max_size=40))
    def test_every_incident_is_of_those_that_share_what_fails(self, steps):
        domains = [settled(f"c{n}.pt") for n in range(7)]
        for step in steps:
            if step == "sweep":
                sweep(timezone.now())
                continue
            n, state = step
            for _confirmed in range(2):
                if state == "ok":
                    audit(domains[n])
                elif state == "resolver":
                    audit(domains[n], unmeasured("resolver_down"))
                else:
                    silent = servers_silent(*SETS[state], domain=domains[n].domain)
                    audit(domains[n], silent)
        sweep(timezone.now())
        assert hold_numbers_against_rows() == 0
        assert_true_to_rows()
        self.hold()

    def hold(self):
        parts = IncidentDomain.objects.filter(left_at=None, check_id="name_server")
        of = dict(parts.values_list("domain_id", "incident__key"))
        assert len(of) == parts.count()
        silent = dict(
            AuditDomain.objects.exclude(silent_servers="").values_list("pk", "silent_servers")
        )
        assert of.items() <= silent.items()
        resolver_is_down = Incident.objects.filter(kind="resolver", closed_at=None).exists()
        for key in set(silent.values()):
            sharing = {pk for pk, servers in silent.items() if servers == key}
            inside = {pk for pk in sharing if pk in of}
            assert not inside or inside == sharing
            if len(sharing) >= 3 and not resolver_is_down:
                assert inside == sharing
