"""What a certificate has wrong with it, as findings for the one who runs the server. Pure: the moment comes as an argument."""

from datetime import timedelta

from collectors.base import Fix, Owner, fail, info, unknown, warn
from collectors.standards import certificates as x509
from collectors.standards.certificate_chains import is_self_signed, issued, path
from collectors.standards.certificates import ABOUT_TO_EXPIRE, RENEWAL_OVERDUE, covers, fraction_left
from collectors.text import _, clean


def names(leaf, host):
    if "subject alternative name" in leaf.unreadable or covers(leaf, host):
        return []
    if leaf.names or leaf.addresses:
        listed = ", ".join(clean(name, 100) for name in [*leaf.names, *leaf.addresses][:5])
        message = _("The certificate is not for {host}, only for: {names}. Browsers warn and mail clients refuse.", host=host, names=listed)
    else:
        message = _("The certificate has no names (SAN) at all, so it is not for {host}. Browsers warn and mail clients refuse.", host=host)
    fix = Fix(_("Issue a certificate that names {host} and let the proxy use it.", host=host))
    return [fail("cert_name_mismatch", message, owner=Owner.HOST, fix=fix)]


def dates(leaf, now):
    if leaf.not_before is None or leaf.not_after is None:
        return []
    renew = Fix(_("Renew it on the server, see why the automatic renewal did not, and reload the proxy."))
    when = {"date": f"{leaf.not_after:%Y-%m-%d %H:%M} UTC"}
    if now > leaf.not_after:
        message = _("The certificate expired on {date}. Browsers warn and mail clients refuse.", **when)
        return [fail("cert_expired", message, owner=Owner.HOST, fix=renew)]
    if now < leaf.not_before:
        message = _("The certificate is valid only from {date}. Until then browsers warn.", date=f"{leaf.not_before:%Y-%m-%d %H:%M} UTC")
        fix = Fix(_("Check the clock of the server that issued or checks it, or issue the certificate again."))
        return [fail("cert_not_yet_valid", message, owner=Owner.HOST, fix=fix)]
    left = fraction_left(leaf, now)
    when |= {"percent": f"{left * 100:.0f}", "days": f"{x509.lifetime(leaf) / timedelta(days=1):.0f}"}
    if left < ABOUT_TO_EXPIRE:
        message = _(
            "The certificate expires on {date} (left of its {days} days: {percent} %); then browsers warn and mail clients refuse.", **when
        )
        return [fail("cert_about_to_expire", message, owner=Owner.HOST, fix=renew)]
    if left < RENEWAL_OVERDUE:
        message = _(
            "The certificate expires on {date} (left of its {days} days: {percent} %), and its automatic renewal is overdue.", **when
        )
        return [warn("cert_renewal_overdue", message, owner=Owner.HOST, fix=renew)]
    return []


def trust(reported, served, now, intermediates):
    """At most one finding: the nearest reason for which clients do not trust the certificate."""
    leaf = served.leaf or reported.leaf
    if x509.is_staging(leaf):
        message = _(
            "The certificate comes from Let's Encrypt's staging environment ({issuer}), which no client trusts.", issuer=leaf.issuer_name
        )
        fix = Fix(_("Issue it again without the staging option (certbot: without --staging and --test-cert)."))
        return [fail("cert_staging", message, owner=Owner.HOST, fix=fix)]
    if not (served.leaf and served.handshake.trusted) and is_self_signed(leaf):
        message = _("The certificate is signed by itself and not by an authority. Browsers warn and mail clients refuse.")
        fix = Fix(_("Issue a Let's Encrypt certificate for the webmail name and let the proxy use it."))
        return [fail("cert_self_signed", message, owner=Owner.HOST, fix=fix)]
    if not served.leaf:
        return []
    walk = path(leaf, served.chain[1:])
    if served.handshake.trusted:
        intermediates.learn(walk)
        return _late_issuer(walk, served, now)
    return [_incomplete(leaf, reported, served, walk, intermediates) or _untrusted(served, leaf)]


def _late_issuer(walk, served, now):
    """The handshake says that dates are wrong; those of the leaf are judged apart, so here it is one of those that signed it."""
    leaf = walk[0]
    if not served.handshake.out_of_date or None in (leaf.not_before, leaf.not_after) or not leaf.not_before <= now <= leaf.not_after:
        return []
    fix = Fix(_("Renew the certificate and let the proxy send the chain that comes with it."))
    readable = [c for c in walk[1:] if c.not_before and c.not_after]
    late = next((c for c in readable if not c.not_before <= now <= c.not_after), None)
    if late and now < late.not_before:
        message = _("The intermediate certificate that the server sends ({name}) is valid only from {date}. Until then browsers warn.",
                    name=clean(late.subject, 100), date=f"{late.not_before:%Y-%m-%d}")  # fmt: skip
    elif late:
        message = _("The intermediate certificate that the server sends ({name}) expired on {date}. Clients do not trust the certificate.",
                    name=clean(late.subject, 100), date=f"{late.not_after:%Y-%m-%d}")  # fmt: skip
    else:
        message = _("Of the certificates behind this one, one is out of date. Clients do not trust the certificate.")
    return [fail("cert_untrusted", message, owner=Owner.HOST, fix=fix)]


