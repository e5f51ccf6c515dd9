"""What a certificate has wrong with it, as findings for the one who runs the server."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from collectors.base import Finding, Fix, Owner, fail, info, unknown, warn
from collectors.standards.certificate_chains import Intermediates, is_sibling
from collectors.standards.certificates import (
    ABOUT_TO_EXPIRE,
    RENEWAL_OVERDUE,
    Certificate,
    covers,
    fraction_left,
    is_lets_encrypt,
    lifetime,
)
from collectors.text import Text, _, clean
from collectors.vm112.cert_le.chain import trust_findings
from collectors.vm112.cert_le.sources import Reported, Served

BACKDATED = timedelta(hours=2)  # authorities let a certificate begin before they issue it


def certificate_findings(
    host: str, node: Served, reported: Reported, now: datetime, intermediates: Intermediates
) -> list[Finding]:
    """What is wrong with the certificate of this address, or with the portal's if it has none."""
    leaf = node.leaf or reported.leaf_for(host)
    assert leaf is not None
    trust = trust_findings(leaf, node, reported, now, intermediates)
    return [
        *name_findings(leaf, host),
        *date_findings(leaf, now),
        *trust,
        *issuer_findings(leaf, trust),
        *key_findings(leaf),
        *unreadable_findings(leaf),
    ]


def name_findings(leaf: Certificate, host: str) -> list[Finding]:
    if "subject alternative name" in leaf.unreadable or covers(leaf, host):
        return []
    if leaf.names or leaf.addresses:
        listed = ", ".join(clean(name, 100) for name in [*leaf.names, *leaf.addresses][:5])
        message = _(
            "The certificate is not for {host}, only for: {names}. Browsers warn and mail "
            "clients refuse.",
            host=host,
            names=listed,
        )
    else:
        message = _(
            "The certificate has no names (SAN) at all, so it is not for {host}. Browsers warn "
            "and mail clients refuse.",
            host=host,
        )
    fix = Fix(_("Issue a certificate that names {host} and let the proxy use it.", host=host))
    return [fail("cert_name_mismatch", message, owner=Owner.HOST, fix=fix)]


def date_findings(leaf: Certificate, now: datetime) -> list[Finding]:
    if leaf.not_before is None or leaf.not_after is None:
        return []
    renew = Fix(
        _("Renew it on the server, see why the automatic renewal did not, and reload the proxy.")
    )
    when = {"date": f"{leaf.not_after:%Y-%m-%d %H:%M} UTC"}
    if now > leaf.not_after:
        message = _(
            "The certificate expired on {date}. Browsers warn and mail clients refuse.", **when
        )
        return [fail("cert_expired", message, owner=Owner.HOST, fix=renew)]
    if now < leaf.not_before:
        message = _(
            "The certificate is valid only from {date}. Until then browsers warn.",
            date=f"{leaf.not_before:%Y-%m-%d %H:%M} UTC",
        )
        fix = Fix(
            _(
                "Check the clock of the server that issued or checks it, or issue the certificate "
                "again."
            )
        )
        return [fail("cert_not_yet_valid", message, owner=Owner.HOST, fix=fix)]
    left = fraction_left(leaf, now)
    when |= {
        "left": f"{(leaf.not_after - now).days}",
        "days": f"{lifetime(leaf) / timedelta(days=1):.0f}",
    }
    if left < ABOUT_TO_EXPIRE:
        message = _(
            "The certificate expires on {date} (days left: {left} of {days}); then "
            "browsers warn and mail clients refuse.",
            **when,
        )
        return [fail("cert_about_to_expire", message, owner=Owner.HOST, fix=renew)]
    if left < RENEWAL_OVERDUE:
        message = _(
            "The certificate expires on {date} (days left: {left} of {days}), and its "
            "automatic renewal is overdue.",
            **when,
        )
        return [warn("cert_renewal_overdue", message, owner=Owner.HOST, fix=renew)]
    return []


def issuer_findings(leaf: Certificate, trust: list[Finding]) -> list[Finding]:
    if trust or is_lets_encrypt(leaf) or "issuer" in leaf.unreadable:
        return []
    message = _(
        "The certificate is not from Let's Encrypt but from {issuer}, so the automatic renewal "
        "does not cover it.",
        issuer=leaf.issuer_name,
    )
    fix = Fix(
        _(
            "Issue a Let's Encrypt certificate on the server, or note who renews this one before "
            "it ends."
        )
    )
    return [warn("cert_not_lets_encrypt", message, owner=Owner.HOST, fix=fix)]


