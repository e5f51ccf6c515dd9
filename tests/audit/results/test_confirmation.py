"""What is confirmed, entry by entry: pure."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.results.confirmation import (
    MOVED,
    OLD,
    Change,
    Pace,
    is_away,
    moved,
    since_of,
    step,
    step_away,
    waits,
    was_confirmed,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=5)
MICROS = int(AT.timestamp()) * 1_000_000


def steps(statuses, needed=2, **options):
    """The changes that a row of audits of one check brings: `[(number, begins)]`."""
    entry, was, found = None, "ok", []
    for n, now in enumerate(statuses):
        entry, change = step("dns_mx", entry, was, now, AT, needed=needed, **options)
        was = now
        if change:
            found.append((n, change.begins))
    return found


@pytest.mark.parametrize(
    "statuses, changes",
    [
        (["fail"], []),
        (["fail", "fail"], [(1, True)]),
        (["warn", "fail"], [(1, True)]),
        (["fail", "ok", "fail", "ok"], []),
        (["fail", "fail", "fail", "fail"], [(1, True)]),
        (["fail", "fail", "ok"], [(1, True)]),
        (["fail", "fail", "ok", "ok"], [(1, True), (3, False)]),
        (["fail", "fail", "ok", "fail", "ok", "fail"], [(1, True)]),
    ],
)
def test_a_second_audit_confirms_what_begins_and_what_ends(statuses, changes):
    assert steps(statuses) == changes


def test_as_many_confirm_as_are_needed():
    assert steps(["fail"], needed=1) == [(0, True)]
    assert steps(["fail"] * 5, needed=4) == [(3, True)]


def test_a_trouble_lasts_since_it_was_first_seen():
    entry, change = step("dns_mx", None, "ok", "fail", AT, needed=2)
    assert (entry, change) == (["fail", 1, MICROS], None) and since_of(entry) == AT
    entry, change = step("dns_mx", entry, "fail", "fail", LATER, needed=2)
    assert (entry, change) == (None, Change("dns_mx", True, AT))


def test_what_may_not_begin_yet_keeps_its_entry_and_does_then():
    entry = None
    for _audit in range(4):
        entry, change = step("dns_mx", entry, "fail", "fail", AT, needed=2, may_begin=False)
        assert change is None
        if entry is None:  # nothing was seen before: the first entry is of a change
            entry = ["fail", 1, MICROS]
    assert entry == ["fail", 2, MICROS]
    assert step("dns_mx", entry, "fail", "fail", LATER, needed=2)[1].since == AT


def test_what_was_there_before_there_were_incidents_is_old():
    entry = ["fail", 1, MICROS, OLD]
    assert step("dns_mx", entry, "fail", "fail", LATER, needed=2)[1].is_old


@pytest.mark.parametrize(
    "was, entry, confirmed",
    [
        ("fail", None, True),
        ("ok", None, False),
        ("", None, False),
        ("fail", ["fail", 1, 0], False),
        ("ok", ["ok", 1, 0], True),
        ("fail", [MOVED, 1, 0], True),
    ],
)
def test_an_entry_says_what_is_confirmed(was, entry, confirmed):
    assert was_confirmed(was, entry) == confirmed


def test_another_cause_is_confirmed_likewise():
    entry, change = moved("dns_spf", None, AT, needed=2)
    assert (entry, change) == ([MOVED, 1, MICROS], None)
    assert moved("dns_spf", entry, LATER, needed=2) == (None, Change("dns_spf", True, AT))


def test_what_is_away_keeps_its_entry_until_its_end_is_confirmed():
    one, change = step_away("portal", None, True, AT, needed=2)
    assert change is None and not is_away(one, needed=2)
    two, change = step_away("portal", one, True, LATER, needed=2)
    assert change == Change("portal", True, AT) and is_away(two, needed=2)
    same, change = step_away("portal", two, True, LATER, needed=2)
    assert (same, change) == (two, None)
    back, change = step_away("portal", two, False, LATER, needed=2)
    assert change is None and is_away(back, needed=2)
    again, change = step_away("portal", back, True, LATER, needed=2)
    assert change is None and is_away(again, needed=2), "it flaps: nothing has ended"
    end, change = step_away("portal", back, False, LATER, needed=2)
    assert end is None and change == Change("portal", False, LATER)


def test_a_person_confirms_alone_that_it_is_away_and_back():
    entry, change = step_away("portal", None, True, AT, needed=3, at_once=True)
    assert change.begins
    assert step_away("portal", entry, False, LATER, needed=3, at_once=True)[0] is None


def test_once_away_and_back_is_nothing():
    one, _change = step_away("portal", None, True, AT, needed=2)
    assert step_away("portal", one, False, LATER, needed=2) == (None, None)


def test_what_waits_for_another_audit():
    assert waits({"dns_mx": ["fail", 1, 0]}, needed=2)
    assert not waits({"dns_mx": ["fail", 2, 0]}, needed=2), "it waits for the end of a grace"
    assert not waits({}, needed=2)


def test_a_few_go_before_their_turn_and_more_only_after_a_while():
    pace = Pace()
    assert [pace.takes(3) for _domain in range(5)] == [True, True, True, False, False]
