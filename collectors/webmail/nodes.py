"""Visits to all addresses of the webmail name, and one list of findings from them.

People are sent to any of the addresses. What all answer alike is said once; an address that answers
worse than the others is named. Nothing depends on the order in which DNS gives them.
"""

from dataclasses import replace
from itertools import groupby

from collectors.base import Finding, Owner, Severity, fail, info
from collectors.text import _
from collectors.webmail.visit import Visit

_OPEN, _FAILS = 2, 3


def best_visit(visits: list[Visit]) -> Visit:
    """The visit that stands for all."""
    return min(visits, key=lambda visit: (_rank(visit), not visit.hops))


def visits_findings(host: str, visits: list[Visit]) -> list[Finding]:
    """The findings of visits to every address of `host`, in the order of the addresses."""
    broken = [visit for visit in visits if _rank(visit) == _FAILS]
    seen = [visit for visit in visits if _rank(visit) < _OPEN]
    if not seen:
        return _each_once(visits, len(visits))
    others = [_unseen(visit) for visit in visits if visit not in broken]
    return [*_differing(host, broken), *_each_once(others, len(visits)), *_down(broken)]


def _rank(visit: Visit) -> int:
    severities = {finding.severity for finding in visit.findings}
    if Severity.FAIL in severities:
        return _FAILS
    if not visit.on_page or Severity.UNKNOWN in severities:
        return _OPEN
    return int(Severity.WARN in severities)


def _each_once(visits: list[Visit], addresses: int) -> list[Finding]:
    """The findings of these visits, what several say alike once.

    Of `addresses` in all; what not every one says names those that do, or people look at another.
    """
    found: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    for visit in visits:
        for finding in visit.findings:
            says = "" if finding.severity == Severity.INFO else str(finding.message)
            found.setdefault((finding.code, says), (finding, []))[1].append(visit.address)
    return [
        finding
        if finding.severity == Severity.INFO or len(where) == addresses or where[0] in says
        else _at(where, finding)
        for (_code, says), (finding, where) in found.items()
    ]


def _at(addresses: list[str], finding: Finding) -> Finding:
    says = _("At {addresses}: {why}", addresses=", ".join(addresses), why=finding.message)
    return replace(finding, message=says)


def _unseen(visit: Visit) -> Visit:
    """A way of ours that is missing to one address takes nothing from what the others showed."""
    findings = [
        replace(f, code="webmail_address_unseen", severity=Severity.INFO)
        if f.code == "webmail_no_route"
        else f
        for f in visit.findings
    ]
    return replace(visit, findings=findings)


def _differing(host: str, broken: list[Visit]) -> list[Finding]:
    """One finding for each way in which addresses answer worse than the others."""

    def reason(visit: Visit) -> Finding:
        return next(f for f in visit.findings if f.severity == Severity.FAIL)

    found = []
    ordered = sorted(broken, key=lambda visit: reason(visit).code)
    for _code, group in groupby(ordered, key=lambda visit: reason(visit).code):
        alike = list(group)
        says = _(
            "People who are sent to {addresses} get something worse than at the other addresses of "
            "{host}: {why}",
            addresses=", ".join(visit.address for visit in alike),
            host=host,
            why=reason(alike[0]).message,
        )
        found.append(fail("webmail_node_differs", says, owner=Owner.HOST))
    return found


def _down(broken: list[Visit]) -> list[Finding]:
    silent = [visit.address for visit in broken if visit.silent]
    if not silent:
        return []
    says = _(
        "The webmail address {addresses} does not answer; another one does. Repair it or remove "
        "its record.",
        addresses=", ".join(silent),
    )
    return [info("webmail_address_down", says, owner=Owner.HOST)]
