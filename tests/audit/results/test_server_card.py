"""Recording a server card: rows, transitions, claims, and what incidents are told."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import ServerCard, ServerCheck, ServerTransition, Tenant
from audit.results import server_card
from audit.results.server_card import block_lists_are_known, record_card
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.make_tenant(spf_include="_spf.host.test")


def record(tenant, *, owner="w", begun_at=None, at=None, evidence=None, **statuses):
    """Claim, record these rows, and give the stored ones back."""
    ServerCard.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
    assert ServerCard.objects.claim(owner, 9)
    results = {c: make.make_result(c, s, at=at, evidence=evidence) for c, s in statuses.items()}
    kept = record_card(tenant.pk, results, owner=owner, begun_at=begun_at or timezone.now())
    assert kept
    return {c.check_id: c for c in ServerCheck.objects.filter(tenant=tenant)}


def changes(tenant):
    rows = ServerTransition.objects.filter(tenant=tenant).order_by("pk")
    return [(t.check_id, t.from_status, t.to_status) for t in rows]


def test_rows_are_kept_and_only_conclusive_changes_are_transitions(tenant):
    for status in ("ok", "unknown", "fail", "unknown", "fail", "ok"):
        rows = record(tenant, server_mx=status)
    assert changes(tenant) == [
        ("server_mx", "", "ok"),
        ("server_mx", "ok", "fail"),
        ("server_mx", "fail", "ok"),
    ]
    assert (rows["server_mx"].status, rows["server_mx"].conclusive_status) == ("ok", "ok")


def test_unknown_keeps_what_was_known_and_does_not_restart_its_clock(tenant):
    long_ago = timezone.now() - timedelta(days=2)
    began = record(tenant, at=long_ago, server_mx="fail")["server_mx"].since
    row = record(tenant, server_mx="unknown")["server_mx"]
    assert (row.status, row.conclusive_status) == ("unknown", "fail")
    assert record(tenant, server_mx="fail")["server_mx"].since == began == long_ago


def test_an_answer_that_is_the_stored_one_writes_no_row_of_it(
    tenant, django_assert_max_num_queries
):
    at = timezone.now() - timedelta(minutes=10)
    statuses = dict.fromkeys(server_card.CARD, "ok")
    rows = record(tenant, at=at, **statuses)
    assert rows["server_mx"].checked_at == at
    with django_assert_max_num_queries(18) as seen:
        rows = record(tenant, **statuses)
    written = [q["sql"] for q in seen if "audit_server_checks" in q["sql"]]
    assert not any(sql.startswith(("INSERT", "UPDATE")) for sql in written)
    card = ServerCard.objects.get()
    row = rows["server_mx"].at_present(card.checked)
    assert row.checked_at > at and row.since == at and row.last_ok_at == row.checked_at


def test_what_is_another_answer_of_the_same_status_is_written(tenant):
    record(tenant, server_mx="ok", evidence={"a": 1})
    assert record(tenant, server_mx="ok", evidence={"a": 2})["server_mx"].evidence == {"a": 2}
    assert len(changes(tenant)) == 1


def test_a_lost_claim_writes_nothing(tenant):
    ServerCard.objects.claim("w", 9)
    results = {"server_mx": make.make_result("server_mx")}
    now = timezone.now()
    assert not record_card(tenant.pk, results, owner="other", begun_at=now)
    assert not ServerCheck.objects.exists()
    assert ServerCard.objects.get().claimed_by == "w"
    Tenant.objects.all().delete()
    assert not record_card(tenant.pk, results, owner="w", begun_at=now)


def test_a_row_that_has_nothing_to_judge_any_more_goes_without_a_transition(tenant):
    record(tenant, server_mx="fail", server_spf="ok")
    tenant.spf_include = ""
    tenant.save()
    assert set(record(tenant, server_mx="fail")) == {"server_mx"}
    assert set(ServerCard.objects.get().checked) == {"server_mx"}
    assert len(changes(tenant)) == 2


def test_the_next_turn_is_a_regular_one_unless_somebody_asked_meanwhile(tenant, settings):
    settings.AUDIT_INTERVAL_SEC = 600
    record(tenant, server_mx="ok")
    card = ServerCard.objects.get()
    wait = card.next_audit_at - timezone.now()
    assert timedelta(seconds=20) < wait < timedelta(seconds=640) and card.requested_at is None
    began = timezone.now() - timedelta(seconds=5)
    ServerCard.objects.make_due(tenant.pk)
    record(tenant, begun_at=began, server_mx="ok")
    card.refresh_from_db()
    assert card.requested_at and card.next_audit_at <= timezone.now() and card.claimed_by == ""


def test_incidents_are_told_of_all_rows_in_the_same_transaction(tenant, monkeypatch):
    told = []

    def listen(tenant_id, before, after, *, at_once):
        assert not at_once
        told.append((tenant_id, {c: b and b.status for c, b in before.items()},
                     {c: a.status for c, a in after.items()}))  # fmt: skip
        if after["server_mx"].status == "warn":
            raise RuntimeError("no")

    monkeypatch.setattr(server_card, "server_changed", listen)
    record(tenant, server_mx="ok", server_spf="ok")
    record(tenant, server_mx="ok", server_spf="fail")
    assert told[0][1:] == (
        {"server_mx": None, "server_spf": None},
        {"server_mx": "ok", "server_spf": "ok"},
    )
    assert told[1][1:] == (
        {"server_mx": "ok", "server_spf": "ok"},
        {"server_mx": "ok", "server_spf": "fail"},
    )
    with pytest.raises(RuntimeError):
        record(tenant, server_mx="warn")
    assert ServerCheck.objects.get(check_id="server_mx").status == "ok"


def test_a_row_that_flaps_for_a_day_takes_bounded_room(tenant, monkeypatch):
    """Case 191."""
    monkeypatch.setattr("audit.results.history.WITH_EVIDENCE", 3)
    monkeypatch.setattr("audit.results.history.TRANSITIONS", 6)
    for n in range(10):
        record(tenant, server_mx=("fail", "ok")[n % 2], evidence={"n": "x" * n})
    kept = ServerTransition.objects.filter(tenant=tenant)
    assert kept.count() == 6
    assert kept.exclude(evidence_before={}, evidence_after={}).count() == 3


def test_block_lists_are_asked_once_an_interval_about_the_same_addresses(tenant, settings):
    """Case 223."""
    settings.AUDIT_DNSBLS = ("bl.test",)
    evidence = {"asked_about": ["203.0.113.25"], "lists": {"bl.test": {}}}
    assert not block_lists_are_known(tenant)
    record(tenant, server_dnsbl="ok", evidence=evidence)
    assert block_lists_are_known(tenant)
    tenant.sending_ips = ["203.0.113.26"]
    assert not block_lists_are_known(tenant)
    tenant.sending_ips = ["203.0.113.25"]
    settings.AUDIT_DNSBLS = ("bl.test", "other.test")
    assert not block_lists_are_known(tenant)
    settings.AUDIT_DNSBLS = ("bl.test",)
    old = timezone.now() - timedelta(seconds=settings.AUDIT_INTERVAL_SEC)
    record(tenant, server_dnsbl="ok", evidence=evidence, at=old)
    assert not block_lists_are_known(tenant)


def test_what_waits_to_be_confirmed_is_looked_at_again_soon(tenant, settings):
    settings.AUDIT_INTERVAL_SEC = 86400
    record(tenant, server_mx="ok")
    ServerCard.objects.update(requested_at=None)
    record(tenant, server_mx="fail")
    wait = ServerCard.objects.get().next_audit_at - timezone.now()
    assert wait <= timedelta(seconds=60)
    assert not tenant.incidents.exists()
    record(tenant, server_mx="fail")
    assert tenant.incidents.get().check_id == "server_mx"
    assert ServerCard.objects.get().next_audit_at - timezone.now() > timedelta(hours=1)


def test_a_persons_test_confirms_at_once(tenant):
    record(tenant, server_mx="ok")
    ServerCard.objects.make_due(tenant.pk)
    record(tenant, server_mx="fail")
    assert tenant.incidents.filter(closed_at=None).count() == 1
    ServerCard.objects.make_due(tenant.pk)
    record(tenant, server_mx="ok")
    assert not tenant.incidents.filter(closed_at=None).exists()
