"""What becomes of a portal's list: believed or not, and what a person decides of the
differences."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AuditDomain, AuditRun, PortalDomain, PortalSync
from audit.results import portal_domains, trail
from audit.results.portal_domains import Listed, record
from audit.results.trail import Actor
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(days=1)


@pytest.fixture
def tenant():
    return make.make_tenant(portal_url="http://127.0.0.1:9")


@pytest.fixture
def who():
    return Actor.person(make.make_operator("ana"))


def have(tenant, *names):
    for name in names:
        make.make_domain(name, tenant)
    tenant.domains.update(created_at=timezone.now() - LONG_AGO)


def say(tenant, *names):
    """The portal lists these; the state that this leads to."""
    PortalSync.objects.update(next_at=timezone.now(), claimed_until=None)
    (claimed,) = PortalSync.objects.claim("me", 1)
    state = record(claimed.pk, Listed.of(names), owner="me", asked_at=timezone.now())
    if state == "compared" and tenant.sync == "register":  # as audit.queue.portal_sync does
        portal_domains.register(tenant, None, who=Actor.sync(tenant.name))
    return state


def differences(kind=None):
    return {row.domain: row.kind for row in PortalDomain.objects.open(kind)}


def some(number, letter="a"):
    return [f"{letter}{n}.test" for n in range(number)]


def registered():
    return set(AuditDomain.objects.values_list("domain", flat=True))


# -- doubt


@pytest.mark.parametrize(
    ("had", "left", "state"),
    [
        (10, 4, "doubtful"),
        (10, 5, "compared"),
        (11, 5, "doubtful"),
        (9, 0, "compared"),
        (40, 0, "doubtful"),
        (40, 20, "compared"),
    ],
)
def test_more_than_half_of_ten_or_more_is_not_lost_without_a_word(tenant, had, left, state):
    have(tenant, *some(had))
    assert say(tenant, *some(left), "new.test") == state
    doubted = state == "doubtful"
    assert len(differences("lost")) == (0 if doubted else had - left)
    assert ("new.test" in differences()) is not doubted
    assert bool(PortalSync.objects.get().message) is doubted


def test_what_was_lost_before_does_not_count_again(tenant):
    have(tenant, *some(12))
    assert say(tenant, *some(7)) == "compared"
    assert say(tenant, *some(4)) == "compared", "seven are left, which is no list of ten"
    assert len(differences("lost")) == 8


def test_a_list_in_doubt_changes_nothing_until_a_person_believes_it(tenant, who):
    have(tenant, *some(10))
    say(tenant, *some(10), "new.test")
    assert say(tenant) == "doubtful"
    assert differences() == {"new.test": "proposed"}, "what was said before stays"
    assert say(tenant) == "doubtful", "also in the next hour"
    assert portal_domains.believe(tenant, who=who)
    assert PortalSync.objects.due().exists()
    assert say(tenant) == "compared"
    assert len(differences("lost")) == 10
    assert not portal_domains.believe(tenant, who=who), "once"
    assert trail.read(LogEntry.objects.get()) == ("ana", trail.BELIEVED, "10")


def test_nobody_believes_more_than_they_saw(tenant, who):
    have(tenant, *some(20))
    assert say(tenant, *some(8)) == "doubtful"
    portal_domains.believe(tenant, who=who)
    assert say(tenant, *some(2)) == "doubtful"
    assert differences() == {}
    assert say(tenant, *some(9)) == "compared"
    assert say(tenant) == "compared", "nine are no list of ten"


def test_a_doubt_goes_when_the_list_is_whole_again(tenant):
    have(tenant, *some(10))
    assert say(tenant) == "doubtful"
    assert say(tenant, *some(10)) == "compared"
    assert (PortalSync.objects.get().message, PortalSync.objects.get().doubted) == ("", 0)


def test_what_was_registered_just_now_is_not_lost(tenant):
    """A portal's list may be some minutes old."""
    have(tenant, "a.test")
    make.make_domain("young.test", tenant)
    say(tenant, "a.test")
    assert differences() == {}
    AuditDomain.objects.update(created_at=timezone.now() - LONG_AGO)
    say(tenant, "a.test")
    assert differences() == {"young.test": "lost"}


