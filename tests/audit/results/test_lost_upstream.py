"""Many unrelated name servers that fall silent at once are our resolver's doing; few are not."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from hypothesis.extra.django import TestCase

from audit.models import AuditCheck, AuditDomain, Incident, IncidentDomain
from audit.reading.incidents import cause_in_words
from audit.results.incident_sweep import hold_numbers_against_rows, sweep
from audit.results.lost_upstream import MANY, unrelated
from tests.audit.troubles import (
    assert_true_to_rows,
    audit,
    incidents,
    servers_silent,
    settled,
    unmeasured,
)

pytestmark = pytest.mark.django_db
CLOUDFLARE = [(f"a{n}.ns.cloudflare.com", f"b{n}.ns.cloudflare.com") for n in range(9)]
ROUTE53 = [
    tuple(f"ns-{n}.awsdns-{n:02}.{end}" for end in ("com", "net", "org", "co.uk")) for n in range(9)
]


def own(n):
    """The name servers of the nth provider, which has nothing to do with another."""
    return (f"ns1.dns{n}.pt", f"ns2.dns{n}.pt")


def fleet(sets, each=1):
    """`[(domain, its name servers)]`."""
    return [
        (settled(f"c{n}x{m}.pt"), servers) for n, servers in enumerate(sets) for m in range(each)
    ]


def fall_silent(pairs):
    for domain, servers in pairs:
        for _confirmed in range(2):
            audit(domain, servers_silent(*servers, domain=domain.domain))


def answer(pairs):
    for domain, _servers in pairs:
        for _confirmed in range(2):
            audit(domain)


def make_older(minutes):
    """As if all that is silent had been for so long already."""
    before = timedelta(minutes=minutes)
    for row in AuditDomain.objects.exclude(silent_servers=""):
        for entry in row.unconfirmed.values():
            entry[2] -= before // timedelta(microseconds=1)
        row.save(update_fields=["unconfirmed"])
    for row in Incident.objects.all():
        row.opened_at -= before
        row.save(update_fields=["opened_at"])
    AuditDomain.objects.update(last_audit_at=timezone.now() - before)


SETS = [
    ([], 0),
    ([own(1), own(1)], 1),
    ([own(1), own(2), own(3)], 3),
    (CLOUDFLARE, 1),
    (ROUTE53, 1),
    ([*CLOUDFLARE, *ROUTE53], 2),
    # a third one that has servers of both
    ([own(1), own(2), (own(1)[0], own(2)[0])], 1),
    ([("ns1.a.co.uk",), ("ns1.b.co.uk",)], 2),
]


@pytest.mark.parametrize(("sets", "number"), SETS)
def test_sets_are_unrelated_that_share_no_provider_and_no_domain(sets, number):
    assert unrelated({", ".join(servers) for servers in sets}) == number


def test_many_at_once_are_one_incident_of_our_resolver(told):
    """Each would be too small for an incident of its own."""
    pairs = fleet([own(n) for n in range(MANY + 2)])
    fall_silent(pairs)
    sweep(timezone.now())
    assert incidents() == [("resolver", "resolver", MANY + 2)]
    incident = Incident.objects.get()
    assert (incident.code, incident.owner, incident.severity) == (
        "resolver_down",
        "measurement",
        "unknown",
    )
    assert incident.tenant is None and "fell silent within the same minutes" in incident.message
    assert cause_in_words(incident)
    assert set(AuditDomain.objects.values_list("covered")) == {(True,)}
    assert_true_to_rows()
    answer(pairs)
    sweep(timezone.now())
    assert incidents() == [] and [(e, kind) for e, kind, _key in told] == [
        ("opened", "resolver"),
        ("closed", "resolver"),
    ]
    assert_true_to_rows()


def test_those_that_were_theirs_at_first_go_on_in_it(told):
    pairs = fleet([own(n) for n in range(MANY + 1)], each=3)
    fall_silent(pairs)
    sweep(timezone.now())
    assert incidents() == [("resolver", "resolver", len(pairs))]
    merged = Incident.objects.filter(kind="name_server")
    assert merged and all(i.merged_into.kind == "resolver" for i in merged)
    assert "closed" not in [event for event, *_of in told]
    assert_true_to_rows()
    answer(pairs)
    assert incidents() == []


@pytest.mark.parametrize(
    "sets", [[own(n) for n in range(MANY - 1)], CLOUDFLARE, ROUTE53], ids=["few", "one", "another"]
)
def test_few_or_related_ones_are_the_cause_themselves(sets):
    fall_silent(fleet(sets, each=3))
    sweep(timezone.now())
    assert {kind for kind, *_of in incidents()} == {"name_server"}
    assert len(incidents()) == len(sets)


def test_one_after_another_they_are_the_cause_themselves():
    pairs = fleet([own(n) for n in range(MANY + 1)], each=3)
    for n in range(0, len(pairs), 3):
        fall_silent(pairs[n : n + 3])
        make_older(11)
    sweep(timezone.now())
    assert [kind for kind, *_of in incidents()] == ["name_server"] * (MANY + 1)


def test_among_very_many_that_answer_they_are_the_cause_themselves():
    """A data centre that burns takes several providers with it: all others answer."""
    others = [settled(f"ok{n}.pt") for n in range(21 * MANY)]
    pairs = fleet([own(n) for n in range(MANY)])
    fall_silent(pairs)
    for domain in others:
        audit(domain)
    sweep(timezone.now())
    assert incidents() == []  # each of one domain


def test_what_has_not_answered_for_long_did_not_fall_silent_now():
    """A tenant is switched on again after months: what is dead since is not our resolver's."""
    pairs = fleet([own(n) for n in range(MANY + 1)], each=3)
    AuditCheck.objects.update(conclusive_at=timezone.now() - timedelta(days=30))
    month = timedelta(days=30) // timedelta(microseconds=1)
    for domain in AuditDomain.objects.all():
        domain.checked = {c: [at - month, ms] for c, (at, ms) in domain.checked.items()}
        domain.save(update_fields=["checked"])
    fall_silent(pairs)
    sweep(timezone.now())
    assert {kind for kind, *_of in incidents()} == {"name_server"}


