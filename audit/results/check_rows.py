"""The rows of checks: which answers are others than those stored, and what is written then."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from audit.models import AuditCheck, AuditDomain, CheckTransition
from audit.models.results import CheckAnswer
from audit.results import seen, transitions
from audit.results.history import bound_history, differing_evidence
from audit.results.json_text import json_text
from collectors.base import CheckResult, Owner, Severity, Status
from collectors.registry import core_checks
from collectors.stored import StoredFinding

FIELDS = [
    "status", "message", "message_source", "findings", "evidence", "checked_at", "since",
    "conclusive_status", "conclusive_at", "last_ok_at", "duration_ms", "digest",
]  # fmt: skip
AnswerT = TypeVar("AnswerT", bound=CheckAnswer)
Owners = tuple[bool, bool]  # must the customer act, must the host


@dataclass(frozen=True)
class Differing:
    """A result that is not what is stored, and its digest."""

    result: CheckResult
    digest: str


class Known:
    """What is stored of the checks of some domains, as far as it tells whether an answer is
    another: without the answers themselves."""

    def __init__(self, domains: Sequence[AuditDomain]) -> None:
        self._kept: dict[int, dict[str, tuple[str, str, datetime, str]]] = {
            d.pk: {} for d in domains
        }
        rows = AuditCheck.objects.filter(domain__in=self._kept).order_by()
        for pk, check_id, *kept in rows.values_list(
            "domain_id", "check_id", "status", "digest", "since", "conclusive_status"
        ):
            self._kept[pk][check_id] = tuple(kept)  # type: ignore[assignment] # the four

    def statuses(self, domain: AuditDomain) -> dict[str, str]:
        """{check_id: status} as stored."""
        return {check_id: kept[0] for check_id, kept in self._kept[domain.pk].items()}

    def conclusive(self, domain: AuditDomain) -> dict[str, str]:
        """{check_id: the last status that was not unknown, or ''} as stored."""
        return {check_id: kept[3] for check_id, kept in self._kept[domain.pk].items()}

    def differing(
        self, domain: AuditDomain, results: Mapping[str, CheckResult]
    ) -> dict[str, Differing]:
        """Those of the results that are to be written. The clock may have been set back to before
        the present status began: then it is, too."""
        kept = self._kept[domain.pk]
        found = {}
        for check_id, result in results.items():
            stored, digest = kept.get(check_id), digest_of(result)
            if (
                stored is None
                or stored[:2] != (result.status.value, digest)
                or stored[2] > result.checked_at
            ):
                found[check_id] = Differing(result, digest)
        return found


def digest_of(result: CheckResult) -> str:
    """Of what an answer says: two that say the same have the same."""
    findings = [f.to_dict() for f in result.findings]
    stored = [str(result.message), result.message.source(), findings, result.evidence]
    text = json_text(stored).encode()
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def write(
    changed: Sequence[tuple[AuditDomain, Mapping[str, Differing]]],
) -> dict[AuditDomain, Owners]:
    """Write what differs, and a transition for each change between conclusive statuses; who must
    act for each of these domains now. To be called before `AuditDomain.checked` is changed."""
    if not changed:
        return {}
    before: dict[int, dict[str, AuditCheck]] = {domain.pk: {} for domain, _differing in changed}
    checked = {domain.pk: domain.checked for domain, _differing in changed}
    for check in AuditCheck.objects.filter(domain__in=before).order_by():
        before[check.domain_id][check.check_id] = check.at_present(checked[check.domain_id])
    checks: list[AuditCheck] = []
    owners: dict[AuditDomain, Owners] = {}
    for domain, differing in changed:
        known = before[domain.pk]
        new = [_merged(domain, known.get(c), differing[c]) for c in sorted(differing)]
        changes = [t for c in new if (t := _transition(domain, known.get(c.check_id), c))]
        checks += new
        _keep(domain, changes)
        present = {**known, **{c.check_id: c for c in new}}
        owners[domain] = _owners_of(present.values())
    seen.keep((before[check.domain_id].get(check.check_id), check) for check in checks)
    AuditCheck.objects.bulk_create(
        checks, update_conflicts=True, unique_fields=["domain", "check_id"], update_fields=FIELDS
    )
    return owners


def _merged(domain: AuditDomain, before: AuditCheck | None, differing: Differing) -> AuditCheck:
    """The check's row: a new result over what was known."""
    result = differing.result
    check = AuditCheck(domain=domain, check_id=result.check_id)
    return merge(
        check, before, differing, began=lambda: _since(domain, result.check_id, result.checked_at)
    )


