"""TLS as far as it is about certificates: whom to trust, and which chain an address serves.

No session is resumed: an audit is to see what is served now, and a resumed one shows what was.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import certifi

from collectors.net.connection import SETUP_SECONDS, Connection, Reachable, open_connection
from collectors.net.loop_lag import LoopLag
from collectors.net.web_fault import WebFault

# X509_V_ERR_… of a visit for which the chain is judged without: names (62 to 64), and keys and
# hashes that are too weak (66 to 68). OpenSSL finds them after what is wrong with the chain itself,
# and before its dates.
BESIDE_THE_CHAIN = (62, 63, 64, 66, 67, 68)
OUT_OF_DATE = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED
# Browsers offer no DHE; with a group of its own a server makes one handshake cost a second.
NO_DHE = "!kDHE"
# what browsers speak in TLS 1.2: Chrome's list, in which Firefox's is; old appliances have the last
CIPHERS = (
    "@SECLEVEL=2:ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA"
)
# what the ssl module does not name: X509_V_FLAG_NO_CHECK_TIME, X509_FILETYPE_ASN1
NO_CHECK_TIME = 0x200000
ENCODING_DER = 2


@dataclass(frozen=True)
class Handshake:
    """The certificates that one address serves for a name; `chain` is DER, leaf first.

    `trusted` judges the chain alone: neither its dates nor its names. `verify_code` and
    `verify_message` are OpenSSL's. `out_of_date`: the chain is trusted but for the dates of the
    leaf or of what signed it, whichever other way is tried.
    """

    address: str
    trusted: bool
    verify_code: int
    verify_message: str
    chain: tuple[bytes, ...]
    tls_version: str
    out_of_date: bool = False


def trusted_context(ca_file: str = "") -> ssl.SSLContext:
    """Trusts certifi's authorities and those in `ca_file`, and judges names as browsers do."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_ciphers(CIPHERS)
    if ca_file:
        context.load_verify_locations(ca_file)
    context.hostname_checks_common_name = False
    # Python 3.13 sets it; it refuses private authorities that browsers accept
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def derived_contexts(
    context: ssl.SSLContext,
) -> tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext]:
    """Three contexts from `context`, none for names.

    One judges the chain with its dates, one without, one judges nothing. Costs about 50 ms.
    """
    dated, trust = _with_authorities_of(context), _with_authorities_of(context)
    for chain in (dated, trust):
        chain.check_hostname = False
        # a 1024-bit key is the certificate check's to judge, not the chain's
        chain.set_ciphers(f"DEFAULT:{NO_DHE}:@SECLEVEL=1")
    trust.verify_flags |= NO_CHECK_TIME
    anything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anything.check_hostname = False
    anything.verify_mode = ssl.CERT_NONE
    anything.set_ciphers(f"DEFAULT:{NO_DHE}:@SECLEVEL=0")
    return dated, trust, anything


def http2_context(context: ssl.SSLContext) -> ssl.SSLContext:
    """A context like `context` that asks for HTTP/2 (RFC 9113, 3.2)."""
    other = _with_authorities_of(context)
    other.hostname_checks_common_name = context.hostname_checks_common_name
    other.set_ciphers(CIPHERS)
    other.set_alpn_protocols(["h2"])
    return other


def _with_authorities_of(context: ssl.SSLContext) -> ssl.SSLContext:
    other = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities := b"".join(context.get_ca_certs(binary_form=True)):
        other.load_verify_locations(cadata=authorities)
    other.verify_flags = context.verify_flags
    return other


def handshake_of(connection: Connection) -> Handshake:
    """What an open connection, whose certificate was found right, says of it."""
    return Handshake(
        connection.address, True, 0, "", served_chain(connection.tls), connection.tls_version
    )


async def inspect(
    host: str,
    port: int,
    addresses: Sequence[str],
    *,
    contexts: tuple[ssl.SSLContext, ssl.SSLContext, ssl.SSLContext],
    reachable: Reachable,
    seconds: float,
    lag: LoopLag,
    met: WebFault | None = None,
) -> Handshake:
    """The `Handshake` of a host; raises WebFault.

    `met`: the fault of a visit; where it speaks of the chain, the chain is not judged anew. If the
    chain is not trusted, the same address is asked again: without regard to dates if they were the
    reason, and with nothing verified. OpenSSL weighs the dates itself, as it tries all ways from
    the leaf to an authority and takes one that is in date.
    """
    deadline = lag.now() + seconds
    code, message, out_of_date = 0, "", False
    if met and met.verify_code and met.verify_code not in BESIDE_THE_CHAIN:
        code, message = met.verify_code, met.detail
        out_of_date = code in OUT_OF_DATE
    for context in contexts:
        if (context is contexts[0] and code) or (context is contexts[1] and not out_of_date):
            continue
        left = min(SETUP_SECONDS, deadline - lag.now())
        try:
            connection = await open_connection(
                addresses,
                port,
                context=context,
                host=host,
                reachable=reachable,
                seconds=left,
                lag=lag,
            )
        except WebFault as fault:
            if not fault.verify_code:
                raise
            addresses = [fault.address]
            out_of_date = fault.verify_code in OUT_OF_DATE
            code, message = fault.verify_code, fault.detail
        else:
            break
    else:
        raise AssertionError("the last context refuses nothing")
    try:
        if out_of_date:
            code, message = 0, ""
        return Handshake(
            connection.address,
            not code,
            code,
            message,
            served_chain(connection.tls),
            connection.tls_version,
            out_of_date,
        )
    finally:
        connection.abort()


def served_chain(tls: Any) -> tuple[bytes, ...]:
    """The certificates that the peer sent, as DER, leaf first; the leaf alone in some Pythons."""
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        return tuple(tls.get_unverified_chain())
    try:
        chain = tls._sslobj.get_unverified_chain()
        return tuple(certificate.public_bytes(ENCODING_DER) for certificate in chain)
    except AttributeError:
        return (tls.getpeercert(binary_form=True),)
