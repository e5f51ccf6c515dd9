"""The key that the tenant's server signs with: as its portal says, or said last while it is silent.

What the portal decided stays decided until it answers again: a silent one makes no red check green.
"""

from dataclasses import dataclass
from datetime import datetime

from collectors.base import Fault, Finding, PortalFacts, Target
from collectors.net.circuit_breaker import PortalFault
from collectors.net.session import CheckSession
from collectors.standards.dkim import KeyRecordError, PublicKey, parse_key, parse_key_record
from collectors.stored import SigningKey

PORTAL_SHARE = (
    0.6  # of the time left, for the portal; the rest is for what DNS is still to be asked
)


@dataclass(frozen=True)
class ServerKey:
    """What the server signs with. `key` is None where the portal's text is no key.

    `keys_seen`: SHA-256 fingerprints of keys that it was seen to sign with. `said_at`: when the
    portal said so, where it is silent now.
    """

    selector: str
    public_key: str
    key: PublicKey | None
    keys_seen: frozenset[str] = frozenset()
    said_at: datetime | None = None

    @property
    def record(self) -> str:
        """The key record to publish; '' where the key cannot be read, or is too short."""
        if self.key is None or not self.key.is_strong:
            return ""
        return f"v=DKIM1; k={self.key.type}; p={''.join(self.public_key.split())}"

    def was_used(self, key: PublicKey) -> bool:
        """Whether the server signs with this key, or was seen to."""
        return key == self.key or key.fingerprint in self.keys_seen


@dataclass(frozen=True)
class PortalKey:
    """What is known of the server's key. `state`: for the evidence, what the portal answered.

    `fault`: the portal is silent, and nothing that it said can be used. `decided`: it has said
    something once, so that nobody else may decide now.
    """

    state: str
    server_key: ServerKey | None = None
    fault: Finding | None = None
    decided: bool = False


async def ask_portal(target: Target, session: CheckSession) -> PortalKey:
    """The server's key by the portal, which is not waited for longer than leaves time for DNS."""
    facts = target.portal_facts
    try:
        known = await session.signing_key(seconds=session.seconds_left * PORTAL_SHARE)
    except PortalFault as fault:
        return PortalKey(fault.code, fault=fault.finding(), decided=facts.dkim_at is not None)
    if known.fault:
        return PortalKey(known.fault.code, _server_key(known.value, facts, said_at=known.at))
    return PortalKey("answered" if known.value else "no_key", _server_key(known.value, facts))


def _server_key(
    said: SigningKey | None, facts: PortalFacts, *, said_at: datetime | None = None
) -> ServerKey | None:
    if said is None:
        return None
    last = _key(facts.dkim["public_key"]) if facts.dkim else None
    seen = frozenset([*facts.keys_seen, *([last.fingerprint] if last else [])])
    return ServerKey(said["selector"], said["public_key"], _key(said["public_key"]), seen, said_at)


def _key(public_key: str) -> PublicKey | None:
    try:
        return parse_key(public_key)
    except KeyRecordError:
        return None


async def delegated_name(server_key: ServerKey, target: Target, session: CheckSession) -> str:
    """The tenant's name that the selector may be an alias of; '' unless the key is there."""
    if not (target.dkim_cname and server_key.key):
        return ""
    name = target.dkim_cname.replace("{selector}", server_key.selector.lower())
    name = name.replace("{domain}", target.domain).lower().removesuffix(".")
    try:
        texts = (await session.lookup(name, "TXT")).texts
        record = parse_key_record(texts[0]) if len(texts) == 1 else None
    except (Fault, KeyRecordError):
        return ""
    return name if record and record.key == server_key.key and record.is_flawless else ""
