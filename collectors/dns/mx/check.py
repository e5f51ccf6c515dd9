"""Does mail for the domain reach the tenant? MX: RFC 5321, 5.1; RFC 7505; RFC 2181, 10.3."""

from collections.abc import Sequence
from dataclasses import replace

from collectors.base import Evidence, Fault, Finding, Outcome, Target, check
from collectors.dns.mx.exchanges import MAX_EXCHANGES, Exchange, Exchanges, look_up, read_exchange
from collectors.dns.mx.findings import exchange_findings, missing_mx, no_domain, null_mx
from collectors.dns.mx.senders import keep_senders
from collectors.dns.mx.to_come import hosts_that_spf_bears
from collectors.dns.mx.zone import ZoneLookup
from collectors.names import is_below
from collectors.net.dns_lookup import DnsFault, Lookup
from collectors.net.dns_records import Exchange as MxRecord
from collectors.net.publishing import safe_findings
from collectors.net.session import CheckSession
from collectors.server.own_names import own_names
from collectors.text import Text, _


@check("dns_mx", _("Mail exchange (MX)"))
async def check_mx(target: Target, session: CheckSession) -> Outcome:
    """The outcome of `dns_mx`; whatever it is, its evidence has the zone and its name servers."""
    session.ask(target.domain, "MX")
    zone = ZoneLookup(target, session)
    try:
        outcome = await _judged(target, session)
    except Fault as fault:
        outcome = Outcome(fault.message, [fault.finding()])
    return replace(outcome, evidence={**outcome.evidence, **await zone.evidence()})


async def _judged(target: Target, session: CheckSession) -> Outcome:
    """The outcome of what the MX records say.

    A fault of the MX lookup is raised; one of an exchange's addresses counts where it could matter.
    """
    lookup = await session.lookup(target.domain, "MX")
    records = sorted(
        (read_exchange(r, target.mail_hosts) for r in lookup.records if isinstance(r, MxRecord)),
        key=lambda x: (x.preference, x.host),
    )
    seen = Exchanges(
        target.domain,
        records,
        mail_hosts=target.mail_hosts,
        borne=target.mail_hosts,
        through_alias=bool(lookup.chain) and not is_below(lookup.chain[-1], target.domain),
    )
    evidence: Evidence = {
        "result": lookup.result,
        "mx": [x.text for x in records],
        "mail_hosts": target.mail_hosts,
    }
    if lookup.chain:
        evidence["alias_of"] = lookup.chain
    if any(x.host for x in records):
        seen = replace(seen, lookups=await look_up(seen.named, session))
        evidence["exchanges"] = [s.evidence() for s in seen.lookups]
        if len({x.host for x in seen.named}) > MAX_EXCHANGES:
            evidence["exchanges_looked_up_at_most"] = MAX_EXCHANGES
    if target.mail_hosts and not _is_healthy(seen):
        borne = await hosts_that_spf_bears(target, session, records)
        seen = replace(seen, own=await own_names(target, session), borne=borne)
    findings = await _findings(seen, lookup, session, evidence)
    findings = await keep_senders(findings, target, session, seen.borne)
    safe = await safe_findings(findings, domain=target.domain, session=session)
    return Outcome(_summary(seen), safe, evidence)


def _is_healthy(seen: Exchanges) -> bool:
    """Whether all exchanges are the tenant's and lead to senders' reach: no judgement is needed."""
    return bool(seen.records) and all(
        x.ours and (found := seen.lookup(x.host)) and found.reached and not found.alias
        for x in seen.records
    )


async def _findings(
    seen: Exchanges, lookup: Lookup, session: CheckSession, evidence: Evidence
) -> list[Finding]:
    name = lookup.chain[-1] if lookup.chain else seen.domain
    if lookup.result == "NXDOMAIN":
        return [no_domain(seen, lookup.chain[-1] if lookup.chain else "")]
    if not seen.records:
        try:
            addresses = (await session.addresses(name)).all
        except DnsFault:
            addresses = ()  # it would only say more
        if addresses:
            evidence["addresses"] = addresses
        return [missing_mx(seen, name, addresses[0] if addresses else "")]
    if not any(x.host for x in seen.records):
        return [null_mx(seen)]
    return exchange_findings(seen)


def _summary(seen: Exchanges) -> Text:
    shown = ", ".join(x.text for x in _best(seen.records))
    return _("{mx} (our server)", mx=shown) if seen.mail_hosts else _("{mx}", mx=shown)


def _best(records: Sequence[Exchange]) -> Sequence[Exchange]:
    return [x for x in records if x.host][:5]