def _incomplete(leaf, reported, served, walk, intermediates):
    """The finding that the server leaves out an intermediate, or None. A chain with a gap is told from an unknown authority by
    what is known of its issuer: from the portal's file, from trusted chains seen before, or, with the leaf alone, from nothing."""
    last = walk[-1]
    fix = Fix(_("Let the proxy send the full chain (certbot: fullchain.pem, not cert.pem)."))
    known = intermediates.issuer_of(last)
    # a self-signed issuer is no intermediate: the chain is complete then, up to an authority that nobody knows
    in_file = next((c for c in reported.chain[1:] if issued(c, last) and not is_self_signed(c)), None)
    if known:
        message = _("The server does not send the intermediate certificate {name}, with which it would be trusted. Many clients refuse.",
                    name=clean(known.subject, 100))  # fmt: skip
    elif in_file:
        message = _("The server does not send the intermediate certificate {name}, which is in the portal's file. Many clients refuse.",
                    name=clean(in_file.subject, 100))  # fmt: skip
    elif len(served.chain) == 1:
        message = _("The server sends no intermediate certificate of {issuer} with its own. Many clients refuse.", issuer=leaf.issuer_name)
    else:
        return None
    return fail("cert_chain_incomplete", message, owner=Owner.HOST, fix=fix)


def _why_untrusted(handshake):
    """OpenSSL's verdict (X509_V_ERR_…) in plain words where it is a usual one; its own words are in the evidence."""
    if handshake.verify_code in (2, 19, 20, 21):
        return _("no authority that clients know has signed it")
    if handshake.verify_code in (24, 79):
        return _("what signed it is not an authority")
    return clean(handshake.verify_message or "?", 200)


def _untrusted(served, leaf):
    message = _("Clients do not trust the certificate issued by {issuer}: {reason}. Browsers warn and mail clients refuse.",
                issuer=leaf.issuer_name, reason=_why_untrusted(served.handshake))  # fmt: skip
    fix = Fix(_("Issue a Let's Encrypt certificate for the webmail name and let the proxy use it with its full chain."))
    return fail("cert_untrusted", message, owner=Owner.HOST, fix=fix)


def issuer(leaf, trust):
    if trust or x509.is_lets_encrypt(leaf) or "issuer" in leaf.unreadable:
        return []
    message = _(
        "The certificate is not from Let's Encrypt but from {issuer}, so the automatic renewal does not cover it.", issuer=leaf.issuer_name
    )
    fix = Fix(_("Issue a Let's Encrypt certificate on the server, or note who renews this one before it ends."))
    return [warn("cert_not_lets_encrypt", message, owner=Owner.HOST, fix=fix)]


def key(leaf):
    if not leaf.weak_key:
        return []
    message = _("The certificate's key is weak ({key}); clients accept 2048 bits and more.", key=leaf.key)
    fix = Fix(_("Issue the certificate with a new key: ECDSA P-256, or RSA of 2048 bits."))
    return [warn("cert_weak_key", message, owner=Owner.HOST, fix=fix)]


def unreadable(leaf):
    parts = [part for part in leaf.unreadable if part in ("dates", "subject alternative name", "issuer", "key")]
    if not parts:
        return []
    message = _("Parts of the certificate cannot be read ({parts}), so they are not judged.", parts=", ".join(parts))
    return [unknown("cert_unreadable", message, owner=Owner.HOST, fix=Fix(_("Issue the certificate again.")))]


def between(reported, served):
    """What the two sides say of each other."""
    if not served.leaf:
        if served.handshake:
            return [unknown("cert_unreadable", served.why, owner=Owner.HOST)]
        message = _("The served certificate could not be looked at, so the portal's is judged, and its chain is not. {why}", why=served.why)
        return [info("cert_served_unseen", message, owner=Owner.MEASUREMENT)]
    if reported.missing:
        message = _("The portal knows no certificate for this domain; the served one is judged.")
        return [info("cert_portal_missing", message, owner=Owner.HOST)]
    if reported.fault:
        if reported.fault.code == "portal_not_configured":
            return []
        message = _("The served certificate was not compared with the portal's: {why}", why=reported.fault.message)
        return [info("cert_not_compared", message, owner=Owner.MEASUREMENT)]
    if reported.leaf.sha256 == served.leaf.sha256:
        return []
    newer = reported.leaf.not_before and served.leaf.not_before and reported.leaf.not_before > served.leaf.not_before
    if newer:
        message = _("The certificate was renewed, but an older one is still served, which will expire.")
        fix = Fix(_("Reload the proxy (nginx -s reload) and let every renewal do so."))
    else:
        message = _("The certificate that is served is not the one that the portal reports: renewals may not reach it.")
        fix = Fix(_("Find out which server or proxy answers at the webmail address, and let it use the certificate of the portal."))
    return [warn("cert_served_differs", message, owner=Owner.HOST, fix=fix)]
