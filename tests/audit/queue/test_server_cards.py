"""Server cards within a drain: judged once an interval, beside the domains, whatever happens."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, ServerCard, ServerCheck, Tenant, server_of
from audit.queue import drain
from audit.queue.process import own_process
from audit.queue.server_cards import judge_now, rows_to_ask
from audit.results.trail import Actor
from collectors.server.card import CARD
from collectors.server.subject import Row
from tests.audit import factories as make

pytestmark = pytest.mark.django_db(transaction=True)
ZONE = {"names": {"mx1.host.test": {"A": ["127.0.0.2"]}, "2.0.0.127.bl.test": {"A": ["127.0.0.2"]}}}


@pytest.fixture
def tenant(dns):
    return make.make_tenant()


def drain_due():
    return drain.drain(own_process(), seconds=100)


def statuses():
    return dict(ServerCheck.objects.values_list("check_id", "status"))


def test_a_drain_judges_what_is_due_also_without_a_domain(tenant):
    assert drain_due() == 0
    assert statuses() == {"server_mx": "ok", "server_ptr": "fail"}
    card = ServerCard.objects.get()
    assert card.last_audit_at and card.next_audit_at > timezone.now() and card.claimed_by == ""
    assert drain_due() == 0 and ServerCard.objects.get().last_audit_at == card.last_audit_at


def test_the_tick_rings_for_a_card_alone(tenant, bells):
    tasks.tick()
    assert bells == ["drain"]
    drain_due()
    bells.clear()
    tasks.tick()
    assert bells == []


def test_domains_and_cards_are_judged_in_one_drain(tenant):
    make.make_domain("cliente.test", tenant)
    assert drain_due() == 1
    assert "server_mx" in statuses()
    assert AuditDomain.objects.get().last_audit_at


def test_a_person_who_asks_is_served_by_a_drain_that_is_busy(tenant, monkeypatch, bells):
    """The drain looks for cards while it runs."""
    monkeypatch.setattr(drain, "CARDS_SECONDS", 0.0)
    drain_due()
    make.make_domain("cliente.test", tenant)
    before = ServerCard.objects.get().last_audit_at
    save_lot = drain._Drain._save_lot

    def asks(self):
        if self._lot and not bells:
            tasks.request_server_test(tenant, who=Actor.command("root"))
        save_lot(self)

    monkeypatch.setattr(drain._Drain, "_save_lot", asks)
    drain_due()
    card = ServerCard.objects.get()
    assert card.last_audit_at > before and card.requested_at is None


def test_a_card_whose_settings_cannot_be_used_stops_nobody(tenant, caplog):
    broken = make.make_tenant("VM113")
    Tenant.objects.filter(pk=broken.pk).update(mail_hosts=5)
    drain_due()
    assert ServerCheck.objects.filter(tenant=tenant).exists()
    card = ServerCard.objects.get(pk=broken.pk)
    assert card.claimed_by == "" and card.next_audit_at > timezone.now()
    assert "VM113" in caplog.text


def test_a_card_that_cannot_be_saved_stops_nobody(tenant, monkeypatch, caplog):
    monkeypatch.setattr(drain, "record_card", lambda *_args, **_options: 1 / 0)
    make.make_domain("cliente.test", tenant)
    assert drain_due() == 1
    card = ServerCard.objects.get()
    assert card.claimed_by == "" and card.next_audit_at > timezone.now()
    assert "VM112" in caplog.text


def test_a_row_that_breaks_is_unknown_and_the_others_are_kept(tenant, monkeypatch, caplog):
    async def breaks(_server, _session):
        raise KeyError("x")

    monkeypatch.setitem(CARD, "server_mx", Row("server_mx", "x", breaks, lambda _server: None))
    drain_due()
    assert statuses()["server_mx"] == "unknown" and statuses()["server_ptr"] == "fail"
    row = ServerCheck.objects.get(check_id="server_mx")
    assert row.findings[0]["code"] == "check_error" and "server_mx of VM112" in caplog.text


def test_a_loop_that_stood_still_has_the_card_judged_again(tenant, monkeypatch):
    """Case 184: what is not ok after a standstill of our own may be our own doing."""
    looked = []
    first = CARD["server_mx"]

    async def stands_still(server, session):
        looked.append(1)
        if len(looked) == 1:
            session.lag.begin()
            time.sleep(2)
            session.lag.end()
        return await first.judge(server, session)

    monkeypatch.setitem(CARD, "server_mx", Row("server_mx", first.title, stands_still, first.off))
    drain_due()
    assert len(looked) == 2


def test_what_a_drain_had_in_hand_when_it_was_ended_is_judged_again(tenant, monkeypatch):
    """Case 147."""

    def ends(*_args, **_options):
        raise SystemExit

    monkeypatch.setattr(drain, "record_card", ends)
    with pytest.raises(SystemExit):
        drain_due()
    card = ServerCard.objects.due().get()
    assert (card.claimed_by, card.attempts) == ("", 1)


def test_block_lists_are_left_alone_between_their_turns(tenant, dns, settings):
    """Case 223."""
    settings.AUDIT_DNSBLS = ("bl.test",)
    drain_due()
    assert statuses()["server_dnsbl"] == "ok"
    assert "server_dnsbl" not in rows_to_ask(tenant)
    asked = dns.count("25.113.0.203.bl.test", "A")
    for _press in range(3):
        ServerCard.objects.make_due(tenant.pk)
        drain_due()
    assert dns.count("25.113.0.203.bl.test", "A") == asked
    assert statuses()["server_dnsbl"] == "ok"


def test_a_judgement_for_a_form_keeps_nothing(tenant):
    found = judge_now(server_of(tenant), seconds=3, only={"server_mx"})
    assert {c: str(r.status) for c, r in found.items()} == {"server_mx": "ok"}
    assert not ServerCheck.objects.exists()


def test_old_transitions_go_with_the_others(tenant):
    """But for the last of each row, which says since when it is what it is."""
    drain_due()
    first = tenant.server_transitions.get(check_id="server_mx")
    last = tenant.server_transitions.create(
        check_id="server_mx", from_status=first.to_status, to_status="fail", at=timezone.now()
    )
    tenant.server_transitions.update(at=timezone.now() - timedelta(days=400))
    kept = set(tenant.server_transitions.exclude(pk=first.pk))
    assert tasks.prune()["server_transitions"] == 1
    assert set(tenant.server_transitions.all()) == kept and last in kept
