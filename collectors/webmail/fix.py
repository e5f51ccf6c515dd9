"""The findings about where the webmail name leads, each with the records that send it to us."""

from dataclasses import replace

from collectors.base import Action, DnsRecord, Fault, Finding, Fix, Owner, Target, fail
from collectors.net.dns_lookup import DnsFault, Lookup
from collectors.net.publishing import fix_instead_of_alias, is_from_wildcard, safe_fix
from collectors.net.session import CheckSession
from collectors.server.webmail_place import WebmailPlace
from collectors.text import _

TYPES = ("A", "AAAA")
SUPPLIED_BY_ALIAS = ("MX", "TXT")  # what another one in its place would take away
NOT_BESIDE_ALIAS = ("MX", "TXT", "CAA")  # what a name may hold that keeps a CNAME away


async def elsewhere(place: WebmailPlace, target: Target, session: CheckSession) -> Finding:
    """The name leads to addresses that are not ours."""
    host, addresses = place.found.host, ", ".join(place.foreign[:5])
    if place.broken:
        problem = place.broken.problem or ""
        says = _(
            "{host} leads to {addresses}, and where it must lead is not known: {problem}",
            host=host,
            addresses=addresses,
            problem=problem,
        )
        found = fail("webmail_elsewhere", says, owner=Owner.HOST, fix=place.broken.fix)
        return replace(found, because=place.broken.cause)
    if place.visited:
        says = _(
            "{host} leads to our server and also to {addresses}, which is not ours: some people "
            "get another site. Take that address out.",
            host=host,
            addresses=addresses,
        )
    else:
        says = _(
            "{host} leads to {addresses} and not to our server: people get another site or none. "
            "Point it to our server.",
            host=host,
            addresses=addresses,
        )
    return fail("webmail_elsewhere", says, fix=await _fix(place, target, session))


async def name_missing(place: WebmailPlace, target: Target, session: CheckSession) -> list[Finding]:
    """A host without address: that, and where its records stand if the panel doubled the name."""
    host = place.found.host
    says = _(
        "{host} has no address in DNS ({result}), so the webmail cannot be opened. Publish its A "
        "record.",
        host=host,
        result=place.found.result,
    )
    found = [fail("webmail_name_missing", says, fix=await _fix(place, target, session))]
    if place.broken:
        found = [replace(found[0], owner=Owner.HOST, because=place.broken.cause)]
    if host.endswith("." + target.domain):
        doubled = f"{host}.{target.domain}"
        try:
            there = (await session.addresses(doubled)).all
        except DnsFault:
            there = ()
        if there and not await is_from_wildcard(session, doubled, _type_of(there[0])):
            says = _(
                "The address of {host} stands at {doubled}: the panel added the domain again. Move "
                "it.",
                host=host,
                doubled=doubled,
            )
            records = list((await _fix(place, target, session)).records)
            records = records or [DnsRecord(_type_of(a), host, a) for a in there]
            records += [DnsRecord(_type_of(a), doubled, a, Action.REMOVE, current=a) for a in there]
            move = Fix(_("Move the record to {host}.", host=host), tuple(records))
            found.append(fail("webmail_misplaced", says, fix=move))
    return found


async def without_private(place: WebmailPlace, target: Target, session: CheckSession) -> Finding:
    """The name has addresses that nobody outside reaches."""
    host, private = place.found.host, place.found.unreachable
    says = _(
        "{host} has the non-public address {addresses}: people outside cannot open the webmail. "
        "Publish public addresses only.",
        host=host,
        addresses=", ".join(private[:5]),
    )
    if place.ours and not place.broken:
        return fail("webmail_address_private", says, fix=await _fix(place, target, session))
    records = []
    for rdtype in TYPES:
        if not (await _standing(host, rdtype, session)).chain:
            records += [
                DnsRecord(rdtype, host, a, Action.REMOVE, current=a)
                for a in private
                if _type_of(a) == rdtype
            ]
    advice = _("Publish only public addresses for {host}: those of the webmail server.", host=host)
    return fail("webmail_address_private", says, fix=Fix(advice, tuple(records)))


