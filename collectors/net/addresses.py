"""Which addresses a probe may reach: global ones, and those that the operator allows."""

import ipaddress as ip
from collections.abc import Iterable
from functools import lru_cache

Address = ip.IPv4Address | ip.IPv6Address
Network = ip.IPv4Network | ip.IPv6Network

# `is_global` alone says True for several of these on Python 3.11.
_DENIED = [
    ip.ip_network(n)
    for n in (
        "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4",
        "64:ff9b:1::/48", "2001::/23", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
        "ff00::/8",
    )
]  # fmt: skip
_EXAMPLES = [
    ip.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]  # RFC 5737, RFC 3849
# All of IPv6 that is allocated for global unicast (RFC 4291, 2.4; IANA).
_UNICAST = ip.ip_network("2000::/3")
_NAT64 = ip.ip_network("64:ff9b::/96")
_V4_COMPATIBLE = ip.ip_network("::/96")


def _inner(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 one carries (mapped, NAT64, 6to4, Teredo, …), or None."""
    if address.version == 4:
        return None
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in _NAT64 or (address in _V4_COMPATIBLE and int(address) > 1):
        return ip.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.sixtofour:
        return address.sixtofour
    return address.teredo[1] if address.teredo else None


_parsed = lru_cache(10_000)(ip.ip_address)


@lru_cache(10_000)
def is_global(address: str | Address) -> bool:
    """True for an address that is routed on the internet and carries no other one inside."""
    a = ip.ip_address(address)
    inner = _inner(a)
    if inner is not None and not is_global(inner):
        return False
    if a.version == 6 and a.scope_id:
        return False
    if a.version == 6 and (a.ipv4_mapped or a in _NAT64):
        return True  # judged by what it carries
    if a.version == 6 and a not in _UNICAST:
        return False
    return (
        a.is_global
        and not a.is_multicast
        and not any(a.version == n.version and a in n for n in _DENIED)
    )


def is_internal(address: str) -> bool:
    """True for an address that nobody on the internet ever meets; those of examples stand for ones
    that they do."""
    a = _parsed(address)
    return not is_global(a) and not any(a.version == n.version and a in n for n in _EXAMPLES)


def is_reachable(address: str | Address, allowed: Iterable[Network] = ()) -> bool:
    """True if a probe may connect to `address`: global, or in one of the `allowed` networks."""
    a = _parsed(address)
    if a.version == 6 and a.ipv4_mapped and not a.scope_id:
        a = a.ipv4_mapped
    return any(a.version == n.version and a in n for n in allowed) or is_global(a)
