"""What a tenant's portal last said of a domain, as it is stored: each fact beside its time."""

from datetime import datetime
from typing import Any

from collectors.base import PortalFacts
from collectors.standards.dkim import add_key_seen
from collectors.stored import StoredFacts


def merge_facts(stored: dict[str, Any], facts: StoredFacts, at: datetime) -> dict[str, Any]:
    """`stored` with what the portal said at that time; what it said nothing of stays."""
    said: dict[str, Any] = dict(facts)
    merged = stored | said | {f"{name}_at": at.isoformat() for name in said}
    if dkim := facts.get("dkim"):
        merged["keys_seen"] = add_key_seen(dkim["public_key"], stored.get("keys_seen", ()))
    return merged


def remembered_facts(stored: dict[str, Any]) -> PortalFacts:
    """The facts of a stored row; what was never said is empty."""
    times = {
        f"{name}_at": datetime.fromisoformat(stored[f"{name}_at"])
        for name in ("dkim", "certificate")
        if name in stored
    }
    return PortalFacts(
        dkim=stored.get("dkim"),
        dkim_at=times.get("dkim_at"),
        keys_seen=tuple(stored.get("keys_seen", ())),
        certificate=stored.get("certificate", ""),
        certificate_at=times.get("certificate_at"),
    )
