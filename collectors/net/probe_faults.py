"""Why nothing came of a visit to a web server, in words that both checks use which dial one."""

from collectors.net.tls import WebFault
from collectors.text import Text, _

LEAST_SECONDS = 0.3  # with less time than this left, nothing is asked any more


def tls_words(fault: WebFault) -> Text:
    """Why no TLS connection came about (a fault of kind tls), in words that go behind a colon."""
    says: dict[str, Text] = {
        "expired": _("its certificate, or an intermediate one, has expired"),
        "not_yet_valid": _("its certificate, or an intermediate one, is not valid yet"),
        "self_signed": _("its certificate is self-signed"),
        "untrusted": _(
            "its certificate's issuer is not trusted, or the intermediate certificate is not sent"
        ),
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
        "no_http1": _("the server offers no version of HTTP that browsers speak"),
        "certificate": _("its certificate is refused"),
    }
    return says.get(fault.cause, _("the TLS handshake fails"))


def no_answer_not_blamed(fault: WebFault, host: str) -> Text:
    """Why a silence (a WebFault) says nothing of the server."""
    if fault.local_stall:
        return too_busy(host)
    return _(
        "Looking up names took so long that {host} had too little time to answer, so nothing is "
        "said of it.",
        host=host,
    )


def too_busy(host: str) -> Text:
    """Why a silence says nothing: it was our own process that stood still."""
    return _(
        "This machine was too busy to hear whether {host} answered in time, so nothing is said of "
        "it.",
        host=host,
    )


def not_asked(host: str) -> Text:
    """Why a server was left alone: there was no time left for it."""
    return _("Looking up names took up the time of this check, so {host} was not asked.", host=host)
