"""Whether clients trust the certificate that is served, and the nearest reason why not."""

from datetime import datetime

from collectors.base import Finding, Fix, Owner, fail
from collectors.net.http_client import Handshake
from collectors.standards.certificate_chains import (
    Intermediates,
    is_self_signed,
    issued,
    issuer_path,
)
from collectors.standards.certificates import Certificate, in_date, is_lets_encrypt, is_staging
from collectors.text import Text, _, clean
from collectors.vm112.cert_le.sources import Reported, Served

# who signs for Let's Encrypt: where the chain ends below one of them, a link is missing
_ISRG = {"Internet Security Research Group", "ISRG"}
_NO_ISSUER = (2, 19, 20, 21)  # X509_V_ERR_… where the way to a known authority has a gap


def trust_findings(
    leaf: Certificate,
    served: Served,
    reported: Reported,
    now: datetime,
    intermediates: Intermediates,
) -> list[Finding]:
    """At most one finding: the nearest reason for which clients do not trust the certificate."""
    shake = served.handshake
    if is_staging(leaf):
        message = _(
            "The certificate comes from Let's Encrypt's staging environment ({issuer}), which no "
            "client trusts.",
            issuer=leaf.issuer_name,
        )
        fix = Fix(
            _(
                "Issue it again without the staging option (certbot: without --staging and "
                "--test-cert)."
            )
        )
        return [fail("cert_staging", message, owner=Owner.HOST, fix=fix)]
    if not (served.leaf and shake and shake.trusted) and is_self_signed(leaf):
        message = _(
            "The certificate is signed by itself and not by an authority. Browsers warn and mail "
            "clients refuse."
        )
        fix = Fix(
            _("Issue a Let's Encrypt certificate for the webmail name and let the proxy use it.")
        )
        return [fail("cert_self_signed", message, owner=Owner.HOST, fix=fix)]
    if served.leaf is None or shake is None:
        return []
    walk = issuer_path(leaf, served.chain[1:])
    if shake.trusted:
        intermediates.learn(walk)
        return _late_issuer(walk, shake, now)
    missing = _incomplete(leaf, reported, served, walk, intermediates)
    return [missing or _untrusted(shake, leaf)]


def _late_issuer(walk: tuple[Certificate, ...], shake: Handshake, now: datetime) -> list[Finding]:
    """The handshake says that dates are wrong; the leaf's are judged apart, so it is a signer's."""
    if not shake.out_of_date or in_date(walk[0], now) is not True:
        return []
    fix = Fix(_("Renew the certificate and let the proxy send the chain that comes with it."))
    late = next((c for c in walk[1:] if in_date(c, now) is False), None)
    if late and late.not_before and now < late.not_before:
        message = _(
            "The intermediate certificate that the server sends ({name}) is valid only from "
            "{date}. Until then browsers warn.",
            name=clean(late.subject, 100),
            date=f"{late.not_before:%Y-%m-%d}",
        )
    elif late:
        message = _(
            "The intermediate certificate that the server sends ({name}) expired on {date}. "
            "Clients do not trust the certificate.",
            name=clean(late.subject, 100),
            date=f"{late.not_after:%Y-%m-%d}",
        )
    else:
        message = _(
            "Of the certificates behind this one, one is out of date. Clients do not trust the "
            "certificate."
        )
    return [fail("cert_untrusted", message, owner=Owner.HOST, fix=fix)]


def _incomplete(
    leaf: Certificate,
    reported: Reported,
    served: Served,
    walk: tuple[Certificate, ...],
    intermediates: Intermediates,
) -> Finding | None:
    """The finding that the server leaves out an intermediate, or None.

    Only where an issuer is what OpenSSL misses: no other certificate mends a wrong purpose. A chain
    with a gap is told from an unknown authority by what is known of its issuer: from the portal's
    file, from trusted chains seen before, or, with the leaf alone, from nothing.
    """
    if served.handshake is None or served.handshake.verify_code not in _NO_ISSUER:
        return None
    last = walk[-1]
    fix = Fix(_("Let the proxy send the full chain (certbot: fullchain.pem, not cert.pem)."))
    known = intermediates.issuer_of(last)
    # a self-signed issuer is no intermediate: the chain is complete, up to an unknown authority
    in_file = next((c for c in reported.chain if issued(c, last) and not is_self_signed(c)), None)
    if known:
        message = _(
            "The server does not send the intermediate certificate {name}, with which it would "
            "be trusted. Many clients refuse.",
            name=clean(known.subject, 100),
        )
    elif in_file:
        message = _(
            "The server does not send the intermediate certificate {name}, which is in the "
            "portal's file. Many clients refuse.",
            name=clean(in_file.subject, 100),
        )
    elif all(c.sha256 == leaf.sha256 for c in served.chain):
        message = _(
            "The server sends no intermediate certificate of {issuer} with its own. Many clients "
            "refuse.",
            issuer=leaf.issuer_name,
        )
    elif is_lets_encrypt(leaf) and len(walk) == 1:
        message = _(
            "The intermediate certificates that the server sends do not belong to its own, which "
            "{issuer} issued. Many clients refuse.",
            issuer=leaf.issuer_name,
        )
    elif is_lets_encrypt(leaf) and _ISRG & set(last.issuer_organisations):
        message = _(
            "The chain that the server sends ends at {name}, which not all clients know, without "
            "the certificate that links it to an authority that they do. Many clients refuse.",
            name=clean(last.issuer, 100),
        )
    else:
        return None
    return fail("cert_chain_incomplete", message, owner=Owner.HOST, fix=fix)


def _why_untrusted(handshake: Handshake) -> Text:
    """OpenSSL's verdict (X509_V_ERR_…) in plain words; its own words are in the evidence."""
    if handshake.verify_code in _NO_ISSUER:
        return _("no authority that clients know has signed it")
    if handshake.verify_code in (24, 79):
        return _("what signed it is not an authority")
    if handshake.verify_code == 26:
        return _("it is not meant for web servers")
    return _("clients refuse one of the certificates of its chain")


def _untrusted(shake: Handshake, leaf: Certificate) -> Finding:
    message = _(
        "Clients do not trust the certificate issued by {issuer}: {reason}. Browsers warn and "
        "mail clients refuse.",
        issuer=leaf.issuer_name,
        reason=_why_untrusted(shake),
    )
    fix = Fix(
        _(
            "Issue a Let's Encrypt certificate for the webmail name and let the proxy use it with "
            "its full chain."
        )
    )
    return fail("cert_untrusted", message, owner=Owner.HOST, fix=fix)