def test_who_stays_silent_when_most_answer_again_is_a_cause_of_its_own(told):
    pairs = fleet([own(n) for n in range(MANY + 3)], each=3)
    fall_silent(pairs)
    sweep(timezone.now())
    answer(pairs[3:])
    make_older(11)
    for domain, _servers in pairs[3:]:
        audit(domain)
    sweep(timezone.now())
    assert incidents() == [("name_server", ", ".join(own(0)), 3)]
    assert_true_to_rows()
    answer(pairs)
    assert incidents() == []
    sweep(timezone.now())
    assert incidents() == [] and [e for e, *_of in told].count("closed") == 2


def test_one_that_comes_later_is_taken_in_while_it_lasts():
    pairs = fleet([own(n) for n in range(MANY + 2)])
    fall_silent(pairs[:-1])
    sweep(timezone.now())
    make_older(30)
    fall_silent(pairs[-1:])
    sweep(timezone.now())
    assert incidents() == [("resolver", "resolver", MANY + 2)]


def test_whoever_joins_it_costs_the_same_however_many_there_are():
    """Ten thousand fall silent in lots: none reads again what all others say."""
    pairs = fleet([own(n) for n in range(MANY + 1)])
    fall_silent(pairs)
    sweep(timezone.now())
    assert incidents() == [("resolver", "resolver", len(pairs))]
    asked = []
    for n in range(MANY + 1, MANY + 9):
        later = (settled(f"later{n}.pt"), own(n))
        with CaptureQueriesContext(connection) as seen:
            fall_silent([later])
        said = [q["sql"] for q in seen.captured_queries]
        assert not [sql for sql in said if "LIMIT 5000" in sql]
        asked.append(len([sql for sql in said if "SAVEPOINT" not in sql]))
    assert set(asked) == {asked[0]} and incidents() == [("resolver", "resolver", len(pairs) + 8)]


def test_what_was_dead_before_stays_a_cause_of_its_own():
    pairs = fleet([own(0), own(0), own(0), *(own(n) for n in range(1, MANY + 1))])
    fall_silent(pairs[:3])
    make_older(60)
    fall_silent(pairs[3:])
    sweep(timezone.now())
    assert incidents() == [("name_server", ", ".join(own(0)), 3), ("resolver", "resolver", MANY)]


STATES = some.sampled_from(["ok", "silent", "resolver", "other"])
STEP = some.one_of(
    some.tuples(some.integers(0, 8), STATES), some.sampled_from(["sweep", "later", "off", "on"])
)


class TestHistories(TestCase):
    """Of any history: the numbers are the rows', nobody is in two, all that is left silent is in
    one of them where several share it, and nothing is left open when all answer."""

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(some.lists(STEP, min_size=8, max_size=50))
    def test_numbers_are_true_and_nothing_stays_open(self, steps):
        pairs = fleet([own(n) for n in range(9)])
        for step in steps:
            if step == "sweep":
                sweep(timezone.now())
            elif step == "later":
                make_older(6)
            elif step in ("off", "on"):
                AuditDomain.objects.filter(pk__in=[d.pk for d, _s in pairs[:3]]).update(
                    enabled=step == "on"
                )
            else:
                n, state = step
                domain, servers = pairs[n]
                servers = own(99) if state == "other" else servers
                for _confirmed in range(2):
                    if state == "ok":
                        audit(domain)
                    elif state == "resolver":
                        audit(domain, unmeasured("resolver_down"))
                    else:
                        audit(domain, servers_silent(*servers, domain=domain.domain))
            self.hold()
        AuditDomain.objects.filter(enabled=False).update(enabled=True)
        answer(pairs)
        sweep(timezone.now())
        assert incidents() == []
        self.hold()

    def hold(self):
        assert_true_to_rows()
        assert hold_numbers_against_rows() == 0
        parts = IncidentDomain.objects.filter(left_at=None, check_id="name_server")
        assert parts.values("domain").distinct().count() == parts.count()
        of = set(parts.values_list("domain__silent_servers", flat=True))
        assert "" not in of
