"""Why a domain is not healthy, as the one reason that a line in a list has room for: what is wrong
in a few words, since when, whose turn it is, and what waits for it.
"""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import NamedTuple

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audit.reading.causes import cause_title, cause_words
from audit.results.shapes import Reason
from audit.results.translate import translate
from collectors.base import Owner, Severity
from collectors.registry import CHECKS
from collectors.stored import StoredFinding
from collectors.titles import TITLES

LONGEST = 90  # characters of a message that stands in for a title
_RANK = {Severity.FAIL.value: 0, Severity.WARN.value: 1, Severity.UNKNOWN.value: 2}

Code = tuple[str, str]  # (check_id, the code of a finding)


class CheckRow(NamedTuple):
    """What is stored of a check, as far as a reason is made of it."""

    check_id: str
    findings: list[StoredFinding]
    since: datetime | None


def short_name(check_id: str) -> str:
    """A check's name where there is little room: the abbreviation in its title's brackets, else the
    title.
    """
    title = cause_title(check_id)
    return title.rpartition("(")[2].removesuffix(")") if title.endswith(")") else title


def words_of(code: str, message: str = "") -> str:
    """What a finding is called in a few words; without a title, the beginning of its message."""
    if code in TITLES:
        return translate(TITLES[code])
    first = message.partition(". ")[0].removesuffix(".")
    return first if len(first) <= LONGEST else first[: LONGEST - 1].rstrip() + "…"


class _Said(NamedTuple):
    row: CheckRow
    finding: StoredFinding

    @property
    def at(self) -> Code:
        return self.row.check_id, self.finding["code"]


def reason_of(
    rows: Iterable[CheckRow], *, waived: Collection[Code] = (), newest: bool = False
) -> Reason | None:
    """The reason of a domain from its checks in their order; None where nothing is wrong.

    Findings with one cause are one, and the worst with the most behind it is named, or the newest.
    What is waived, (check_id, code) or (check_id, ''), is named where there is nothing else.
    """
    said = [_Said(row, f) for row in rows for f in row.findings if f["severity"] in _RANK]
    groups = _by_cause(said)
    fresh = {
        cause: [s for s in found if not _is_in(waived, s.at)]
        for cause, found in groups.items()
        if not _is_in(waived, cause)
    }
    candidates = {cause: found for cause, found in fresh.items() if found} or groups
    if not candidates:
        return None
    order = _newest_first if newest else _worst_first
    cause, found = min(candidates.items(), key=lambda group: order(group[1]))
    head = next((s for s in found if s.at == cause), found[0])
    elsewhere = cause[0] not in ("", *CHECKS)
    severity = min((s.finding["severity"] for s in found), key=_RANK.__getitem__)
    mine = {s.row.check_id for s in found}
    waits = mine if elsewhere or not cause[0] else mine - {head.row.check_id}
    others = {s.row.check_id for rest in candidates.values() for s in rest} - mine
    message = translate(head.finding.get("message_source"), head.finding["message"])
    return {
        "check_id": "" if elsewhere else head.row.check_id,
        "code": cause[1],
        "title": _title(cause[0] or head.row.check_id, severity),
        "words": words_of(cause[1], cause_words(cause[0]) if elsewhere else message),
        "message": message,
        "severity": severity,
        "owner": Owner.HOST.value if elsewhere else head.finding["owner"],
        "since": min((s.row.since for s in found if s.row.since), default=None),
        "waits": [short_name(c) for c in CHECKS if c in waits],
        "others": [short_name(c) for c in CHECKS if c in others],
    }


def _title(check_id: str, severity: str) -> str:
    return _("Not measured") if severity == Severity.UNKNOWN else short_name(check_id)


def _is_in(waived: Collection[Code], at: Code) -> bool:
    return at in waived or (at[0], "") in waived


def _by_cause(said: list[_Said]) -> dict[Code, list[_Said]]:
    """The findings by what they come from in the end: a finding of this domain, or what is ours.

    What could not be measured for the same reason is one, whatever the check: ('', code).
    """
    known = {s.at: s.finding for s in said}
    groups: dict[Code, list[_Said]] = {}
    for s in said:
        cause = _cause(s.at, known)
        if s.finding["severity"] == Severity.UNKNOWN and cause == s.at:
            cause = ("", s.finding["code"])
        groups.setdefault(cause, []).append(s)
    return groups


def _cause(at: Code, known: dict[Code, StoredFinding]) -> Code:
    """What a finding follows from, as far as that can be followed: to one that is here, or ours."""
    passed = [at]
    while because := known[at].get("because"):
        to = (because["check_id"], because["code"])
        if to[0] not in CHECKS:
            return to
        if to not in known or to in passed:
            return at
        passed.append(at := to)
    return at


def _worst_first(found: list[_Said]) -> tuple[int, int]:
    return min(_RANK[s.finding["severity"]] for s in found), -len({s.row.check_id for s in found})


def _newest_first(found: list[_Said]) -> tuple[float, tuple[int, int]]:
    """By when the check of the cause, the first of these, became what it is."""
    since = min((s.row.since for s in found if s.row.since), default=None)
    return -since.timestamp() if since else 0.0, _worst_first(found)


def sentence(reason: Reason) -> str:
    """`SPF: our server is not authorised`."""
    return f"{capfirst(reason['title'])}: {reason['words']}"
