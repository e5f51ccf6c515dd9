"""What is wrong with a domain's MX records, as findings. Pure: all that was seen comes in."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from collectors.base import Finding, Fix, Owner, fail, info, warn
from collectors.dns.mx.exchanges import Exchange, ExchangeLookup, Exchanges
from collectors.dns.mx.fix import (
    ask_operator,
    mx_record_set,
    own_addresses,
    without,
    without_useless,
)
from collectors.names import is_below, same_name
from collectors.server.own_names import OwnName
from collectors.text import Text, _


def no_domain(seen: Exchanges, alias_of: str) -> Finding:
    """NXDOMAIN. `alias_of`: the name that does not exist, where the domain is an alias of it."""
    if alias_of:
        says = _(
            "{domain} is an alias of {name}, which does not exist in DNS: no mail can be delivered "
            "to it. Correct the alias.",
            domain=seen.domain,
            name=alias_of,
        )
    else:
        says = _(
            "The domain {name} does not exist in DNS: no mail can be delivered to it. See that it "
            "is registered and its name servers know it.",
            name=seen.domain,
        )
    fix = None if seen.broken else _Advice.of(seen).fix
    return fail("mx_domain_not_found", says, fix=fix)


def missing_mx(seen: Exchanges, name: str, address: str) -> Finding:
    """No MX at `name`. `address`: where senders deliver instead; '' for nowhere."""
    if name != seen.domain:
        says = _(
            "{domain} is an alias of {name}, which has no MX record: mail for the domain does not "
            "reach the mail server.",
            domain=seen.domain,
            name=name,
        )
    elif address:
        says = _(
            "{name} has no MX record: senders deliver to its own address {address}, usually that "
            "of its web site.",
            name=name,
            address=address,
        )
    else:
        says = _("{name} has no MX record: mail for it cannot be delivered.", name=name)
    return _Advice.of(seen).to_publish(fail("mx_missing", says))


def null_mx(seen: Exchanges) -> Finding:
    """Nothing but a null MX (RFC 7505)."""
    says = _(
        "{name} publishes a null MX (“0 .”): it declares that it takes no mail, and senders do not "
        "even try.",
        name=seen.domain,
    )
    return _Advice.of(seen).to_publish(fail("mx_null", says))


def exchange_findings(seen: Exchanges) -> list[Finding]:
    """All findings about exchanges that are there."""
    advice = _Advice.of(seen)
    return [
        *_no_hosts(seen, advice),
        *(_whose(seen, advice) if seen.mail_hosts else []),
        *_duplicates(seen, advice),
        *_reach(seen, advice),
    ]


@dataclass(frozen=True)
class _Advice:
    """The one cure that findings share. `broken`: a name of the tenant's own that does not work.

    While there is one, nobody can say which exchanges belong there: what rests on that is the
    host's to act on, and `fix` says without records what is useless in any case.
    """

    fix: Fix
    broken: OwnName | None = None

    @classmethod
    def of(cls, seen: Exchanges) -> "_Advice":
        if seen.broken:
            dead = {s.host for s in seen.lookups if s.is_dead and not s.exchange.ours}
            useless = without_useless(seen.domain, seen.records, dead)
            return cls(Fix(useless.text), seen.broken)
        fix = mx_record_set(seen.domain, seen.records, seen.borne)
        left_out = seen.mail_hosts[len(seen.borne) :]
        return cls(replace(fix, text=without(fix.text, left_out)) if left_out else fix)

    def to_publish(self, finding: Finding, text: Text | None = None) -> Finding:
        """A finding whose cure names the tenant's mail hosts; `text`: if one of them is broken."""
        if self.broken is None:
            return replace(finding, fix=self.fix)
        says = _(
            "{first} {second}", first=text or finding.message, second=self.broken.problem or ""
        )
        return replace(
            finding, message=says, owner=Owner.HOST, fix=self.broken.fix, because=self.broken.cause
        )


def _no_hosts(seen: Exchanges, advice: _Advice) -> Iterator[Finding]:
    """A null MX and addresses beside exchanges."""
    if any(not x.host for x in seen.records):
        says = _(
            "A null MX (“0 .”) stands beside other MX records: they contradict each other, and "
            "some senders refuse to deliver."
        )
        yield fail("mx_null_mixed", says, fix=advice.fix)
    for literal in (x for x in seen.records if x.is_literal):
        says = _(
            "An MX record names “{host}”, an address; it takes a host name, and senders do not "
            "deliver there.",
            host=literal.host,
        )
        yield fail("mx_target_is_ip", says, fix=advice.fix)


