"""The MX set that the fix of `dns_mx` publishes, and SPF once it stands.

A term `mx` of a record makes other lookups once that set stands: two mail hosts without IPv6 are
two void lookups for a sender that has it (RFC 7208, 4.6.4).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from collectors.base import Action, Fault, Target
from collectors.dns.mx.exchanges import Exchange, read_exchange
from collectors.dns.mx.fix import mx_record_set
from collectors.names import same_name
from collectors.net.dns_records import Exchange as MxRecord
from collectors.net.session import CheckSession
from collectors.server.own_names import own_names
from collectors.standards.spf import check_host
from collectors.standards.spf.lookups import Resolver
from collectors.standards.spf.record import is_spf, parse_leniently, record_text

MAX_NAMED = 20  # addresses of an SPF record that are looked at


@dataclass(frozen=True)
class WithMx:
    """Answers as a session does, save for the MX records of one domain."""

    session: CheckSession
    domain: str
    records: tuple[MxRecord, ...]

    async def resolve(self, qname: str, rdtype: str) -> Iterable[object]:
        """As the session has it."""
        if rdtype == "MX" and same_name(str(qname), self.domain):
            return self.records
        return await self.session.resolve(qname, rdtype)


async def with_mx_to_come(
    target: Target, session: CheckSession, hosts: Sequence[str] = ()
) -> WithMx | None:
    """The session as it answers once the fix of `dns_mx` is published.

    `hosts`: those of the mail hosts that it publishes, if not all. None where it gives no records.
    """
    if not target.mail_hosts:
        return None
    try:
        found = (await session.lookup(target.domain, "MX")).records
    except Fault:
        return None
    exchanges = [read_exchange(r, target.mail_hosts) for r in found if isinstance(r, MxRecord)]
    changes = mx_record_set(target.domain, exchanges, hosts or target.mail_hosts).records
    own = await own_names(target, session)
    if not changes or any(name.problem for name in own.mail_hosts.values()):
        return None
    gone = {r.current for r in changes}
    texts = [x.text for x in exchanges if x.text not in gone]
    texts += [r.value for r in changes if r.action != Action.REMOVE]
    return _with_mx(session, target.domain, texts)


async def hosts_that_spf_bears(
    target: Target, session: CheckSession, exchanges: Sequence[Exchange]
) -> tuple[str, ...]:
    """As many of the mail hosts, the first ones, as let everybody pass SPF who passes now.

    At least one. Only the domain's own record is looked at, and the addresses that it names.
    """
    hosts = target.mail_hosts
    if len(hosts) < 2 or any(x.ours for x in exchanges):
        return hosts
    try:
        found = [t for t in (await session.lookup(target.domain, "TXT")).texts if is_spf(t)]
    except Fault:
        return hosts
    if len(found) != 1:
        return hosts
    text = record_text(found[0])
    terms = parse_leniently(text).directives
    if not any(t.name == "mx" for t in terms):
        return hosts
    named = [str(t.network[0]) for t in terms if t.network is not None][:MAX_NAMED]
    passing = [
        a
        for a in dict.fromkeys([*target.sending_ips, *named])
        if await passes(target.domain, text, a, session)
    ]
    for count in range(len(hosts), 1, -1):
        texts = [f"{10 * at} {host}" for at, host in enumerate(hosts[:count], 1)]
        later = _with_mx(session, target.domain, texts)
        if all([await passes(target.domain, text, a, later) for a in passing]):
            return hosts[:count]
    return hosts[:1]


async def passes(domain: str, text: str, address: str, resolver: Resolver) -> bool:
    """Whether the record `text` of a domain lets an address send, as `resolver` answers."""
    result = await check_host(
        ip=address,
        domain=domain,
        sender=f"postmaster@{domain}",
        helo=domain,
        resolver=resolver,
        known_records={domain: text},
    )
    return result.result == "pass"


def _with_mx(session: CheckSession, domain: str, texts: Iterable[str]) -> WithMx:
    """`texts`: the MX records as fixes write them."""
    split = [text.split(" ") for text in texts]
    records = [MxRecord(int(number), host.lower().removesuffix(".")) for number, host in split]
    return WithMx(session, domain, tuple(records))
