"""What a connection that went wrong says about a webmail: the finding for each kind of WebFault."""

from .base import Owner, fail, unknown
from .text import _
from .web_words import tls_words


def fault_finding(fault, place):
    """The finding for a WebFault that ended the visit at `place`."""
    seen = {"host": place.host, "address": fault.address, "port": place.port, "detail": fault.detail}
    match fault.kind:
        case "refused":
            says = _("{host} ({address}) refuses connections on port {port}. Start the web server or open the firewall.", **seen)
            return fail("webmail_refused", says, owner=Owner.HOST)
        case "timeout":
            waited = round(fault.seconds, 1)
            says = _(
                "{host} ({address}) did not answer in {seconds} s ({detail}). Check the server and its firewall.", seconds=waited, **seen
            )
            return fail("webmail_timeout", says, owner=Owner.HOST)
        case "reset":
            says = _(
                "{host} ({address}) broke the connection off ({detail}), so browsers show an error. Look into the web server's log.", **seen
            )
            return fail("webmail_reset", says, owner=Owner.HOST)
        case "tls":
            says = _(
                "{host} cannot be opened over HTTPS: {cause}. Browsers warn and stop. Correct the proxy's certificate or TLS.",
                cause=tls_words(fault),
                **seen,
            )
            return fail("webmail_tls", says, owner=Owner.HOST)
        case "blocked":
            says = _(
                "{host} has the non-public address {address}: people outside cannot open the webmail. Publish public ones only.", **seen
            )
            return fail("webmail_address_private", says)
        case "unreachable" if fault.cause == "network":
            return unknown("webmail_no_route", _("This machine has no route to {host} ({address}): {detail}.", **seen))
        case "unreachable":
            says = _("{host} ({address}) is out of reach: the network says “{detail}”. Check the server and its firewall.", **seen)
            return fail("webmail_host_unreachable", says, owner=Owner.HOST)
        case _:
            says = _("The answer of {host} ({address}) is not usable HTTP ({detail}). Check what runs on port {port}.", **seen)
            return fail("webmail_bad_response", says, owner=Owner.HOST)
