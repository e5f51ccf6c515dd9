"""How scores and checks went over time, from the transitions that are kept: points and spans for
the plots of the pages.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.utils import timezone

from audit.models import AuditDomain, CheckTransition
from collectors.base import Status
from collectors.registry import core_checks

SCORE_DAYS, CHECK_DAYS = 30, 90
YOUNG_DAYS = 3  # a line over less time than this would be a mark that says nothing
MOST = 5_000  # transitions that one page reads; a fleet that flaps more has shorter lines

Point = tuple[float, int]  # (x, score)
Span = tuple[float, float, str, datetime]  # (x, width, status, since)


def scores(known: Mapping[int, Mapping[str, str]]) -> dict[int, list[Point]]:
    """{domain id: [(x, score), …]}: x from 0 (30 days ago) to 1 (now), a point at each change of
    the score. One query.

    `known`: {domain id: {check_id: the conclusive status that it has now}}, core checks only. A
    check that can't be measured counts as it was last known. A line begins with the first audit,
    and there is none while that was less than YOUNG_DAYS ago.
    """
    now = timezone.now()
    begin = now - timedelta(days=SCORE_DAYS)
    state = {pk: dict(checks) for pk, checks in known.items() if checks}
    lines = {pk: [(1.0, _score(checks))] for pk, checks in state.items()}
    rows = CheckTransition.objects.filter(
        domain__in=list(state), check_id__in=core_checks(), at__gt=begin
    ).order_by("-at", "-id")
    for pk, check_id, before, at in rows.values_list("domain_id", "check_id", "from_status", "at")[
        :MOST
    ]:
        if check_id not in known[pk]:
            continue  # it is not measured here any more
        checks, x = state[pk], max(0.0, (at - begin) / (now - begin))
        lines[pk].append((x, _score(checks)))
        if before:
            checks[check_id] = before
        else:
            checks.pop(check_id, None)  # its first answer: nothing was known before
    for pk, points in lines.items():
        if state[pk]:
            points.append((0.0, _score(state[pk])))
    drawn = {pk: _steps(points[::-1]) for pk, points in lines.items()}
    return {
        pk: points for pk, points in drawn.items() if points[0][0] <= 1 - YOUNG_DAYS / SCORE_DAYS
    }


def _score(checks: Mapping[str, str]) -> int:
    return sum(status == Status.OK for status in checks.values())


def _steps(points: list[Point]) -> list[Point]:
    """Of the points at one moment the last one, and of equal scores in a row the first; the end is
    always there.
    """
    kept: list[Point] = []
    for x, score in points:
        if kept and kept[-1][0] == x:
            kept.pop()
        if not kept or kept[-1][1] != score:
            kept.append((x, score))
    return kept if kept[-1][0] == points[-1][0] else [*kept, points[-1]]


def spans(domain: AuditDomain) -> dict[str, list[Span]]:
    """{check_id: [(x, width, status, since), …]} of the last 90 days, oldest first; x and width in
    parts of 1. One query.

    Statuses are the conclusive ones; before the first answer there is nothing. Left out while all
    of it is younger than YOUNG_DAYS.
    """
    now = timezone.now()
    begin = now - timedelta(days=CHECK_DAYS)
    found: dict[str, list[Span]] = {}
    rows = CheckTransition.objects.filter(domain=domain).order_by("-at", "-id")
    ends: dict[str, datetime] = {}
    for check_id, status, at in rows.values_list("check_id", "to_status", "at")[:MOST]:
        end = ends.get(check_id, now)
        if end <= begin:
            continue  # what came before is out of sight
        x, upto = max(0.0, (at - begin) / (now - begin)), (end - begin) / (now - begin)
        found.setdefault(check_id, []).append((x, upto - x, status, at))
        ends[check_id] = at
    return {
        check_id: parts[::-1]
        for check_id, parts in found.items()
        if parts[-1][0] <= 1 - YOUNG_DAYS / CHECK_DAYS
    }
