"""Findings beside what they follow from: one cause, and under it all that goes when it is cured."""

from typing import TypedDict

from django.utils.translation import gettext as _

from audit.results.shapes import Scorecard, ShownFinding
from audit.results.translate import translate
from collectors.registry import CHECKS
from collectors.server.card import CARD
from collectors.server.own_names import ROWS


class Reference(TypedDict):
    """A finding that another one names; `check_id` is '' where the domain has no such finding.

    `row`: the row of the server card that it is, or ''.
    """

    check_id: str
    row: str
    title: str
    message: str


class LinkedFinding(ShownFinding):
    """A finding with its cause and what follows from it."""

    cause: Reference | None
    effects: list[Reference]


def linked(card: Scorecard) -> dict[str, list[LinkedFinding]]:
    """{check_id: its findings}, each with its cause and its effects in the other checks.

    A fix that several findings of a check share stands at the first of them.
    """
    by_code: dict[tuple[str, str], LinkedFinding] = {}
    found: dict[str, list[LinkedFinding]] = {}
    titles = {}
    for check in [*card["checks"], *card["advisory"]]:
        check_id = check["check_id"]
        titles[check_id] = check["title"]
        found[check_id] = [{**f, "cause": None, "effects": []} for f in check["findings"]]
        fixes = [f["fix"] for f in check["findings"]]
        for n, finding in enumerate(found[check_id]):
            if finding["fix"] in fixes[:n]:
                finding["fix"] = None
        by_code |= {(check_id, f["code"]): f for f in found[check_id]}
    for check_id, findings in found.items():
        for finding in findings:
            if not (because := finding["because"]):
                continue
            cause = by_code.get((because["check_id"], because["code"]))
            if cause is None:
                finding["cause"] = _elsewhere(because["check_id"])
                continue
            finding["cause"] = _reference(because["check_id"], titles, cause)
            cause["effects"].append(_reference(check_id, titles, finding))
    return found


def _reference(check_id: str, titles: dict[str, str], finding: ShownFinding) -> Reference:
    title = titles[check_id]
    return {"check_id": check_id, "row": "", "title": title, "message": finding["message"]}


def cause_title(check_id: str) -> str:
    """What a cause is called: the check, the tenant's settings, or the server."""
    if check_id in ROWS:
        return _("the tenant's settings")
    if check_id in CARD:
        return _("the server")
    return translate(CHECKS[check_id].title) if check_id in CHECKS else check_id


def cause_words(check_id: str) -> str:
    """What a cause that is none of the domain's checks is: a row of the server card; else ''."""
    row = CARD.get(check_id)
    return translate(ROWS.get(check_id) or (row and row.title) or None)


def _elsewhere(check_id: str) -> Reference:
    """A cause that is no finding here: a row of the server card, or one that is gone."""
    row, title = check_id if check_id in CARD else "", cause_title(check_id)
    return {"check_id": "", "row": row, "title": title, "message": cause_words(check_id)}
