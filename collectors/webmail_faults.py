"""What a connection that went wrong says about a webmail: the finding for each kind of WebFault."""

from .base import Owner, fail, unknown
from .text import Text, _


def tls_words(fault) -> Text:
    """Why no TLS connection came about (a WebFault of kind tls), in words that go behind a colon."""
    says: dict[str, Text] = {
        "expired": _("its certificate, or an intermediate one, has expired"),
        "not_yet_valid": _("its certificate, or an intermediate one, is not valid yet"),
        "self_signed": _("its certificate is self-signed"),
        "untrusted": _("its certificate's issuer is not trusted, or the intermediate certificate is not sent"),
        "not_a_ca": _("its certificate was issued with a certificate that may not issue others"),
        "wrong_purpose": _("its certificate is not meant for web servers"),
        "revoked": _("its certificate was revoked"),
        "name_mismatch": _("its certificate is for another name"),
        "weak_key": _("its certificate has too short a key"),
        "weak_signature": _("its certificate has a signature that is no longer safe"),
        "too_large": _("its certificates are larger than clients accept"),
        "no_tls": _("the server does not speak TLS on this port"),
        "old_version": _("the server offers only TLS versions that are no longer safe"),
        "unknown_name": _("the server knows no certificate for this name"),
        "client_certificate": _("the server asks visitors for a certificate"),
        "alert": _("the server ends the TLS handshake with an error"),
        "certificate": _("its certificate is refused ({detail})", detail=fault.detail),
    }
    return says.get(fault.cause, _("the TLS handshake fails ({detail})", detail=fault.detail))


def unheard(fault, host) -> Text:
    """Why a silence (a WebFault) says nothing of the server."""
    if fault.deaf:
        return _("This machine was too busy to hear whether {host} answered in time, so nothing is said of it.", host=host)
    return _("Looking up names took so long that {host} had too little time to answer, so nothing is said of it.", host=host)


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
