"""Which name servers answer for a domain: learned beside the MX records, and judged by nobody.

Where they fail, they are the cause that domains share; so the last known ones stay in the evidence
while they say nothing. RFC 1035, 3.3.11; RFC 2181, 6.
"""

from collections.abc import Iterable

from collectors.base import Evidence, KnownZone, Target
from collectors.names import is_host_name, organisational_domain
from collectors.net.dns_lookup import DnsFault, Lookup
from collectors.net.dns_records import Named, Record
from collectors.net.session import CheckSession

MAX_SERVERS = 13
QUERIES = 4  # packets for it, beside those of the check
WAIT_SECONDS = 0.5  # for an answer that is not there when the check is done


class ZoneLookup:
    """The question for the name servers of a domain, sent when this is made.

    A domain below its organisational one is seldom a zone of its own: both are asked at once.
    """

    def __init__(self, target: Target, session: CheckSession) -> None:
        self._known, self._session = target.known_zone, session.apart(queries=QUERIES)
        names = (target.domain, organisational_domain(target.domain))
        self._names = list(dict.fromkeys(names))
        for name in self._names:
            self._session.ask(name, "NS")

    async def evidence(self) -> Evidence:
        """`{"zone": its apex, "name_servers": […]}`, A-labels, as DNS says now or said last; {}
        where it never did. No fault is raised."""
        found = await self._now() or self._known
        if not found.zone:
            return {}
        return {"zone": found.zone, "name_servers": list(found.name_servers)}

    async def _now(self) -> KnownZone | None:
        for name in self._names:
            lookup = await self._answer(name)
            if lookup is None:
                return None
            if not lookup.chain and (servers := servers_in(lookup.records)):
                return KnownZone(name, servers)
        return None

    async def _answer(self, name: str) -> Lookup | None:
        if found := self._session.peek(name, "NS"):
            return found
        try:
            async with self._session.lag.timeout(WAIT_SECONDS):
                return await self._session.lookup(name, "NS")
        except (DnsFault, TimeoutError):
            return None


def servers_in(records: Iterable[Record]) -> tuple[str, ...]:
    """The hosts that NS records name, in order, at most MAX_SERVERS; without what is no host."""
    hosts = {r.target for r in records if isinstance(r, Named) and is_host_name(r.target)}
    return tuple(sorted(hosts)[:MAX_SERVERS])
