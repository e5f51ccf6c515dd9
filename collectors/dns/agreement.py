"""Fixes of several checks for one name, made to go together.

Where a wildcard or an alias is replaced by records of the domain's own, the fix of each check
carries along what the others look at. What it carries is then to be what their fixes say, or all
fixes together would publish two SPF records.
"""

from collections.abc import Mapping
from dataclasses import replace

from collectors.base import Action, CheckResult, DnsRecord, Finding, Fix
from collectors.standards.spf.record import is_spf

_Slot = tuple[str, str]


def agree(results: Mapping[str, CheckResult]) -> dict[str, CheckResult]:
    """The results; what a fix carries along is now what the check that it belongs to wants."""
    fixes = dict.fromkeys(f.fix for r in results.values() for f in r.findings if f.fix)
    if not fixes:
        return dict(results)
    wanted: dict[str, dict[_Slot, list[DnsRecord]]] = {}
    for fix in fixes:
        own: dict[str, dict[_Slot, list[DnsRecord]]] = {}
        for record in fix.records:
            if record.action != Action.REMOVE:
                own.setdefault(record.name, {}).setdefault(_slot(record), []).append(record)
        for name, slots in own.items():
            if not all(r.carried for records in slots.values() for r in records):
                _add_slots(wanted.setdefault(name, {}), slots)
    return {key: _agreed(result, wanted) for key, result in results.items()}


def _add_slots(known: dict[_Slot, list[DnsRecord]], slots: dict[_Slot, list[DnsRecord]]) -> None:
    """Add what a fix says of a name; what cures goes before what is carried along."""
    for slot, records in slots.items():
        cures = not all(r.carried for r in records)
        if slot not in known or (cures and all(r.carried for r in known[slot])):
            known[slot] = records


def _slot(record: DnsRecord) -> _Slot:
    """What a record takes the place of: the set of its type, of texts the SPF record or itself."""
    if record.type != "TXT":
        return record.type, ""
    return "TXT", "spf" if is_spf(record.value.encode("latin-1", "replace")) else record.value


def _agreed(result: CheckResult, wanted: dict[str, dict[_Slot, list[DnsRecord]]]) -> CheckResult:
    return replace(result, findings=tuple(_finding(f, wanted) for f in result.findings))


def _finding(finding: Finding, wanted: dict[str, dict[_Slot, list[DnsRecord]]]) -> Finding:
    if not finding.fix or not any(r.carried for r in finding.fix.records):
        return finding
    records = finding.fix.records
    if any(r.carried and r.action == Action.REPLACE for r in records):  # it stands there
        swapped = [x for r in records for x in (_of_its_check(r, wanted) if r.carried else [r])]
        return replace(finding, fix=Fix(finding.fix.text, tuple(swapped)))
    names = {r.name for r in records if r.carried and r.name in wanted}
    own = {(r.name, _slot(r)) for r in records if not r.carried and r.action != Action.REMOVE}
    kept = [r for r in records if not (r.carried and r.name in names)]
    for name in (n for n in wanted if n in names):
        for slot, others in wanted[name].items():
            if (name, slot) not in own:
                kept += [replace(r, action=Action.ADD, current=None, carried=True) for r in others]
    return replace(finding, fix=Fix(finding.fix.text, tuple(kept)))


def _of_its_check(
    record: DnsRecord, wanted: dict[str, dict[_Slot, list[DnsRecord]]]
) -> list[DnsRecord]:
    """What the check that a record belongs to wants in its place; itself where it wants nothing."""
    return wanted.get(record.name, {}).get(_slot(record), [record])
