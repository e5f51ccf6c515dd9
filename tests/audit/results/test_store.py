"""store.record: the one write path."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, AuditRun, CheckTransition, Tenant
from audit.models.domains import SUSPECT
from audit.results import store
from collectors.base import CheckResult, KnownZone, Outcome, Owner, info
from collectors.text import _ as _text
from tests.audit.check_results import result, results
from tests.audit.draining import claim_due

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain():
    return AuditDomain.objects.create(tenant=Tenant.objects.create(name="VM112"), domain="kunde.pt")


def record(domain, **statuses):
    at = statuses.pop("at", None) or timezone.now()
    saved = store.record(domain, results(at=at, **statuses), begun_at=at)
    domain.refresh_from_db()
    return saved


def test_it_writes_the_eight_checks_and_the_score_on_the_domain(domain):
    assert record(domain, dns_spf="fail", dns_dmarc="warn")
    assert AuditCheck.objects.filter(domain=domain).count() == 8
    assert (domain.score, domain.status, domain.severity) == (6, "critical", 0)
    assert domain.needs_customer and not domain.needs_host
    assert domain.last_audit_at and domain.next_audit_at > timezone.now()


def test_a_second_audit_updates_and_does_not_double(domain):
    record(domain)
    record(domain, dns_mx="fail")
    assert AuditCheck.objects.filter(domain=domain).count() == 8
    assert AuditCheck.objects.get(domain=domain, check_id="dns_mx").status == "fail"


def test_all_unknown_is_unknown_and_all_ok_is_healthy(domain):
    from collectors.registry import core_checks

    record(domain, **dict.fromkeys(core_checks(), "unknown"))
    assert (domain.score, domain.status) == (0, "unknown")
    record(domain)
    assert (domain.score, domain.status) == (8, "healthy")


def test_unknown_keeps_the_last_conclusive_status_and_is_no_transition(domain):
    first = timezone.now() - timedelta(hours=2)
    record(domain, dns_mx="fail", at=first)
    record(domain, dns_mx="unknown", at=first + timedelta(hours=1))
    check = AuditCheck.objects.get(domain=domain, check_id="dns_mx")
    assert (check.status, check.conclusive_status, check.conclusive_at) == (
        "unknown",
        "fail",
        first,
    )
    record(domain, dns_mx="fail", at=first + timedelta(hours=2))
    transitions = CheckTransition.objects.filter(domain=domain, check_id="dns_mx")
    assert [(t.from_status, t.to_status) for t in transitions] == [("", "fail")]
    assert AuditCheck.objects.get(domain=domain, check_id="dns_mx").since == first


def test_a_change_between_conclusive_statuses_is_a_transition_with_both_evidences(domain):
    at = timezone.now()
    store.record(domain, {"dns_mx": result("dns_mx", "ok", at=at, seen="before")}, begun_at=at)
    store.record(
        domain, {"dns_mx": result("dns_mx", "unknown", at=at, seen="nothing")}, begun_at=at
    )
    store.record(domain, {"dns_mx": result("dns_mx", "fail", at=at, seen="after")}, begun_at=at)
    last = CheckTransition.objects.filter(domain=domain).latest("pk")
    assert (last.from_status, last.to_status) == ("ok", "fail")
    assert last.evidence_after == {"seen": "after"}


def test_a_partial_audit_leaves_the_other_checks_and_counts_them(domain):
    record(domain)
    store.record(domain, {"dns_mx": result("dns_mx", "fail")}, begun_at=timezone.now())
    domain.refresh_from_db()
    assert (domain.score, domain.status) == (7, "critical")


def test_it_writes_nothing_for_a_claim_that_somebody_else_took_over(domain):
    AuditDomain.objects.filter(pk=domain.pk).update(claimed_by="other")
    assert not store.record(domain, results(), begun_at=timezone.now(), owner="me")
    assert not AuditCheck.objects.exists()


def test_it_writes_nothing_for_a_domain_that_was_removed_meanwhile(domain):
    gone = AuditDomain.objects.get(pk=domain.pk)
    domain.delete()
    assert not store.record(gone, results(), begun_at=timezone.now(), owner="me")


def test_a_request_that_came_during_the_audit_stays_due(domain):
    begun = timezone.now()
    AuditDomain.objects.filter(pk=domain.pk).request_audit(begun + timedelta(seconds=1))
    store.record(domain, results(), begun_at=begun)
    domain.refresh_from_db()
    assert domain.requested_at is not None
    assert domain.next_audit_at <= begun + timedelta(seconds=1)


def test_it_settles_the_runs_that_waited_and_not_those_that_asked_later(domain):
    rows = AuditDomain.objects.filter(pk=domain.pk)
    run, _ = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="ana", scope="kunde.pt"
    )
    begun = timezone.now()
    later, already = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="onboarding", by="x", scope="kunde.pt"
    )
    assert not already
    store.record(domain, results(), begun_at=begun)
    run.refresh_from_db()
    later.refresh_from_db()
    assert (run.state, run.done, run.failed) == ("done", 1, 0)
    assert later.state == "queued"


def test_asked_twice_while_queued_it_answers_with_the_first(domain):
    rows = AuditDomain.objects.filter(pk=domain.pk)
    first, already = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="ana", scope="kunde.pt"
    )
    again, repeated = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="rui", scope="kunde.pt"
    )
    assert (first.pk, already, repeated) == (again.pk, False, True)


def test_a_domain_that_is_given_up_is_counted_as_failed_and_waits_for_its_slot(domain):
    rows = AuditDomain.objects.filter(pk=domain.pk)
    run, _ = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="ana", scope="kunde.pt"
    )
    AuditDomain.objects.filter(pk=domain.pk).update(claimed_by="me", attempts=4)
    assert store.give_up(domain, owner="me", begun_at=timezone.now(), error="worker died")
    run.refresh_from_db()
    domain.refresh_from_db()
    assert (run.state, run.failed) == ("failed", 1)
    assert (
        domain.last_error == "worker died"
        and domain.next_audit_at > timezone.now()
        and domain.attempts == SUSPECT
    )


def test_slots_spread_a_fleet_evenly_over_the_interval(domain, settings):
    now = timezone.now()
    slots = sorted(
        (AuditDomain(pk=pk).next_slot(now) - now).total_seconds() for pk in range(1, 601)
    )
    assert slots[0] >= settings.AUDIT_INTERVAL_SEC / 20
    assert slots[-1] < settings.AUDIT_INTERVAL_SEC * 1.05 + 1
    gaps = [b - a for a, b in pairwise(slots)]
    assert max(gaps) < 5


def test_evidence_with_control_characters_is_kept_as_escapes(domain):
    at = timezone.now()
    store.record(
        domain, {"dns_mx": result("dns_mx", "fail", at=at, seen="a\0b\u202ec")}, begun_at=at
    )
    assert AuditCheck.objects.get(domain=domain).evidence == {"seen": "a\\x00b\\u202ec"}


def test_the_same_audit_twice_is_kept_once(domain):
    """Case 150: The first claim ran out while its audit still went on, and another worker took the
    domain over."""
    rows = AuditDomain.objects.filter(pk=domain.pk)
    run, _ = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="ana", scope="kunde.pt"
    )
    begun = timezone.now()
    (first,) = claim_due("one")
    rows.update(claimed_until=begun - timedelta(seconds=1))
    (second,) = claim_due("two")
    assert store.record(second, results(dns_mx="fail"), begun_at=begun, owner="two")
    assert not store.record(first, results(dns_mx="ok"), begun_at=begun, owner="one")
    run.refresh_from_db()
    assert (run.done, run.failed) == (1, 0)
    assert AuditCheck.objects.count() == 8 and CheckTransition.objects.count() == 8
    assert AuditCheck.objects.get(check_id="dns_mx").status == "fail"


def test_an_audit_by_hand_leaves_the_claim_and_the_attempts_of_the_worker_alone(domain):
    """Else giving the claim back would count below nought, which the database refuses."""
    claim_due("worker")
    record(domain)
    assert (domain.claimed_by, domain.attempts) == ("worker", 1)
    AuditDomain.objects.filter(pk=domain.pk).give_back("worker")
    domain.refresh_from_db()
    assert (domain.claimed_by, domain.attempts) == ("", 0)


def test_some_checks_alone_are_no_audit_of_the_domain(domain):
    """`run_audit --check dns_mx` in a cron job must not make a domain look fresh that no worker
    looks at any more."""
    record(domain)
    before = timezone.now() - timedelta(hours=1)
    rows = AuditDomain.objects.filter(pk=domain.pk)
    rows.update(last_audit_at=before)
    run, _ = AuditRun.objects.get_or_create_run(
        tenant=domain.tenant, domains=rows, trigger="manual", by="ana", scope="kunde.pt"
    )
    assert store.record(domain, {"dns_mx": result("dns_mx", "fail")}, begun_at=timezone.now())
    run.refresh_from_db()
    domain.refresh_from_db()
    assert (domain.status, domain.last_audit_at, domain.stale, run.state) == (
        "critical",
        before,
        True,
        "queued",
    )
    assert domain.requested_at and AuditDomain.objects.due().count() == 1


def test_when_it_was_last_ok_outlives_a_failure(domain):
    first = timezone.now() - timedelta(hours=2)
    record(domain, at=first)
    record(domain, dns_mx="fail", at=first + timedelta(hours=1))
    check = AuditCheck.objects.get(domain=domain, check_id="dns_mx")
    assert (check.status, check.last_ok_at) == ("fail", first)
    record(domain, dns_mx="unknown")
    assert AuditCheck.objects.get(domain=domain, check_id="dns_mx").last_ok_at == first


@pytest.mark.parametrize("owner", [Owner.HOST, Owner.CUSTOMER])
def test_what_is_only_said_is_nobodys_turn(domain, owner):
    said = info("mx_extra", _text("There is one more."), owner=owner)
    outcome = Outcome(_text("It is fine."), [said])
    found = CheckResult.of("dns_mx", outcome, checked_at=timezone.now(), duration_ms=1)
    assert store.record(domain, {**results(), "dns_mx": found}, begun_at=timezone.now())
    domain.refresh_from_db()
    assert (domain.status, domain.needs_host, domain.needs_customer) == ("healthy", False, False)


KEY = {"selector": "s2026", "public_key": "MIIB"}


def portal_says(facts, at=None):
    """The results of an audit in which the portal said this."""
    found = result("dns_dkim", at=at)
    return {**results(at=at), "dns_dkim": replace(found, facts=facts)}


def test_what_the_portal_said_is_remembered_with_its_time(domain):
    first = timezone.now() - timedelta(hours=1)
    store.record(domain, portal_says({"dkim": KEY}, first), begun_at=first)
    store.record(domain, portal_says({"certificate": "PEM"}), begun_at=timezone.now())
    store.record(domain, portal_says({}), begun_at=timezone.now())
    domain.refresh_from_db()
    facts = domain.target().portal_facts
    assert (facts.dkim, facts.dkim_at, facts.certificate) == (KEY, first, "PEM")
    assert facts.certificate_at > first


def test_that_the_server_signs_with_no_key_is_remembered_too(domain):
    assert domain.target().portal_facts.dkim_at is None
    at = timezone.now()
    store.record(domain, portal_says({"dkim": None}, at), begun_at=at)
    domain.refresh_from_db()
    facts = domain.target().portal_facts
    assert (facts.dkim, facts.dkim_at, facts.certificate_at) == (None, at, None)


def test_what_came_after_the_claim_was_lost_is_not_remembered(domain):
    AuditDomain.objects.filter(pk=domain.pk).update(claimed_by="other")
    assert not store.record(domain, portal_says({"dkim": KEY}), begun_at=timezone.now(), owner="me")
    domain.refresh_from_db()
    assert domain.portal_facts == {}


def test_history_keeps_its_order_where_the_clock_was_set_back(domain):
    now = timezone.now()
    record(domain, dns_mx="fail", at=now + timedelta(hours=1))
    record(domain, at=now)
    record(domain, dns_mx="warn", at=now + timedelta(minutes=1))
    rows = CheckTransition.objects.filter(domain=domain, check_id="dns_mx")
    newest = rows.order_by("-at", "-id").values_list("from_status", "to_status")
    assert list(newest) == [("ok", "warn"), ("fail", "ok"), ("", "fail")]


def with_zone(found, zone, *servers):
    mx = found["dns_mx"]
    evidence = mx.evidence | {"zone": zone, "name_servers": list(servers)}
    return found | {"dns_mx": replace(mx, evidence=evidence)}


def test_the_name_servers_are_remembered_with_the_domain_until_others_answer(domain):
    def seen(found):
        assert store.record(domain, found, begun_at=timezone.now())
        domain.refresh_from_db()
        return domain.target().known_zone

    assert seen(results()) == KnownZone()
    assert seen(with_zone(results(), "kunde.pt", "ns1.a.pt", "ns2.a.pt")).name_servers == (
        "ns1.a.pt",
        "ns2.a.pt",
    )
    assert seen(results(dns_mx="unknown")).zone == "kunde.pt", "who says nothing is who it was"
    assert seen(with_zone(results(), "kunde.pt", "ns.b.pt")) == KnownZone("kunde.pt", ("ns.b.pt",))