def key_findings(leaf: Certificate) -> list[Finding]:
    if not leaf.weak_key:
        return []
    message = _(
        "The certificate's key is weak ({key}); clients accept 2048 bits and more.", key=leaf.key
    )
    fix = Fix(_("Issue the certificate with a new key: ECDSA P-256, or RSA of 2048 bits."))
    return [warn("cert_weak_key", message, owner=Owner.HOST, fix=fix)]


def unreadable_findings(leaf: Certificate) -> list[Finding]:
    parts = [
        part
        for part in leaf.unreadable
        if part in ("dates", "subject alternative name", "issuer", "key")
    ]
    if not parts:
        return []
    message = _(
        "Parts of the certificate cannot be read ({parts}), so they are not judged.",
        parts=", ".join(parts),
    )
    return [
        unknown(
            "cert_unreadable", message, owner=Owner.HOST, fix=Fix(_("Issue the certificate again."))
        )
    ]


def unreadable_served(node: Served) -> Finding:
    """What is served is no certificate that can be read."""
    return unknown("cert_unreadable", node.why or _("It cannot be read."), owner=Owner.HOST)


def two_sides(
    reported: Reported, served: Served, seen: Sequence[Served], now: datetime
) -> list[Finding]:
    """What the portal and the best address say of each other; `seen`: all that are as good."""
    if served.leaf is None:
        if served.handshake:
            return [unreadable_served(served)]
        message = _(
            "The served certificate could not be looked at, so the portal's is judged, and its "
            "chain is not. {why}",
            why=served.why or "",
        )
        return [info("cert_served_unseen", message, owner=Owner.MEASUREMENT)]
    if reported.absent:
        return []
    if reported.missing:
        message = _("The portal knows no certificate for this domain; the served one is judged.")
        return [info("cert_portal_missing", message, owner=Owner.HOST)]
    if reported.fault:
        if reported.fault.code == "portal_not_configured":
            return []
        return [_not_compared(reported.fault.message)]
    if any(node.leaf and _is_reported(node.leaf, reported, now) for node in seen):
        return _older(reported, seen, now)
    began, last = served.leaf.not_before, reported.known.at if reported.known else None
    if last and began and began > last - BACKDATED:
        return [_not_compared(_("The portal is silent since before it was issued."))]
    return [_differs(reported, served.leaf)]


def _older(reported: Reported, seen: Sequence[Served], now: datetime) -> list[Finding]:
    """Addresses that a renewal did not reach, while another serves what the portal reports."""
    newest = _newest(reported)
    behind = [
        node.address
        for node in seen
        if node.leaf
        and not _is_reported(node.leaf, reported, now)
        and _began_before(node.leaf, newest)
    ]
    if not behind:
        return []
    message = _(
        "The certificate was renewed, but {addresses} still serves an older one, which will "
        "expire.",
        addresses=", ".join(behind),
    )
    fix = Fix(_("Bring each renewal to every server and proxy behind the name, and reload them."))
    return [warn("cert_served_differs", message, owner=Owner.HOST, fix=fix)]


def _newest(reported: Reported) -> datetime | None:
    return max((c.not_before for c in reported.leaves if c.not_before), default=None)


def _began_before(leaf: Certificate, moment: datetime | None) -> bool:
    return moment is not None and leaf.not_before is not None and leaf.not_before < moment


def _is_reported(leaf: Certificate, reported: Reported, now: datetime) -> bool:
    """Whether it is the portal's, or stands beside it with another type of key.

    One whose renewal is overdue beside a newer one is no second certificate but the one before:
    the key's type changed with the renewal.
    """
    if any(leaf.sha256 == known.sha256 for known in reported.leaves):
        return True
    siblings = [known for known in reported.leaves if is_sibling(leaf, known)]
    overdue = leaf.not_after is not None and fraction_left(leaf, now) < RENEWAL_OVERDUE
    return any(not (overdue and _began_before(leaf, known.not_before)) for known in siblings)


def _not_compared(why: Text) -> Finding:
    message = _("The served certificate was not compared with the portal's: {why}", why=why)
    return info("cert_not_compared", message, owner=Owner.MEASUREMENT)


def _differs(reported: Reported, leaf: Certificate) -> Finding:
    if _began_before(leaf, _newest(reported)):
        message = _(
            "The certificate was renewed, but an older one is still served, which will expire."
        )
        fix = Fix(_("Reload the proxy (nginx -s reload) and let every renewal do so."))
    else:
        message = _(
            "The certificate that is served is not the one that the portal reports: renewals may "
            "not reach it."
        )
        fix = Fix(
            _(
                "Find out which server or proxy answers at the webmail address, and let it use the "
                "certificate of the portal."
            )
        )
    return warn("cert_served_differs", message, owner=Owner.HOST, fix=fix)
