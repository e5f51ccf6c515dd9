"""The zone that a domain stands in and its name servers, as the evidence of `dns_mx` has them."""

from typing import Any

from collectors.base import KnownZone
from collectors.stored import Evidence


def zone_in(evidence: Evidence) -> KnownZone:
    """The zone in evidence, or in a stored row; an empty one where it has none, or not whole."""
    zone, servers = evidence.get("zone"), evidence.get("name_servers")
    if not (zone and isinstance(zone, str) and isinstance(servers, list)):
        return KnownZone()
    names = [name for name in servers if isinstance(name, str)]
    return KnownZone(zone, tuple(names)) if names else KnownZone()


def stored_zone(zone: KnownZone) -> dict[str, Any]:
    """As a row has it."""
    return {"zone": zone.zone, "name_servers": list(zone.name_servers)}
