"""What a customer's report says, as plain data: the records to change, worst first, what is ours,
what could not be seen, what is in order.

Only what is the customer's to know: no evidence, nothing of the server, the portal or the settings.
"""

import hashlib
from collections.abc import Iterable

from django.utils.translation import gettext as _

from audit.models import AuditDomain
from audit.reading import causes, report_words, scorecard
from audit.reading.causes import LinkedFinding
from audit.reading.report_shapes import Advice, Panel, Record, Report, Step
from audit.results.evidence import dicts_of, texts_of
from audit.results.shapes import Scorecard, ShownCheck
from collectors.base import Action, DnsRecord, Owner, Severity, Status
from collectors.names import is_below, organisational_domain
from collectors.panels import USUAL, hints_of
from collectors.registry import CHECKS
from collectors.standards import zone_snippet as zones
from collectors.stored import Evidence, StoredRecord

_NOT_THEIRS = {"resolver_down", "audit_limit", "dns_limit", "dns_unreachable"}  # faults of ours
# the checks whose cure is records of the customer's
_CUSTOMERS = ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc", "webmail_http")
_WORST = {Severity.FAIL: 0, Severity.WARN: 1}


def steps_of(row: AuditDomain) -> list[Step]:
    """The customer's steps for a domain, the worst first; in the language that is active."""
    return list(report_of(row).steps)


def zone_of(row: AuditDomain) -> str:
    """All that is to be published for a domain as part of a zone's file, see `zone_snippet`; ''
    where nothing is.
    """
    return report_of(row).zone_text


def zone_of_domain(card: Scorecard) -> str:
    """The zone that a domain lies in; '' where that was not seen."""
    domain = card["domain"]
    seen = _evidence(card).get("zone")
    if isinstance(seen, str) and seen and is_below(domain, seen):
        return seen
    return domain if organisational_domain(domain) == domain else ""


def report_of(row: AuditDomain) -> Report:
    """The report of a domain, in the language that is active."""
    card = scorecard.of_domain(row)
    findings = causes.linked(card)
    theirs = _theirs(card, findings)
    records = _unique(r for found in theirs.values() for f in found for r in _records(f))
    steps = _steps(card, theirs)
    told = {(check_id, f["code"]) for check_id, found in theirs.items() for f in found}
    done, ours, silent, unseen = [], [], [], []
    records_done = 0
    for check in card["checks"] if card["last_audit"] else ():
        check_id = check["check_id"]
        noun = report_words.noun(check_id, check["title"])
        if check["status"] == Status.OK:
            done.append(report_words.done(check_id, check["title"]))
            records_done += check_id in _CUSTOMERS
        elif theirs[check_id]:
            continue
        elif check["status"] != Status.UNKNOWN:
            if not _follows(findings[check_id], told):  # else it is named under its cause
                ours.append(noun)
        elif is_silent(check, card["domain"]):
            silent.append(noun)
        elif check_id in _CUSTOMERS:
            unseen.append(noun)
        else:
            ours.append(noun)
    return Report(
        state=_state(card, steps, silent),
        domain=card["domain"],
        unicode=card["unicode"],
        zone=zone_of_domain(card),
        zone_text=_zone_text(records, zone_of_domain(card) or card["domain"], card["domain"]),
        stale=card["stale"],
        last_audit=card["last_audit"],
        steps=tuple(steps),
        done=tuple(done),
        records_done=records_done,
        ours=_once(ours),
        silent=_once(silent),
        unseen=_once(unseen),
        not_here=tuple(
            report_words.noun(c, str(CHECKS[c].title)) for c in card["not_measured_here"]
        ),
        panels=tuple(Panel.of(h) for h in hints_of(texts_of(_evidence(card).get("name_servers")))),
        usual_panels=tuple(Panel.of(h) for h in USUAL),
    )


def is_silent(check: ShownCheck, domain: str) -> bool:
    """Whether a check is unknown because the servers of the domain's own zone gave no answer."""
    codes = {f["code"] for f in check["findings"] if f["severity"] == Severity.UNKNOWN}
    if codes & _NOT_THEIRS or any(f["because"] for f in check["findings"]):
        return False
    lookups = dicts_of(check["evidence"].get("lookups"))
    failed = [lookup for lookup in lookups if lookup.get("result") in codes]
    return any(is_below(str(lookup.get("name", "")), domain) for lookup in failed)


def _state(card: Scorecard, steps: list[Step], silent: list[str]) -> str:
    if card["last_audit"] is None:
        return "new"
    if steps:
        return "steps"
    if silent:
        return "silent"
    full = card["score"] == card["max_score"] and not card["stale"]
    return "done" if full else "waiting"


