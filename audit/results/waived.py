"""What is waived: which checks of a domain somebody lets stand, and when that ends by itself."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from django.db import connection

from audit.models import AuditCheck, AuditDomain, Waiver
from audit.results.json_text import json_text
from collectors.base import Severity, Status
from collectors.stored import StoredFinding

_WRONG = (Severity.WARN, Severity.FAIL)
_WITH_WAIVERS = (
    "SELECT DISTINCT domain_id FROM audit_waivers WHERE ended_at IS NULL AND domain_id IN ({})"
)


def with_waivers(domain_ids: Collection[int]) -> set[int]:
    """Those of these domains that have a waiver in force."""
    if not domain_ids:
        return set()
    places = ", ".join(["%s"] * len(domain_ids))
    with connection.cursor() as cursor:  # at every lot of audits: not by the ORM
        cursor.execute(_WITH_WAIVERS.format(places), list(domain_ids))
        return {pk for (pk,) in cursor.fetchall()}


def waived_findings(findings: Sequence[StoredFinding], code: str) -> list[StoredFinding]:
    """Those of a check's findings that a waiver of `code` covers ('': all that is wrong)."""
    return [f for f in findings if f["severity"] in _WRONG and code in ("", f["code"])]


def print_of(findings: Sequence[StoredFinding]) -> str:
    """What findings say, without what changes from audit to audit (ages, counts, timings): their
    codes, severities and owners, and what of the records that their fixes name is published now.
    """
    said = sorted([f["code"], f["severity"], f["owner"], sorted(_published(f))] for f in findings)
    return hashlib.blake2b(json_text(said).encode(), digest_size=16).hexdigest()


def _published(finding: StoredFinding) -> list[list[str]]:
    records = (finding["fix"] or {"records": []})["records"]
    return [[r["type"], r["name"], r["current"]] for r in records if r["current"] is not None]


def checks_of(domain_ids: Collection[int]) -> dict[int, set[str]]:
    """`{domain id: its checks of which all that is wrong is waived}`, by what is stored."""
    found: dict[int, set[str]] = {pk: set() for pk in domain_ids}
    waivers, checks = _in_force(with_waivers(domain_ids))
    for pk, of in waivers.items():
        for check_id in {w.check_id for w in of}:
            check = checks.get((pk, check_id))
            if check is not None and _covers([w for w in of if w.check_id == check_id], check):
                found[pk].add(check_id)
    return found


def end_what_changed(rows: Mapping[int, AuditDomain], now: datetime) -> None:
    """End those waivers of these domains whose finding is another one or gone for sure, or whose
    time is over, by what is stored."""
    waivers, checks = _in_force(set(rows))
    for pk, of in waivers.items():
        for waiver in of:
            check = checks.get((pk, waiver.check_id))
            pending = waiver.check_id in rows[pk].unconfirmed
            if check is not None and (why := _ended(waiver, check, pending, now)):
                Waiver.objects.filter(pk=waiver.pk).update(ended_at=now, ended_why=why)


def _in_force(
    domain_ids: set[int],
) -> tuple[dict[int, list[Waiver]], dict[tuple[int, str], AuditCheck]]:
    waivers: dict[int, list[Waiver]] = {}
    if not domain_ids:
        return waivers, {}
    for waiver in Waiver.objects.filter(domain__in=domain_ids, ended_at=None).order_by("pk"):
        waivers.setdefault(waiver.domain_id, []).append(waiver)
    rows = AuditCheck.objects.filter(
        domain__in=waivers, check_id__in={w.check_id for of in waivers.values() for w in of}
    )
    rows = rows.order_by().only("domain_id", "check_id", "status", "findings")
    return waivers, {(check.domain_id, check.check_id): check for check in rows}


def _covers(waivers: Sequence[Waiver], check: AuditCheck) -> bool:
    wrong = waived_findings(check.findings, "")
    codes = {w.code for w in waivers}
    return bool(wrong) and ("" in codes or all(f["code"] in codes for f in wrong))


def _ended(waiver: Waiver, check: AuditCheck, pending: bool, now: datetime) -> str:
    """Why a waiver is over, or ''. What could not be measured says nothing, and one audit that
    finds all well is not believed yet."""
    if waiver.until is not None and waiver.until <= now:
        return Waiver.Ended.TIME
    if check.status == Status.UNKNOWN:
        return ""
    findings = waived_findings(check.findings, waiver.code)
    if not findings:
        return "" if pending else Waiver.Ended.CURED
    return "" if print_of(findings) == waiver.print else Waiver.Ended.CHANGED