def _duplicates(seen: Exchanges, advice: _Advice) -> Iterator[Finding]:
    hosts = [x.host for x in seen.named]
    for host in [h for h, times in Counter(hosts).items() if times > 1]:
        says = _("{host} is listed more than once; the best preference counts.", host=host)
        yield info("mx_duplicate", says, fix=advice.fix)


# -- whose they are


def _whose(seen: Exchanges, advice: _Advice) -> Iterator[Finding]:
    """Whether the tenant's exchanges are there and come first.

    A name that leads to nothing but the tenant's mail hosts brings the mail too. A foreign one of
    equal preference gets a share of all mail, so it is judged like a better one.
    """
    arriving = [x for x in seen.named if x.ours or seen.leads_to_us(x.host)]
    foreign = [x for x in seen.named if x not in arriving]
    others = [x for x in arriving if not x.ours]
    if not any(x.ours or not _alias(seen, x) for x in arriving):
        yield _not_ours(seen, advice, others)
        return
    best = min(x.preference for x in arriving)
    unclear = [x for x in foreign if seen.leads_to_us(x.host) is None]
    first = [x for x in foreign if x.preference < best]
    equal = [x for x in foreign if x.preference == best]
    behind = [x for x in foreign if x.preference > best]
    in_doubt = _in_our_settings(seen, foreign)
    if first or equal:
        if all(x in unclear for x in [*first, *equal]):
            yield _unclear(seen, (first or equal)[0])
        elif first:
            says = _(
                "Senders deliver to {hosts} first: mail comes to the mail server only when that "
                "one is down.",
                hosts=_hosts(first),
            )
            yield advice.to_publish(fail("mx_not_primary", says), in_doubt)
        else:
            says = _(
                "{hosts} has the same preference as the mail server: part of the mail goes there.",
                hosts=_hosts(equal),
            )
            yield advice.to_publish(fail("mx_not_primary", says), in_doubt)
    if behind:
        says = _(
            "{hosts} takes mail when the mail server is busy: mail may get stuck there, or spam "
            "come in that way.",
            hosts=_hosts(behind),
        )
        yield advice.to_publish(warn("mx_foreign_backup", says), in_doubt)
    for other in others:
        if _alias(seen, other):
            continue  # that is said already
        if other.preference > best and seen.is_a_strangers(other.host):
            says = _(
                "{host} leads to the mail server today, but is somebody else's name, who may lead "
                "it elsewhere.",
                host=other.host,
            )
            yield advice.to_publish(warn("mx_foreign_backup", says))
        else:
            yield _other_name(seen, advice, other)


def _not_ours(seen: Exchanges, advice: _Advice, aliases: Sequence[Exchange]) -> Finding:
    """None of the exchanges brings the mail to the tenant, or only as an alias (`aliases`)."""
    best = min((x.preference for x in seen.named), default=0)
    first = [x for x in seen.named if x.preference == best]
    if first and not aliases and all(seen.leads_to_us(x.host) is None for x in first):
        return _unclear(seen, first[0])
    text = _in_our_settings(seen, seen.named or seen.records)
    return advice.to_publish(fail("mx_not_ours", _why_not_ours(seen, aliases)), text)


def _why_not_ours(seen: Exchanges, aliases: Sequence[Exchange]) -> Text:
    for exchange in seen.named:
        if any(same_name(exchange.host, f"{h}.{seen.domain}") for h in seen.mail_hosts):
            return _(
                "The MX record names {host}: the domain was added to the server's name. Mail does "
                "not reach the mail server; end the name with a dot, or choose “absolute name”, "
                "when entering it.",
                host=exchange.host,
            )
    if aliases:
        return _(
            "The MX record names {host}, an alias of the mail server {to}: some senders refuse to "
            "deliver to an alias. Name the mail server itself.",
            host=aliases[0].host,
            to=_alias(seen, aliases[0]),
        )
    if seen.through_alias:
        return _(
            "{domain} is an alias, so the MX records of another name count for it, and these do "
            "not name the mail server ({hosts}).",
            domain=seen.domain,
            hosts=", ".join(seen.mail_hosts),
        )
    for lookup in seen.lookups:
        elsewhere = set(lookup.found) - seen.own_addresses
        if elsewhere and elsewhere != set(lookup.found):
            return _(
                "The MX record names {host}, which leads to the mail server and to {addresses} "
                "too: part of the mail goes elsewhere.",
                host=lookup.host,
                addresses=", ".join(sorted(elsewhere)[:4]),
            )
    return _(
        "None of the MX records names the mail server ({hosts}): mail goes elsewhere.",
        hosts=", ".join(seen.mail_hosts),
    )