def _zone_text(records: list[DnsRecord], zone: str, domain: str) -> str:
    says = [
        _("What is to change in the DNS of %(domain)s.") % {"domain": domain},
        _("Lines that begin with “;” do nothing. Take out by hand what they name, then load this."),
    ]
    return zones.zone_snippet(records, zone=zone, says=says, remove=_("take out"))


def _evidence(card: Scorecard) -> Evidence:
    return next((c["evidence"] for c in card["checks"] if c["check_id"] == "dns_mx"), {})


def _theirs(
    card: Scorecard, findings: dict[str, list[LinkedFinding]]
) -> dict[str, list[LinkedFinding]]:
    """{check_id: the findings that are the customer's to act on}, the worst checks first. Among
    equals mail is moved last; but first of all is a domain that does not exist.
    """
    ids = [c["check_id"] for c in card["checks"]]
    theirs = {c: [f for f in findings[c] if _is_customers(f)] for c in ids}
    gone = _codes(theirs["dns_mx"]) & report_words.NO_DOMAIN
    order = sorted(theirs, key=lambda c: (_worst(theirs[c]), (c == "dns_mx") ^ bool(gone)))
    return {check_id: theirs[check_id] for check_id in order}


def _codes(findings: list[LinkedFinding]) -> set[str]:
    return {f["code"] for f in findings}


def _worst(findings: list[LinkedFinding]) -> int:
    return min((_WORST[Severity(f["severity"])] for f in findings), default=len(_WORST))


def _is_customers(finding: LinkedFinding) -> bool:
    """Theirs to act on. What follows from something else is not, unless records of their own are
    needed for it as well: a domain that is not in DNS yet is set up in one go.
    """
    if finding["owner"] != Owner.CUSTOMER or finding["severity"] not in _WORST:
        return False
    cause = finding["cause"]
    return not cause or (cause["check_id"] in _CUSTOMERS and bool(_records(finding)))


def _follows(findings: list[LinkedFinding], told: set[tuple[str, str]]) -> bool:
    """Whether all that is wrong follows from what the customer is told to change."""
    counting = [f for f in findings if f["severity"] in _WORST]
    because = [f["because"] for f in counting]
    return bool(because) and all(b and (b["check_id"], b["code"]) in told for b in because)


def _steps(card: Scorecard, theirs: dict[str, list[LinkedFinding]]) -> list[Step]:
    zone = zone_of_domain(card)
    statuses = {c["check_id"]: c["status"] for c in card["checks"]}
    titles = {c["check_id"]: c["title"] for c in card["checks"]}
    given: set[DnsRecord] = set()
    steps = []
    for check_id, found in theirs.items():
        if not found:
            continue
        records = _unique(r for f in found for r in _records(f))
        new = [r for r in records if r not in given]
        given.update(new)
        steps.append(
            Step(
                check_id=check_id,
                status=Status.FAIL if _worst(found) == 0 else Status.WARN,
                title=report_words.title(check_id, titles[check_id]),
                words=report_words.words(check_id, new),
                first=report_words.first(check_id, new, statuses, _codes(found)),
                advice=tuple(
                    Advice(
                        f["message"],
                        f["fix"]["text"] if f["fix"] else "",
                        _once(
                            report_words.noun(e["check_id"], e["title"])
                            for e in f["effects"]
                            if not theirs.get(e["check_id"])
                        ),
                    )
                    for f in found
                ),
                records=tuple(_shown(r, zone) for r in new),
                told=bool(records) and not new,
            )
        )
    return steps


def _records(finding: LinkedFinding) -> list[DnsRecord]:
    stored: list[StoredRecord] = finding["fix"]["records"] if finding["fix"] else []
    return [
        DnsRecord(r["type"], r["name"], r["value"], Action(r["action"]), r["current"])
        for r in stored
    ]


def _unique(records: Iterable[DnsRecord]) -> list[DnsRecord]:
    return list(dict.fromkeys(records))


def _once(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _shown(record: DnsRecord, zone: str) -> Record:
    action = str(record.action)
    if record.action == Action.REPLACE and record.current == record.value:
        action = "keep"
    said = "\0".join((action, record.type, record.name, record.value, record.current or ""))
    priority, value = None, record.value
    if record.type == "MX" and value.partition(" ")[0].isdigit():
        number, _blank, value = value.partition(" ")
        priority = int(number)
    return Record(
        key="r" + hashlib.sha256(said.encode()).hexdigest()[:12],
        action=action,
        type=record.type,
        relative=zones.relative(record.name, zone),
        name=record.name,
        value=value,
        priority=priority,
        ttl=zones.TTL,
        values_now=(record.current,) if record.current else (),
    )
