"""A domain that is itself an alias: what is to be published for it belongs in the place of the alias.

The records at an alias's end are those of another name, and often of somebody else: to change them there would change
that name's mail. Beside an alias no other record may stand (RFC 1034, section 3.6.2).
"""

from dataclasses import replace

from collectors.base import Action, Fix, Record
from collectors.text import _


def foreign_end(domain, chain):
    """The name that the domain is an alias of, where it lies outside the domain; else ''."""
    end = chain[-1] if chain else ""
    return "" if end == domain or end.endswith(f".{domain}") else end


def instead_of_alias(fix, domain, chain):
    """`fix` with what it changes at the alias's end published at the domain itself, if that end lies outside the domain."""
    end = foreign_end(domain, chain)
    if not (fix and fix.records and end):
        return fix
    here = [r for r in fix.records if r.name == end]
    if not any(r.action != Action.REMOVE for r in here):
        return Fix(fix.text)  # what stays there cannot stay here
    records = [replace(r, name=domain, action=Action.ADD, current=None) for r in here if r.action != Action.REMOVE]
    rest = [r for r in fix.records if r.name != end]
    text = _(
        "{text} {domain} is an alias of {to}, and beside an alias no other record may stand: take the alias out, and publish "
        "the addresses of {to} for {domain} too.",
        text=fix.text,
        domain=domain,
        to=end,
    )
    return Fix(text, (Record("CNAME", domain, chain[0], Action.REMOVE, chain[0]), *records, *rest))