@given(
    ours=st.sets(st.integers(0, 8)),
    lists=st.lists(st.sets(st.integers(0, 8)), min_size=1, max_size=4),
    left=st.sets(st.integers(0, 8)),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_rows_are_what_differs_whatever_was_said_before(tenant, who, ours, lists, left):
    AuditDomain.objects.all().delete()
    PortalDomain.objects.all().delete()
    have(tenant, *(f"d{n}.test" for n in ours))
    for listed in lists:
        assert say(tenant, *(f"d{n}.test" for n in listed)) == "compared"
        kinds = dict(PortalDomain.objects.values_list("domain", "kind"))
        assert kinds == {f"d{n}.test": "lost" for n in ours - listed} | {
            f"d{n}.test": "proposed" for n in listed - ours
        }
        ids = PortalDomain.objects.filter(domain__in=[f"d{n}.test" for n in left])
        for kind in PortalDomain.Kind:
            portal_domains.leave(tenant, list(ids.values_list("pk", flat=True)), kind, who=who)
        assert differences().keys().isdisjoint(f"d{n}.test" for n in left)


# -- registering


def test_registering_by_itself_audits_at_once_and_stands_in_the_trail(
    tenant, bells, django_capture_on_commit_callbacks
):
    tenant.sync = "register"
    tenant.save()
    have(tenant, "a.test", "gone.test")
    with django_capture_on_commit_callbacks(execute=True):
        say(tenant, "a.test", "b.test", "c.test")
    assert registered() == {"a.test", "b.test", "c.test", "gone.test"}
    new = AuditDomain.objects.filter(domain__in=["b.test", "c.test"])
    assert {d.source for d in new} == {"onboarding"}
    assert all(d.requested_at for d in new)
    assert (AuditRun.objects.get().domains, AuditRun.objects.get().trigger) == (2, "onboarding")
    assert bells == ["drain"]
    assert differences() == {"gone.test": "lost"}
    entries = [trail.read(entry) for entry in LogEntry.objects.order_by("pk")]
    assert entries == [
        ("sync VM112", trail.REGISTERED, ""),
        ("sync VM112", trail.REGISTERED, ""),
        ("sync VM112", trail.REGISTERED_MANY, "b.test, c.test"),
    ]
    say(tenant, "a.test", "b.test", "c.test")
    assert AuditRun.objects.count() == 1


def test_the_quota_holds_and_what_is_beyond_it_is_proposed(tenant):
    tenant.sync, tenant.quota = "register", 3
    tenant.save()
    have(tenant, "z.test")
    say(tenant, "z.test", *some(4))
    assert registered() == {"z.test", "a0.test", "a1.test"}
    assert differences() == {"a2.test": "proposed", "a3.test": "proposed"}
    tenant.quota = 4
    tenant.save()
    say(tenant, "z.test", *some(4))
    assert differences() == {"a3.test": "proposed"}


def test_a_list_in_doubt_registers_nothing(tenant):
    tenant.sync = "register"
    tenant.save()
    have(tenant, *some(12))
    assert say(tenant, *some(12, "other")) == "doubtful"
    assert registered() == set(some(12))


def test_what_a_person_removed_or_left_so_is_not_registered_again(tenant, who):
    have(tenant, *some(3))
    say(tenant, *some(5))
    portal_domains.leave(
        tenant, [PortalDomain.objects.get(domain="a3.test").pk], "proposed", who=who
    )
    tenant.sync = "register"
    tenant.save()
    AuditDomain.objects.get(domain="a0.test").delete()
    AuditDomain.objects.filter(domain="a1.test").delete()
    say(tenant, *some(5))
    assert registered() == {"a2.test", "a4.test"}
    assert differences() == {}
    assert portal_domains.show_again(tenant, who=who) == 3
    assert set(differences()) == {"a0.test", "a1.test", "a3.test"}


def test_where_they_are_proposed_one_that_was_removed_is_proposed_again(tenant):
    have(tenant, "a.test")
    say(tenant, "a.test")
    AuditDomain.objects.all().delete()
    say(tenant, "a.test")
    assert differences() == {"a.test": "proposed"}


def test_a_person_registers_some_or_all(tenant, who):
    say(tenant, *some(5))
    one = PortalDomain.objects.get(domain="a2.test")
    assert portal_domains.register(tenant, [one.pk], who=who) == (1, 0)
    assert registered() == {"a2.test"}
    assert AuditRun.objects.get().scope == "a2.test"
    assert portal_domains.register(tenant, [one.pk], who=who) == (0, 0), "twice is once"
    tenant.quota = 4
    tenant.save()
    assert portal_domains.register(tenant, None, who=who) == (3, 1)
    assert differences() == {"a4.test": "proposed"}
    assert {entry.user.username for entry in LogEntry.objects.all()} == {"ana"}


def test_many_are_registered_in_portions(tenant, monkeypatch, bells):
    monkeypatch.setattr(portal_domains, "PART", 3)
    tenant.sync, tenant.quota = "register", 7
    tenant.save()
    say(tenant, *some(9))
    assert len(registered()) == 7
    assert sorted(AuditRun.objects.values_list("domains", flat=True)) == [1, 3, 3]
    assert set(differences()) == {"a7.test", "a8.test"}


def test_nobody_registers_what_is_another_tenants_or_another_kind(tenant, who):
    other = make.make_tenant("VM113", portal_url="http://127.0.0.1:9")
    PortalSync.objects.filter(pk=other.pk).update(state="compared")
    have(tenant, "lost.test")
    PortalSync.objects.filter(pk=other.pk).update(next_at=timezone.now() + LONG_AGO)
    row = PortalDomain.objects.create(tenant=other, domain="theirs.test", kind="proposed")
    PortalSync.objects.filter(pk=tenant.pk).update(state="compared")
    lost = PortalDomain.objects.create(tenant=tenant, domain="lost.test", kind="lost")
    assert portal_domains.register(tenant, [row.pk, lost.pk], who=who) == (0, 0)
    assert portal_domains.leave(tenant, [row.pk, lost.pk], "proposed", who=who) == 0
    assert set(differences()) == {"theirs.test", "lost.test"}


def test_what_is_left_so_stands_in_the_trail(tenant, who):
    have(tenant, "gone.test")
    say(tenant, "a.test")
    assert portal_domains.leave(tenant, None, "lost", who=who) == 1
    assert differences() == {"a.test": "proposed"}
    assert trail.read(LogEntry.objects.get()) == ("ana", trail.LEFT_SO, "gone.test")
