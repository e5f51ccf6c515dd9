"""What a wildcard answers (RFC 4592): it stands at every name below the domain, and nobody put it where it was found."""

from collectors.base import Fault


async def at_every_name(net, domain):
    """The TXT Lookup of a name below `domain` that nobody uses; None where it fails, which tells nothing."""
    try:
        return await net.lookup(f"_no-such-name.{domain}", "TXT")
    except Fault:
        return None
