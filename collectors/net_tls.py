"""Connections to addresses that were checked: dialling, the TLS handshake, and in plain words why one of them failed.

Nothing here resolves a name. What is dialled is one of the addresses given, and the peer is looked at again afterwards.
"""

import asyncio
import errno
import socket
import ssl
import time
from dataclasses import dataclass
from ipaddress import ip_address

from .text import Text, _, clean

SETUP_SECONDS = 5.0  # connecting and TLS together
MAX_DIALLED = 4  # addresses of one host that are tried
OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED
NO_DHE = "!kDHE"  # browsers offer none, and with a group of its own choosing a server makes one handshake cost a second of our loop
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module does not name

# X509_V_ERR_… as OpenSSL numbers them (openssl/x509_vfy.h)
_CAUSES = {
    2: "untrusted", 9: "not_yet_valid", 10: "expired", 18: "self_signed", 19: "untrusted", 20: "untrusted", 21: "untrusted",
    23: "revoked", 24: "not_a_ca", 26: "wrong_purpose", 62: "name_mismatch", 64: "name_mismatch",
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
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "alert",  # what servers without a certificate for the name say, too
    "TLSV1_ALERT_INTERNAL_ERROR": "alert",
    "TLSV1_ALERT_ACCESS_DENIED": "alert",
    "EXCESSIVE_MESSAGE_SIZE": "too_large",
}


class WebFault(Exception):
    """One connection that went wrong. Not a `Fault`: the check decides whether the domain is to blame.

    `kind`: refused, timeout, reset, tls, protocol (what came is not HTTP as it may be), unreachable (no route to the host),
    blocked (an address that must not be dialled). `cause`: for tls one of expired, not_yet_valid, self_signed, untrusted
    (issuer unknown or intermediate missing), not_a_ca, wrong_purpose, revoked, name_mismatch, weak_key, weak_signature,
    certificate (refused otherwise), too_large, no_tls, old_version, unknown_name, client_certificate, alert (the server ends
    the handshake without a reason), handshake (any other failure of it); for unreachable `host` (it, or a firewall before it,
    says so) or `network` (this machine has no route). `attempts`: (address, kind) of all dialled. `seconds`: for timeout, how long
    it was waited for. `deaf`: it may have answered, as our own process stood still.
    """

    def __init__(self, kind, *, address="", detail="", cause="", verify_code=0, seconds=0.0):
        self.kind, self.address, self.cause, self.verify_code, self.seconds = kind, address, cause, verify_code, seconds
        self.detail = detail if isinstance(detail, Text) else clean(detail, 300).rstrip(".")
        self.attempts, self.deaf = ((address, kind),) if address else (), False
        super().__init__(f"{kind} {address} {self.detail}".strip())

    @property
    def silent(self):
        """True where an address did not answer in time: whether it had enough of it is for the check to say."""
        return self.kind == "timeout" or any(kind == "timeout" for _address, kind in self.attempts)

    def evidence(self):
        """JSON data: what went wrong, and where."""
        seen = {"address": self.address, "error": self.kind, "cause": self.cause, "detail": self.detail}
        tried = [f"{address}: {kind}" for address, kind in self.attempts] if len(self.attempts) > 1 else []
        return {key: value for key, value in {**seen, "tried": tried}.items() if value}


@dataclass(frozen=True)
class Handshake:
    """The certificates that one address serves for a name. `chain` is DER, leaf first, as served.

    `trusted` judges the chain alone: neither its dates nor its names. `verify_code` and `verify_message` are OpenSSL's.
    `out_of_date`: the chain is trusted but for the dates of the leaf or of what signed it, whichever other way is tried.
    """

    address: str
    trusted: bool
    verify_code: int
    verify_message: str
    chain: tuple[bytes, ...]
    tls_version: str
    ms: int
    out_of_date: bool = False


@dataclass(frozen=True)
class Dialled:
    """A connected socket; `failed` holds the faults of the addresses that were tried before."""

    sock: socket.socket
    address: str
    failed: tuple[WebFault, ...] = ()


_RANK = {"refused": 4, "reset": 3, "timeout": 2, "unreachable": 1}


async def dial(addresses, port, *, reachable, seconds):
    """Connect to the first of the addresses that answers, IPv4 first; raises WebFault. The time is divided among them.

    If a single one may not be reached, none is dialled. DNS turns the order; sorted, one audit sees what the last one saw.
    """
    for address in addresses:
        if not reachable(address):
            raise WebFault("blocked", address=address, detail="not a public address")
    ordered = sorted(addresses, key=lambda a: (ip_address(a).version, int(ip_address(a))))[:MAX_DIALLED]
    deadline, failed = time.monotonic() + seconds, []
    for number, address in enumerate(ordered):
        share = max(0.0, deadline - time.monotonic()) / (len(ordered) - number)
        try:
            async with asyncio.timeout(share):
                return Dialled(await _connect(address, port, reachable), address, tuple(failed))
        except TimeoutError:
            failed.append(WebFault("timeout", address=address, detail=_("waiting for the connection"), seconds=share))
        except OSError as error:
            failed.append(_socket_fault(error, address))
    if not failed:
        raise WebFault("unreachable", cause="host", detail="no address")
    worst = max(failed, key=lambda fault: (_RANK[fault.kind], fault.cause != "network"))
    worst.attempts = tuple((fault.address, fault.kind) for fault in failed)
    raise worst