def _other_name(seen: Exchanges, advice: _Advice, exchange: Exchange) -> Finding:
    says = _(
        "{host} leads to the mail server, but is not its name ({hosts}): mail arrives, until the "
        "server moves. Name the mail server itself.",
        host=exchange.host,
        hosts=", ".join(seen.mail_hosts),
    )
    return advice.to_publish(warn("mx_other_name", says))


def _in_our_settings(seen: Exchanges, exchanges: Sequence[Exchange]) -> Text:
    """What is said of exchanges that the settings do not know, while these are wrong."""
    return _(
        "{hosts} is none of the mail hosts in the settings ({known}), where something is wrong.",
        hosts=_hosts(exchanges),
        known=", ".join(seen.mail_hosts),
    )


def _unclear(seen: Exchanges, exchange: Exchange) -> Finding:
    """It could not be seen where the best exchange leads, and that decides."""
    lookup = seen.lookup(exchange.host)
    fault = lookup and seen.why_unclear(lookup)
    assert fault, exchange  # leads_to_us() said that it cannot be said
    return fault.finding()


def _alias(seen: Exchanges, exchange: Exchange) -> str:
    lookup = seen.lookup(exchange.host)
    return lookup.alias if lookup else ""


def _hosts(exchanges: Sequence[Exchange]) -> str:
    return ", ".join(dict.fromkeys(x.host or "." for x in exchanges[:5]))


# -- where they lead


def _reach(seen: Exchanges, advice: _Advice) -> Iterator[Finding]:
    """Whether the exchanges lead to addresses that senders reach.

    Without `mail_hosts` every exchange counts as the tenant's.
    """
    ours = [s for s in seen.lookups if s.exchange.ours or not seen.mail_hosts]
    dead = [s for s in seen.lookups if s.is_dead]
    for lookup in dead:
        says = _(
            "{host}, which an MX record names, has no address: mail cannot be delivered there.",
            host=lookup.host,
        )
        make = fail if lookup in ours and all(o in dead for o in ours) else warn
        yield _whose_to_cure(make("mx_target_unresolvable", says), lookup, seen, advice)
    for lookup in seen.lookups:
        if lookup.alias:
            says = _(
                "{host} is an alias of {to}; an MX record must not name an alias, and some senders "
                "refuse it.",
                host=lookup.host,
                to=lookup.alias,
            )
            yield _whose_to_cure(warn("mx_target_is_cname", says), lookup, seen, advice)
        if lookup.unseen:
            if lookup in ours:
                yield lookup.unseen.finding()
        elif lookup.found and not lookup.reached:
            says = _(
                "{host}, which an MX record names, has no address on the internet ({addresses}): "
                "senders cannot reach it.",
                host=lookup.host,
                addresses=", ".join(lookup.found[:4]),
            )
            yield _whose_to_cure(fail("mx_target_private", says), lookup, seen, advice)


def _whose_to_cure(
    finding: Finding, lookup: ExchangeLookup, seen: Exchanges, advice: _Advice
) -> Finding:
    """With who must act and how: the host for its own server, else the customer with the MX set."""
    if not seen.mail_hosts:
        return replace(finding, fix=ask_operator())  # which are meant, nobody can say
    if not lookup.exchange.ours:
        return replace(finding, fix=advice.fix) if lookup.is_dead else advice.to_publish(finding)
    if is_below(lookup.host, seen.domain):
        return replace(finding, fix=own_addresses(lookup.host))
    own = seen.own_name(lookup.host)
    cause = own.cause if own and own.problem else None
    fix = own.fix if own and own.problem else own_addresses(lookup.host)
    return replace(finding, owner=Owner.HOST, fix=fix, because=cause)