async def _fix(place: WebmailPlace, target: Target, session: CheckSession) -> Fix:
    """The records that send the name to our server; without any where we do not know them."""
    host = place.found.host
    if place.broken:
        return place.broken.fix
    if not place.ours:
        return Fix(
            _(
                "Publish an A record for {host} with the address of the webmail server (and AAAA "
                "where it has IPv6).",
                host=host,
            )
        )
    changes = _addresses(place)
    says = _("Let {host} lead to our server: {to}.", host=host, to=", ".join(_sorted(place.ours)))
    if await is_from_wildcard(session, host, "A"):
        return await safe_fix(Fix(says, changes), domain=target.domain, session=session)
    lookups = [await _standing(host, rdtype, session) for rdtype in TYPES]
    alias = next((found.chain[0] for found in lookups if found.chain), "")
    if target.webmail_target and await _alias_may_stand(host, bool(alias), target, session):
        return _as_alias(place, target.webmail_target, alias)
    if alias:
        added = [DnsRecord(_type_of(a), host, a) for a in _sorted(place.ours)]
        changes = (DnsRecord("CNAME", host, alias, Action.REMOVE, current=alias), *added)
        return await _without_alias(Fix(says, changes), host, alias, session)
    return Fix(says, changes)


async def _without_alias(fix: Fix, host: str, alias: str, session: CheckSession) -> Fix:
    try:
        return await fix_instead_of_alias(fix, name=host, alias=alias, session=session)
    except Fault as fault:
        return Fix(_("{text} {why}", text=fix.text, why=fault.message))


def _addresses(place: WebmailPlace) -> tuple[DnsRecord, ...]:
    """What stands at the name and is not ours goes; ours come unless one of them stands there."""
    host = place.found.host
    records = [
        DnsRecord(_type_of(a), host, a, Action.REMOVE, current=a)
        for a in place.found.all
        if a not in place.visited or a in place.found.unreachable
    ]
    if not set(place.visited) - set(place.found.unreachable):
        records += [DnsRecord(_type_of(a), host, a) for a in _sorted(place.ours or ())]
    return tuple(records)


def _as_alias(place: WebmailPlace, target: str, alias: str) -> Fix:
    host, to = place.found.host, target.lower().removesuffix(".")
    if alias:
        records = [DnsRecord("CNAME", host, to, Action.REPLACE, current=alias)]
    else:
        records = [
            DnsRecord(_type_of(a), host, a, Action.REMOVE, current=a) for a in place.found.all
        ]
        records.append(DnsRecord("CNAME", host, to))
    says = _(
        "Make {host} an alias (CNAME) of {to}, so that it follows our server.", host=host, to=to
    )
    return Fix(says, tuple(records))


async def _alias_may_stand(
    host: str, is_alias: bool, target: Target, session: CheckSession
) -> bool:
    """No CNAME at a domain itself or beside other records (RFC 1034, section 3.6.2).

    Nor in place of one that supplied records for mail, which the new one does not.
    """
    if host == target.domain:
        return False
    types = SUPPLIED_BY_ALIAS if is_alias else NOT_BESIDE_ALIAS
    try:
        others = [await session.lookup(host, rdtype) for rdtype in types]
    except Fault:
        return False
    return not any(found.records for found in others)


async def _standing(host: str, rdtype: str, session: CheckSession) -> Lookup:
    try:
        return await session.lookup(host, rdtype)
    except Fault:
        return Lookup(host, rdtype, "NODATA")


def _sorted(addresses: frozenset[str] | tuple[str, ...]) -> list[str]:
    return sorted(addresses, key=lambda a: (":" in a, a))


def _type_of(address: str) -> str:
    return "AAAA" if ":" in address else "A"