async def _connect(address, port, reachable):
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (address, port))
        peer = sock.getpeername()[0]
        if ip_address(peer) != ip_address(address) or not reachable(peer):
            raise WebFault("blocked", address=peer, detail="connected to another address than the one dialled")
    except BaseException:
        sock.close()
        raise
    return sock


def _socket_fault(error, address):
    detail = error.strerror or str(error) or type(error).__name__
    if isinstance(error, ConnectionRefusedError):
        return WebFault("refused", address=address, detail=detail)
    if error.errno == errno.EHOSTUNREACH:
        return WebFault("unreachable", address=address, detail=detail, cause="host")
    if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:  # cut before we could ask who it is
        return WebFault("reset", address=address, detail=detail)
    return WebFault("unreachable", address=address, detail=detail, cause="network")


async def open_streams(dialled, *, context=None, host=None, seconds, limit=2**16):
    """asyncio's (reader, writer) over a dialled socket, with TLS where a context is given; raises WebFault."""
    address = dialled.address
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.open_connection(sock=dialled.sock, ssl=context, server_hostname=host if context else None, limit=limit)
    except TimeoutError:
        raise WebFault("timeout", address=address, detail=_("waiting for the TLS handshake"), seconds=seconds) from None
    except OSError as error:  # an ssl.SSLError is one
        raise stream_fault(error, address, _("during the TLS handshake")) from None
    except ValueError as error:  # a name that cannot be sent as SNI
        raise WebFault("tls", address=address, cause="handshake", detail=str(error)) from None


def stream_fault(error, address, when):
    """The WebFault for an OSError (an ssl.SSLError too) on an open connection; `when` is a Text."""
    if isinstance(error, ssl.SSLCertVerificationError):
        cause = _CAUSES.get(error.verify_code, "certificate")
        return WebFault("tls", address=address, cause=cause, detail=error.verify_message, verify_code=error.verify_code)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        reason = error.reason or ""
        detail = reason.replace("_", " ").lower() or str(error)
        return WebFault("tls", address=address, cause=_REASONS.get(reason, "handshake"), detail=detail)
    return WebFault("reset", address=address, detail=when)


def derived_contexts(context):
    """Three contexts from `context`, none for names: one that judges the chain with its dates, one without, one that judges nothing.

    Costs about 50 ms.
    """
    authorities = b"".join(context.get_ca_certs(binary_form=True))
    dated, trust = (ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) for _turn in range(2))
    for chain in (dated, trust):
        chain.check_hostname = False
        if authorities:
            chain.load_verify_locations(cadata=authorities)
        chain.verify_flags = context.verify_flags
        chain.set_ciphers(f"DEFAULT:{NO_DHE}:@SECLEVEL=1")  # a 1024-bit key is the certificate check's to judge, not the chain's
    trust.verify_flags |= NO_CHECK_TIME
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    anything.set_ciphers(f"DEFAULT:{NO_DHE}:@SECLEVEL=0")
    return dated, trust, anything


async def inspect(host, port, addresses, *, contexts, reachable, seconds):
    """The `Handshake` of a host. If its chain is not trusted, the same address is asked again: without regard to dates if they
    were the reason, and with nothing verified.

    OpenSSL weighs the dates itself, as it tries all ways from the leaf to an authority and takes one that is in date.
    """
    deadline = time.monotonic() + seconds
    code, message, out_of_date = 0, "", False

    async def shake(context, addresses):
        until = min(deadline, time.monotonic() + SETUP_SECONDS)
        dialled = await dial(addresses, port, reachable=reachable, seconds=until - time.monotonic())
        _reader, writer = await open_streams(dialled, context=context, host=host, seconds=until - time.monotonic())
        return dialled.address, writer

    for context in contexts:
        if context is contexts[1] and not out_of_date:
            continue
        started = time.monotonic()
        try:
            address, writer = await shake(context, addresses)
        except WebFault as fault:
            if not fault.verify_code:
                raise
            addresses = [fault.address]
            out_of_date = fault.verify_code in OUT_OF_DATE
            code, message = fault.verify_code, fault.detail
        else:
            break
    try:
        tls = writer.get_extra_info("ssl_object")
        ms = round((time.monotonic() - started) * 1000)
        if out_of_date:
            code, message = 0, ""
        return Handshake(address, not code, code, message, served_chain(tls), tls.version() or "", ms, out_of_date)
    finally:
        writer.transport.abort()


def served_chain(tls):
    """The certificates that the peer sent, as DER, leaf first; the leaf alone where this Python cannot tell more."""
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return tuple(tls.get_unverified_chain())
    try:
        chain = tls._sslobj.get_unverified_chain()
        return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain)
    except AttributeError:
        return (tls.getpeercert(binary_form=True),)
