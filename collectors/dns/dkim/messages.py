"""What is said of a domain's selectors as a whole, and of one that is no name."""

from collectors.base import Finding, Fix, Owner, fail, info, unknown, warn
from collectors.text import _


def wildcard_key(domain: str) -> Finding:
    """Any selector gets a usable key."""
    says = _(
        "Selectors that nobody set up have a key too: a wildcard record stands in for DKIM keys of "
        "{domain}.",
        domain=domain,
    )
    text = _("Remove the wildcard record, or give the names it is meant for their own.")
    return warn("dkim_wildcard", says, fix=Fix(text))


def ed25519_only(name: str) -> Finding:
    """Fine by the standard, and worth knowing."""
    says = _(
        "Only an Ed25519 key is published ({name}); some large receivers verify RSA only, so a "
        "second, RSA signature helps.",
        name=name,
    )
    return info("dkim_ed25519_only", says, owner=Owner.HOST)


def invalid_selector(selector: str, *, signs: bool) -> Finding:
    """A selector that is no name; `signs`: the server writes it, else a slip of our settings."""
    if signs:
        says = _(
            "The server signs with the selector “{s}”, which is not a name: no receiver can look "
            "up its key.",
            s=selector[:100],
        )
        fix = Fix(
            _("Give the domain a DKIM selector of letters, digits and inner hyphens on the server.")
        )
        return fail("dkim_selector_invalid", says, owner=Owner.HOST, fix=fix)
    says = _(
        "The configured selector “{s}” is not a name, so no key could be looked up for it.",
        s=selector[:100],
    )
    fix = Fix(_("Correct the DKIM selectors in the settings of the domain or of its tenant."))
    return unknown("dkim_selector_invalid", says, fix=fix)
