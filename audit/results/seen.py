"""What of an answer is kept to look domains up by: see `models.Seen`."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address

from audit.models.results import AuditCheck
from audit.models.seen import Seen
from audit.results.evidence import dict_of, dicts_of, texts_of
from collectors.base import Status
from collectors.stored import Evidence, StoredFinding

MOST = 60  # values of one check; no domain that works has as many
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)  # in every time zone there is a date for it
Value = tuple[str, str]  # (kind, value)
Kind = Seen.Kind


def seen_in(check_id: str, findings: Iterable[StoredFinding], evidence: Evidence) -> set[Value]:
    """The (kind, value) pairs of an answer, at most MOST; also of evidence of an earlier version,
    or of one that was cut."""
    found = [(Kind.FINDING.value, str(f.get("code", ""))) for f in findings]
    found += [(kind.value, text) for kind, text in _READERS.get(check_id, _nothing)(evidence)]
    kept = dict.fromkeys(v for v in found if 0 < len(v[1]) <= Seen.LONGEST)
    return set(list(kept)[:MOST])


def keep(changes: Iterable[tuple[AuditCheck | None, AuditCheck]]) -> None:
    """Write what is seen of these checks, each (as it was, as it is); nothing is asked or written
    where that is the same.

    What could not be measured takes nothing away but findings: it is where it was last seen.
    """
    wanted: dict[tuple[int, str], tuple[set[Value], bool]] = {}
    for before, after in changes:
        new = seen_in(after.check_id, after.findings, after.evidence)
        old = seen_in(before.check_id, before.findings, before.evidence) if before else set()
        measured = after.status != Status.UNKNOWN
        kept = measured and before is not None and before.status == Status.UNKNOWN
        if new != old or kept:  # of what was kept meanwhile, only the table knows
            wanted[after.domain_id, after.check_id] = new, measured
    if not wanted:
        return
    rows = Seen.objects.filter(
        domain__in={pk for pk, _check in wanted}, check_id__in={check for _pk, check in wanted}
    )
    stored: dict[tuple[int, str], dict[Value, int]] = {}
    for pk, domain, check_id, kind, value in rows.order_by().values_list(
        "pk", "domain_id", "check_id", "kind", "value"
    ):
        stored.setdefault((domain, check_id), {})[kind, value] = pk
    gone: list[int] = []
    added: list[Seen] = []
    for place, (new, measured) in wanted.items():
        had = stored.get(place, {})
        gone += [
            pk
            for value, pk in had.items()
            if value not in new and (measured or value[0] == Kind.FINDING)
        ]
        added += [
            Seen(domain_id=place[0], check_id=place[1], kind=kind, value=text)
            for kind, text in sorted(new - had.keys())
        ]
    if gone:
        Seen.objects.filter(pk__in=gone).delete()
    if added:
        Seen.objects.bulk_create(added, ignore_conflicts=True)


def certificate_ends(evidence: Evidence) -> datetime | None:
    """When the first of the certificates ends that `cert_le` saw: configured or served, at any
    address. None where there is none, or none with a date that can be read."""
    ends = [end for text in _ends_in(evidence) if (end := stored_moment(text))]
    return min(ends, default=None)


def _ends_in(evidence: Evidence) -> Iterator[object]:
    for side in ("portal", "served"):
        yield dict_of(dict_of(evidence.get(side)).get("certificate")).get("not_after")
    for node in dict_of(evidence.get("nodes")).values():
        yield dict_of(node).get("not_after")


def stored_moment(text: object) -> datetime | None:
    """A stored moment; what lies beyond all sense is moved to where it can be shown."""
    try:
        moment = datetime.fromisoformat(str(text))
        if moment.tzinfo is None:
            return None
        return min(max(moment, EARLIEST), LATEST)
    except (ValueError, OverflowError):
        return None


# -- what each check's evidence holds


def _nothing(_evidence: Evidence) -> Iterator[tuple[Seen.Kind, str]]:
    return iter(())


def _of_mx(evidence: Evidence) -> Iterator[tuple[Seen.Kind, str]]:
    for text in texts_of(evidence.get("mx")):
        yield Kind.HOST, _name(text.rpartition(" ")[2])
    for exchange in dicts_of(evidence.get("exchanges")):
        for address in texts_of(exchange.get("addresses")):
            yield Kind.ADDRESS, _address(address)
        if isinstance(alias := exchange.get("alias_of"), str):
            yield Kind.HOST, _name(alias)


def _of_spf(evidence: Evidence) -> Iterator[tuple[Seen.Kind, str]]:
    for row in dicts_of(evidence.get("tree")):
        if row.get("depth") and "term" not in row:
            yield Kind.HOST, _name(str(row.get("domain", "")))


def _of_webmail(evidence: Evidence) -> Iterator[tuple[Seen.Kind, str]]:
    for address in texts_of(evidence.get("addresses")):
        yield Kind.ADDRESS, _address(address)
    for lookup in dicts_of(evidence.get("lookups")):
        if lookup.get("type") in ("A", "AAAA"):
            for alias in texts_of(lookup.get("cname")):
                yield Kind.HOST, _name(alias)


def _of_certificate(evidence: Evidence) -> Iterator[tuple[Seen.Kind, str]]:
    served = dict_of(dict_of(evidence.get("served")).get("certificate"))
    for certificate in (served, *dict_of(evidence.get("nodes")).values()):
        if isinstance(print_ := dict_of(certificate).get("sha256"), str):
            yield Kind.CERTIFICATE, print_


_READERS = {
    "dns_mx": _of_mx,
    "dns_spf": _of_spf,
    "webmail_http": _of_webmail,
    "cert_le": _of_certificate,
}


def _name(text: str) -> str:
    return text.strip().lower().removesuffix(".")


def _address(text: str) -> str:
    """An address in its usual spelling; '' for what is none."""
    try:
        found = ip_address(text)
    except ValueError:
        return ""
    return str((found.version == 6 and found.ipv4_mapped) or found)
