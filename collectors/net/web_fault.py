"""What went wrong with one connection to a web server, told apart by what it says of the server."""

import errno
import ssl

from collectors.stored import Evidence
from collectors.text import Text, clean

# X509_V_ERR_… as OpenSSL numbers them (openssl/x509_vfy.h)
_CAUSES = {
    2: "untrusted", 9: "not_yet_valid", 10: "expired", 18: "self_signed",
    19: "untrusted", 20: "untrusted", 21: "untrusted", 23: "revoked", 24: "not_a_ca",
    26: "wrong_purpose", 62: "name_mismatch", 64: "name_mismatch",
    66: "weak_key", 67: "weak_key", 68: "weak_signature", 79: "not_a_ca",
}  # fmt: skip
_REASONS = {
    "WRONG_VERSION_NUMBER": "no_tls",
    "PACKET_LENGTH_TOO_LONG": "no_tls",
    "UNKNOWN_PROTOCOL": "no_tls",
    "RECORD_LAYER_FAILURE": "no_tls",
    "UNSUPPORTED_PROTOCOL": "old_version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "old_version",
    "TLSV1_UNRECOGNIZED_NAME": "unknown_name",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "client_certificate",
    # what servers without a certificate for the name say, too
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "alert",
    "TLSV1_ALERT_INTERNAL_ERROR": "alert",
    "TLSV1_ALERT_ACCESS_DENIED": "alert",
    "EXCESSIVE_MESSAGE_SIZE": "too_large",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "no_http1",
}


class WebFault(Exception):
    """One connection that went wrong. No `Fault`: the check decides whom it is held against.

    `kind`: refused, timeout, reset, tls, protocol (what came is no HTTP, or browsers refuse it),
    unreadable (HTTP that we cannot read to its end), unreachable (no route to the host), blocked
    (an address that must not be dialled). `cause`: for tls one of expired, not_yet_valid,
    self_signed, untrusted (issuer unknown or intermediate missing), not_a_ca, wrong_purpose,
    revoked, name_mismatch, weak_key, weak_signature, certificate (refused otherwise), too_large,
    no_tls, old_version, unknown_name, client_certificate, no_http1 (HTTP/2 only), alert (the server
    ends the handshake without a reason), injected (SMTP: more came in clear before it), handshake
    (any other failure of it); for unreachable `host` (it, or a firewall before it, says so) or
    `network` (this machine has no route).
    `attempts`: (address, kind) of all dialled. `seconds`: for timeout, how long it was waited for.
    `local_stall`: it may have answered, as our own process stood still.
    """

    def __init__(
        self,
        kind: str,
        *,
        address: str = "",
        detail: Text | str = "",
        cause: str = "",
        verify_code: int = 0,
        seconds: float = 0.0,
    ) -> None:
        self.kind, self.address, self.cause, self.verify_code = kind, address, cause, verify_code
        self.seconds = seconds
        self.detail = detail if isinstance(detail, Text) else clean(detail, 300).rstrip(".")
        self.attempts: tuple[tuple[str, str], ...] = ((address, kind),) if address else ()
        self.local_stall = False
        super().__init__(f"{kind} {address} {self.detail}".strip())

    @property
    def silent(self) -> bool:
        """True where an address did not answer in time: the check says whether it had enough."""
        return self.kind == "timeout" or any(kind == "timeout" for _address, kind in self.attempts)

    @property
    def ours(self) -> bool:
        """True where our own standstill may be why: it did not answer, or gave us up."""
        return self.local_stall and (self.silent or self.kind == "reset")

    def evidence(self) -> Evidence:
        """JSON data: what went wrong, and where."""
        seen = {
            "address": self.address,
            "error": self.kind,
            "cause": self.cause,
            "detail": self.detail,
        }
        tried = (
            [f"{address}: {kind}" for address, kind in self.attempts]
            if len(self.attempts) > 1
            else []
        )
        return {key: value for key, value in {**seen, "tried": tried}.items() if value}


def connect_fault(error: OSError, address: str) -> WebFault:
    """The WebFault for an OSError of connect()."""
    detail = error.strerror or str(error) or type(error).__name__
    if isinstance(error, ConnectionRefusedError):
        return WebFault("refused", address=address, detail=detail)
    if error.errno == errno.EHOSTUNREACH:
        return WebFault("unreachable", address=address, detail=detail, cause="host")
    # cut before we could ask who it is
    if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:
        return WebFault("reset", address=address, detail=detail)
    return WebFault("unreachable", address=address, detail=detail, cause="network")


def stream_fault(error: OSError, address: str, when: Text) -> WebFault:
    """The WebFault for an OSError (an ssl.SSLError too) on an open connection."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _CAUSES.get(error.verify_code, "certificate")
        return WebFault(
            "tls",
            address=address,
            cause=cause,
            detail=error.verify_message,
            verify_code=error.verify_code,
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = error.reason or ""
        detail = reason.replace("_", " ").lower() or str(error)
        return WebFault(
            "tls", address=address, cause=_REASONS.get(reason, "handshake"), detail=detail
        )
    return WebFault("reset", address=address, detail=when)