def merge(
    check: AnswerT, before: AnswerT | None, differing: Differing, *, began: Callable[[], datetime]
) -> AnswerT:
    """Fill a row with a new result over what was known; `began`: when the conclusive status that
    comes again after an unknown one did."""
    result = differing.result
    at, status = result.checked_at, result.status
    conclusive = status != Status.UNKNOWN
    check.status, check.digest = status.value, differing.digest
    check.message, check.message_source = str(result.message), result.message.source()
    check.findings, check.evidence = [f.to_dict() for f in result.findings], result.evidence
    check.checked_at = check.since = at
    check.conclusive_status = status.value if conclusive else ""
    check.conclusive_at = at if conclusive else None
    check.last_ok_at = at if status == Status.OK else None
    check.duration_ms = result.duration_ms
    if before is None:
        return check
    if not conclusive:
        check.conclusive_status, check.conclusive_at = (
            before.conclusive_status,
            before.conclusive_at,
        )
    if status != Status.OK:
        check.last_ok_at = before.last_ok_at
    if before.status == status:
        check.since = min(before.since, at)  # the clock may have been set back
    elif conclusive and before.conclusive_status == status:
        check.since = began()  # unknown in between does not restart the clock
    return check


def _transition(
    domain: AuditDomain, before: AuditCheck | None, check: AuditCheck
) -> CheckTransition | None:
    """The change from what was known to this, if it is one."""
    was = before.conclusive_status if before else ""
    if check.status in (Status.UNKNOWN, was):
        return None
    evidence = differing_evidence(before.evidence if before else {}, check.evidence)
    return CheckTransition(
        domain=domain,
        check_id=check.check_id,
        from_status=was,
        to_status=check.status,
        at=check.checked_at,
        message=check.message,
        message_source=check.message_source,
        evidence_before=evidence[0],
        evidence_after=evidence[1],
    )


def _keep(domain: AuditDomain, changes: list[CheckTransition]) -> None:
    """Write these after those that there are, also where the clock was set back in between."""
    if not changes:
        return
    last = domain.transitions.order_by("-at", "-id").values_list("at", flat=True).first()
    for change in changes:
        change.at = max(change.at, last or change.at)
    transitions.announce()
    CheckTransition.objects.bulk_create(changes)
    if last:
        bound_history(CheckTransition.objects.filter(domain=domain))


def stored_owners(domain_ids: Collection[int]) -> dict[int, Owners]:
    """Who must act for each of these domains, by what is stored."""
    found: dict[int, list[AuditCheck]] = {pk: [] for pk in domain_ids}
    rows = AuditCheck.objects.filter(domain__in=found).order_by()
    for check in rows.only("domain_id", "check_id", "findings"):
        found[check.domain_id].append(check)
    return {pk: _owners_of(checks) for pk, checks in found.items()}


def _owners_of(checks: Iterable[AuditCheck]) -> Owners:
    core = core_checks()
    return _owners([f for check in checks if check.check_id in core for f in check.findings])


def _owners(findings: list[StoredFinding]) -> Owners:
    """Who must act: the owners of the stored findings that are warn or fail."""
    owners = {f["owner"] for f in findings if f["severity"] in (Severity.WARN, Severity.FAIL)}
    return Owner.CUSTOMER in owners, Owner.HOST in owners


def _since(domain: AuditDomain, check_id: str, at: datetime) -> datetime:
    """When the present conclusive status began: the last transition."""
    found = domain.transitions.filter(check_id=check_id).order_by("-at", "-id")
    last = found.values_list("at", flat=True).first()
    return min(last or at, at)
