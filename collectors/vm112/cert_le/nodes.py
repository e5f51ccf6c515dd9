"""The certificates of all addresses held against each other: people are sent to any of them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from collectors.base import Finding, Fix, Owner, Severity, fail, info
from collectors.text import Text, _
from collectors.vm112.cert_le.sources import Reported, Served

Judged = tuple[Served, list[Finding]]
_RANK = {Severity.FAIL: 3, Severity.WARN: 2, Severity.UNKNOWN: 1}
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def best_node(seen: Sequence[Judged], reported: Reported) -> Judged:
    """The address whose certificate is judged: the best, the portal's, or else the newest."""
    known = {leaf.sha256 for leaf in reported.leaves}

    def weight(judged: Judged) -> tuple[int, bool, float]:
        leaf = judged[0].leaf
        assert leaf is not None
        began = leaf.not_before or _LONG_AGO
        return _rank(judged[1]), leaf.sha256 not in known, -(began - _LONG_AGO).total_seconds()

    return min(seen, key=weight)


def as_good(findings: list[Finding], seen: Sequence[Judged]) -> list[Served]:
    """The addresses whose certificate is no worse than the one with these findings."""
    return [node for node, others in seen if _rank(others) <= _rank(findings)]


def node_certificate_findings(
    host: str, best: Served, seen: Sequence[Judged], nodes: Sequence[Served]
) -> list[Finding]:
    """The addresses that serve a worse certificate than the best one, or none."""
    known = next(findings for node, findings in seen if node is best)
    reasons: dict[str, tuple[Text, list[str]]] = {}
    for node, findings in seen:
        why = _worse(findings, known)
        if why:
            reasons.setdefault(str(why), (why, []))[1].append(node.address)
    for node in nodes:
        if node.refused and node.why:
            reasons.setdefault(str(node.why), (node.why, []))[1].append(node.address)
    unseen = [node for node in nodes if not (node.leaf or node.refused)]
    return [
        *(_differs(host, why, addresses) for why, addresses in reasons.values()),
        *_unseen(unseen),
    ]


def _rank(findings: Sequence[Finding]) -> int:
    return max((_RANK.get(finding.severity, 0) for finding in findings), default=0)


def _worse(findings: list[Finding], known: list[Finding]) -> Text | None:
    """Why this address's certificate is worse; one that is as good, if another, harms nobody.

    Where all are refused, it is worse by a reason that is not said of the best (`known`).
    """
    if _rank(findings) > _rank(known):
        return max(findings, key=lambda f: _RANK.get(f.severity, 0)).message
    said = {finding.code for finding in known}
    fails = [f for f in findings if f.severity == Severity.FAIL and f.code not in said]
    return fails[0].message if fails else None


def _differs(host: str, why: Text, addresses: list[str]) -> Finding:
    message = _(
        "{addresses} serves another certificate for {host} than the other addresses. {why}",
        addresses=", ".join(addresses),
        host=host,
        why=why,
    )
    fix = Fix(
        _(
            "Bring the certificate to every server and proxy behind {host} (IPv6 too) and reload "
            "them at each renewal, or take the address out of DNS.",
            host=host,
        )
    )
    return fail("cert_node_differs", message, owner=Owner.HOST, fix=fix)


def _unseen(nodes: Sequence[Served]) -> list[Finding]:
    if not nodes:
        return []
    message = _(
        "The certificate of {addresses} could not be looked at. {why}",
        addresses=", ".join(node.address for node in nodes),
        why=nodes[0].why or "",
    )
    return [info("cert_served_unseen", message, owner=Owner.MEASUREMENT)]
