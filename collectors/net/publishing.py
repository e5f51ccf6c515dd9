"""What a record would switch off where it is published, and what a fix must carry along.

A name that exists through a wildcard or an alias only has no records of its own. One that is added
at it, or at a name below it, ends that: the wildcard no longer answers for the name and for all
that is below it (RFC 4592, 2.2.2 and 3.3.1), and beside an alias nothing else may stand (RFC 1034,
3.6.2).

A check writes its fix as if all that it saw stood at the name that it asked for, and lets
`safe_fix` make of it what can be pasted.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from collectors.base import Action, DnsRecord, Fault, Finding, Fix
from collectors.names import is_below
from collectors.net.dns_lookup import Lookup
from collectors.net.dns_records import Exchange, Record
from collectors.net.session import CheckSession
from collectors.text import MAX_TEXT, Text, _

TYPES = ("A", "AAAA", "MX", "TXT", "CAA", "HTTPS")  # what a name that people use may answer with
COMPARED = ("A", "AAAA", "MX", "TXT")  # by which a name of its own is told from a wildcard's
MAX_LEVELS = 10  # names above one another that are looked at
MAX_CARRIED = 40  # records that a fix carries along; nobody pastes more


class _CannotCarry(Exception):
    """What would be switched off cannot be published along; `why` is the sentence that says so."""

    def __init__(self, why: Text) -> None:
        super().__init__(str(why))
        self.why = why


@dataclass(frozen=True)
class Origin:
    """Where the answers for `name` come from.

    `created`: the names, lowest first, that a record at `name` would bring into existence and that
    a wildcard answers for now; empty where nothing is lost. `wildcard`: that wildcard; `answers`:
    what it answers with, by type.
    """

    name: str
    chain: tuple[str, ...] = ()  # the aliases that are followed from there
    wildcard: str = ""
    created: tuple[str, ...] = ()
    answers: dict[str, Lookup] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        """The name that a CNAME record at `name` itself leads to; '' where none stands there."""
        return self.chain[0] if self.chain and not self.wildcard else ""


def unused(name: str) -> str:
    """A name right below `name` that nobody has set up.

    It follows from `name`: its answer can be shared.
    """
    return f"x{hashlib.sha256(name.encode()).hexdigest()[:12]}.{name}"


async def origin_of(session: CheckSession, name: str, rdtype: str = "TXT") -> Origin:
    """Where the answer for `name` and `rdtype` comes from; raises DnsFault where that cannot be
    seen.

    Nothing but NXDOMAIN costs a query at least; a name of its own with records costs one, a
    wildcard about a dozen.
    """
    own = await session.lookup(name, rdtype)
    if own.result == "NXDOMAIN" and not own.chain:
        return Origin(name)
    standing = Origin(name, own.chain)
    probe = await session.lookup(unused(name), rdtype)
    if not _equal(own, probe):
        return standing
    answers = {t: await session.lookup(unused(name), t) for t in TYPES}
    known = next((t for t, a in answers.items() if a.records or a.chain), None)
    if known is None:  # some servers never say NXDOMAIN (RFC 9824)
        return standing
    created, parent = [], name
    while await _is_synthesised(session, parent, known, answers):
        created.append(parent)
        parent = parent.partition(".")[2]
        if not parent or len(created) > MAX_LEVELS:
            return standing
    if not created:
        return standing
    return Origin(name, own.chain, f"*.{parent}", tuple(created), answers)


async def _is_synthesised(
    session: CheckSession, name: str, known: str, answers: dict[str, Lookup]
) -> bool:
    """Whether `name` itself does not exist, and a wildcard further up answers for it.

    A name below an asterisk that exists is never synthesised (RFC 4592, 2.2.1: ghost.*.example).
    Servers that do not keep to that are told by what the name itself answers.
    """
    if not _equal(await session.lookup(unused(f"*.{name}"), known), answers[known]):
        return False
    if _is_service(name):
        return True
    own = [await session.lookup(name, t) for t in answers if t in COMPARED or t == known]
    return all(_equal(answer, answers[answer.rdtype]) for answer in own)


def ask_wildcard(session: CheckSession, name: str) -> None:
    """Send the question of a wildcard_answer() that comes later."""
    session.ask(unused(name), "TXT")


async def wildcard_answer(session: CheckSession, name: str) -> Lookup | None:
    """The TXT answer at a name below `name` that nobody uses; None where it fails."""
    try:
        return await session.lookup(unused(name), "TXT")
    except Fault:
        return None


async def is_from_wildcard(session: CheckSession, name: str, rdtype: str = "TXT") -> bool:
    """Whether a wildcard supplies what is found at `name`; False where that cannot be seen."""
    try:
        return bool((await origin_of(session, name, rdtype)).wildcard)
    except Fault:
        return False


def _equal(one: Lookup, other: Lookup) -> bool:
    """Whether two lookups say the same; servers turn the order of records around."""
    return (one.chain, set(one.records)) == (other.chain, set(other.records)) and (
        bool(one.records) or one.result == other.result
    )


def _is_service(name: str) -> bool:
    """Whether there is an underscore in it: read for one purpose, no host, mailbox or web site."""
    return any(label.startswith("_") for label in name.split("."))


# -- fixes


async def safe_findings(
    findings: Iterable[Finding], *, domain: str, session: CheckSession
) -> list[Finding]:
    """The findings, each with its fix made safe; findings that share a fix go on sharing it."""
    safe: dict[Fix, Fix] = {}
    made = []
    for finding in findings:
        if finding.fix and finding.fix not in safe:
            safe[finding.fix] = await safe_fix(finding.fix, domain=domain, session=session)
        made.append(replace(finding, fix=safe[finding.fix]) if finding.fix else finding)
    return made


async def safe_fix(fix: Fix, *, domain: str, session: CheckSession) -> Fix:
    """`fix` with records that can be pasted without harm, or without records and with the reason.

    Its records are written at the names that were asked for, with the data found there as
    `current`, whether they stand there or not.
    """
    records: list[DnsRecord] = []
    notes: list[Text] = []
    try:
        for name in dict.fromkeys(r.name for r in fix.records):
            changes = [r for r in fix.records if r.name == name]
            made, note = await _at(name, changes, domain=domain, session=session)
            records += made
            notes += [note] if note else []
    except _CannotCarry as error:
        return Fix(_("{text} {why}", text=fix.text, why=error.why))
    except Fault as fault:
        why = _(
            "No records are shown here: it could not be seen what they would switch off. {why}",
            why=fault.message,
        )
        return Fix(_("{text} {why}", text=fix.text, why=why))
    text = fix.text
    for note in dict.fromkeys(notes):
        text = _("{text} {why}", text=text, why=note)
    return Fix(text, tuple(dict.fromkeys(records)))


async def fix_instead_of_alias(fix: Fix, *, name: str, alias: str, session: CheckSession) -> Fix:
    """`fix`, which puts addresses in place of an alias at `name`, with what that supplied for mail.

    Its CAA and HTTPS records are about the server that it leads to, and go with it. Raises
    DnsFault.
    """
    types = ("MX", "TXT")
    try:
        answers = {t: await session.lookup(name, t) for t in types}
        carried = _supplied(name, Origin(name, answers=answers), types)
    except _CannotCarry as error:
        return Fix(_("{text} {why}", text=fix.text, why=error.why))
    if not carried:
        return fix
    why = _(
        "{name} is an alias of {to}, and beside an alias no other record may stand: take it out, "
        "and publish what it supplied as records of {name} too.",
        name=name,
        to=alias,
    )
    return Fix(_("{text} {why}", text=fix.text, why=why), (*fix.records, *carried))


async def _at(
    name: str, changes: Sequence[DnsRecord], *, domain: str, session: CheckSession
) -> tuple[list[DnsRecord], Text | None]:
    """(records, note): the changes at one name as they can really be made there."""
    read = next((r.type for r in changes if r.type != "CNAME"), "TXT")
    origin = await origin_of(session, name, read)
    if origin.wildcard:
        return await _beside_wildcard(origin, changes, domain=domain)
    if not origin.alias:
        await _leave_room_for_alias(name, changes, session)
        return list(changes), None
    end = origin.chain[-1]
    takes = _takes_changes(end, changes, domain)
    if takes and not (_is_service(name) and await _is_used_by_people(end, session)):
        moved, note = await _at(
            end, [replace(r, name=end) for r in changes], domain=domain, session=session
        )
        return moved, note or _(
            "{name} is an alias of {to}; the record stands there.", name=name, to=end
        )
    return await _instead_of_alias(origin, changes, session)


async def _leave_room_for_alias(
    name: str, changes: Sequence[DnsRecord], session: CheckSession
) -> None:
    """Raise _CannotCarry if a new alias would stand beside records that are to stay."""
    if not any(_is_new_alias(r) for r in changes):
        return
    gone = {(r.type, r.current) for r in changes}
    for rdtype in TYPES:
        found = {(rdtype, _value(r)) for r in (await session.lookup(name, rdtype)).records}
        if found - gone:
            raise _CannotCarry(
                _("Beside the other records of {name} no alias may stand.", name=name)
            )


def _takes_changes(end: str, changes: Sequence[DnsRecord], domain: str) -> bool:
    """Whether what is to be changed at an alias can be changed at its end: a name of the customer's
    own.

    Not for addresses and not at the domain itself: there stand records that others rely on.
    """
    return (
        end != domain
        and is_below(end, domain)
        and not any(r.type in ("A", "AAAA", "CNAME") for r in changes)
    )


async def _is_used_by_people(name: str, session: CheckSession) -> bool:
    """Whether it is a host or takes mail: its texts are about that, and not only about a service.

    An alias may lead to one by a wildcard further on, which nobody meant.
    """
    if _is_service(name):
        return False
    return any([(await session.lookup(name, t)).records for t in ("A", "AAAA", "MX")])


async def _beside_wildcard(
    origin: Origin, changes: Sequence[DnsRecord], *, domain: str
) -> tuple[list[DnsRecord], Text | None]:
    """The changes at a name that only a wildcard answers for, and what they switch off."""
    made = _rewritten(origin.name, changes, origin.answers, keep=not _is_service(origin.name))
    if not made:
        return [], None  # to remove something that does not stand there
    if origin.chain and origin.name == domain:
        why = _(
            "{name} is an alias through the wildcard {wildcard} alone, and beside records of its "
            "own it is none any more. Give it records of its own for all that is used first.",
            name=origin.name,
            wildcard=origin.wildcard,
        )
        raise _CannotCarry(why)
    carried: list[DnsRecord] = []
    touched = {r.type for r in changes}
    for name in origin.created:
        if name == origin.name:
            if not _is_service(name) and "CNAME" not in touched:
                carried += _supplied(name, origin, [t for t in TYPES if t not in touched])
        elif not _is_service(name):
            carried += _alias_or_records(name, origin)
        if is_below(domain, name):
            carried += _alias_or_records(f"*.{name}", origin)
        elif name.startswith("_domainkey.") and name != origin.name:
            keys = [r for r in _supplied(f"*.{name}", origin, ["TXT"]) if "p=" in r.value]
            carried += keys  # selectors that only the wildcard answers for
    name, wildcard = origin.created[-1], origin.wildcard
    if len(carried) > MAX_CARRIED:
        why = _(
            "{name} is answered by the wildcard {wildcard} alone. A record of its own would switch "
            "off {n} records that come from there: publish these for it first.",
            name=name,
            wildcard=wildcard,
            n=len(carried),
        )
        raise _CannotCarry(why)
    if not carried:
        return made, _(
            "What is found at {name} comes from the wildcard {wildcard}; a record of its own wins.",
            name=origin.name,
            wildcard=wildcard,
        )
    return made + carried, _(
        "{name} is answered by the wildcard {wildcard} alone. A record of its own ends that for it "
        "and all names below it, so what was answered is published along: enter all these records.",
        name=name,
        wildcard=wildcard,
    )


async def _instead_of_alias(
    origin: Origin, changes: Sequence[DnsRecord], session: CheckSession
) -> tuple[list[DnsRecord], Text | None]:
    """The changes in place of an alias, with all else that it supplied."""
    answers = {t: await session.lookup(origin.name, t) for t in TYPES}
    made = _rewritten(origin.name, changes, answers, keep=not _is_service(origin.name))
    if not made:
        return [], None  # nothing stands there that could be removed
    touched = {r.type for r in changes}
    others = [t for t in TYPES if t not in touched]
    carried = _supplied(origin.name, replace(origin, answers=answers), others)
    name, to = origin.name, origin.chain[-1]
    new_alias = next((r for r in made if _is_new_alias(r)), None)
    if new_alias and carried:
        why = _(
            "{name} is an alias of {to}, which supplies other records too: have the record "
            "published there.",
            name=name,
            to=to,
        )
        raise _CannotCarry(why)
    if new_alias:
        return [replace(new_alias, action=Action.REPLACE, current=origin.alias)], None
    alias = DnsRecord("CNAME", name, origin.alias, Action.REMOVE, origin.alias)
    if not carried:
        return [alias, *made], _(
            "{name} is an alias of {to}: take it out, for beside it no other record may stand.",
            name=name,
            to=to,
        )
    return [alias, *made, *carried], _(
        "{name} is an alias of {to}, and beside an alias no other record may stand: take it out, "
        "and publish what it supplied as records of {name} too.",
        name=name,
        to=to,
    )


def _rewritten(
    name: str, changes: Sequence[DnsRecord], answers: dict[str, Lookup], *, keep: bool
) -> list[DnsRecord]:
    """What `changes` leave of the records that are found at `name`, as records to add.

    `keep`: also where new ones are added, keep those found that the changes do not speak of.
    """
    made = [DnsRecord("CNAME", name, r.value) for r in changes if _is_new_alias(r)]
    if made:
        return made
    for rdtype in dict.fromkeys(r.type for r in changes):
        of_type = [r for r in changes if r.type == rdtype]
        added = [
            replace(r, name=name, action=Action.ADD, current=None)
            for r in of_type
            if r.action != Action.REMOVE
        ]
        new = [r.value for r in added]
        gone = {r.current for r in of_type if r.action != Action.ADD}
        found = [_value(r) for r in answers[rdtype].records] if rdtype in answers else []
        left = [v for v in sorted(found) if v not in gone and v not in new]
        # Of an MX set the check has decided on all; of several texts, on those that it names.
        kept = [DnsRecord(rdtype, name, v, carried=rdtype == "TXT") for v in left]
        made += added + (kept if keep or not new else [])
    return made


def _is_new_alias(record: DnsRecord) -> bool:
    return record.type == "CNAME" and record.action != Action.REMOVE


def _alias_or_records(name: str, origin: Origin) -> list[DnsRecord]:
    """What a wildcard supplies, as records of `name`."""
    if origin.chain:
        return [DnsRecord("CNAME", name, origin.chain[0], carried=True)]
    return _supplied(name, origin, TYPES)


def _supplied(name: str, origin: Origin, rdtypes: Sequence[str]) -> list[DnsRecord]:
    """The records of these types that are answered for `origin.name`, as records of `name`."""
    return [
        DnsRecord(t, name, _publishable(value, origin), carried=True)
        for t in rdtypes
        for value in sorted(_value(r) for r in origin.answers[t].records)
    ]


def _publishable(value: str, origin: Origin) -> str:
    if len(value) > MAX_TEXT or "\\x" in value:
        why = _(
            "{name} has no records of its own, and what is answered for it cannot be shown: "
            "publish that for it first, or this record takes it away.",
            name=origin.name,
        )
        raise _CannotCarry(why)
    return value


def _value(record: Record) -> str:
    """A record's data as fixes write it: unquoted, unsplit, names without the final dot."""
    if isinstance(record, Exchange):
        return f"{record.preference} {record.exchange or '.'}"
    return str(record.to_text())
