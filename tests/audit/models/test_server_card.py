"""Whose server card is due, who has it, and what makes it due."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Seen, ServerCard, Tenant, server_of
from audit.models.domains import MAX_ATTEMPTS
from audit.queue.claim_owner import owner_name, release_dead_claims
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.make_tenant()


def held():
    return [(c.tenant.name, c.claimed_by) for c in ServerCard.objects.select_related("tenant")]


def test_a_new_tenant_has_a_card_that_is_due_and_one_that_is_disabled_is_not(tenant):
    assert ServerCard.objects.due().get().tenant == tenant
    Tenant.objects.update(enabled=False)
    assert not ServerCard.objects.due().exists()
    assert ServerCard.objects.claim("w", 9) == []


def test_a_tenant_that_came_another_way_gets_its_card(tenant):
    Tenant.objects.bulk_create([Tenant(name="VM113")])
    ServerCard.objects.add_missing()
    ServerCard.objects.add_missing()
    assert ServerCard.objects.count() == 2


def test_saving_what_a_row_depends_on_makes_it_due_and_a_new_name_does_not(tenant):
    later = timezone.now() + timedelta(hours=1)
    ServerCard.objects.update(next_audit_at=later)
    tenant.contact = "support@host.test"
    tenant.save()
    assert not ServerCard.objects.due().exists()
    tenant.mail_hosts = ["mx2.host.test"]
    tenant.save()
    assert ServerCard.objects.due().exists()


def test_two_that_claim_get_each_card_once(tenant):
    """Case 183."""
    make.make_tenant("VM113")
    one = ServerCard.objects.claim("one", 1)
    two = ServerCard.objects.claim("two", 9)
    assert {c.pk for c in one} | {c.pk for c in two} == {t.pk for t in Tenant.objects.all()}
    assert len(one) == len(two) == 1
    assert ServerCard.objects.claim("three", 9) == []


def test_what_is_asked_for_goes_first(tenant):
    other = make.make_tenant("VM113")
    ServerCard.objects.update(requested_at=None, next_audit_at=timezone.now() - timedelta(hours=1))
    ServerCard.objects.make_due(other.pk)
    assert [c.pk for c in ServerCard.objects.claim("w", 1)] == [other.pk]


def test_a_claim_ends_with_its_process_or_its_time(tenant):
    """Cases 144, 145."""
    dead = owner_name().rsplit(":", 2)[0] + ":999999999:abcd"
    ServerCard.objects.claim(dead, 1)
    assert release_dead_claims() == 1 and held() == [("VM112", "")]
    ServerCard.objects.claim("elsewhere:1:abcd", 1)
    assert release_dead_claims() == 0
    ServerCard.objects.update(claimed_until=timezone.now() - timedelta(seconds=1))
    assert release_dead_claims() == 1 and ServerCard.objects.due().exists()


def test_a_card_that_kills_its_worker_waits_for_its_next_turn(tenant, caplog):
    """Case 146."""
    for _n in range(MAX_ATTEMPTS):
        assert ServerCard.objects.claim("w", 1)
        ServerCard.objects.release_lost("w")
    assert ServerCard.objects.claim("w", 1) == []
    assert "VM112" in caplog.text
    card = ServerCard.objects.get()
    assert card.next_audit_at > timezone.now() and card.claimed_by == "" and not card.attempts


def test_what_is_given_back_untouched_counts_for_nothing(tenant):
    for _n in range(MAX_ATTEMPTS + 2):
        assert ServerCard.objects.claim("w", 1)
        ServerCard.objects.give_back("w")
    assert ServerCard.objects.get().attempts == 0


def test_after_the_clock_was_set_back_nothing_waits_for_long(tenant):
    """Case 152."""
    future = timezone.now() + timedelta(days=3)
    ServerCard.objects.update(
        next_audit_at=future, requested_at=future, last_audit_at=future, claimed_until=future
    )
    ServerCard.objects.repair_future_times(timezone.now())
    card = ServerCard.objects.get()
    soon = timezone.now() + timedelta(hours=1)
    assert max(card.next_audit_at, card.requested_at, card.last_audit_at, card.claimed_until) < soon


def test_what_rows_are_judged_by_comes_from_tenant_and_settings(tenant, settings):
    settings.AUDIT_DNSBLS, settings.AUDIT_SMTP_PORT = ("bl.test",), 2525
    zone = make.make_domain("z.pt", tenant)
    make.make_domain("b.pt", tenant)
    make.make_domain("a.pt", tenant)
    make.make_domain("0.pt", tenant, enabled=False)
    server = server_of(tenant)
    assert (server.domains, server.dnsbls, server.smtp_port) == (
        ("a.pt", "b.pt", "z.pt"),
        ("bl.test",),
        None,
    )
    assert server.target.domain == "a.pt" and server.target.mail_hosts == ("mx1.host.test",)
    Seen.objects.create(
        domain=zone, check_id="carbonio", kind=Seen.Kind.FINDING, value="carbonio_service_down"
    )
    assert server_of(tenant).suspects == ("z.pt",)
    settings.AUDIT_SMTP = True
    assert server_of(tenant).smtp_port == 2525
    assert server_of(Tenant(name="new")).domains == ()


def test_it_is_stale_when_it_was_not_judged_for_two_intervals(tenant, settings):
    card = ServerCard.objects.get()
    assert card.stale
    card.last_audit_at = timezone.now() - timedelta(seconds=settings.AUDIT_INTERVAL_SEC)
    assert not card.stale
