"""What to publish so that receivers find the key: the server's key, or what is published, mended.

A fix is written as if all that was found at a selector stood there; `publishing` makes of it what
can be pasted. Each record is read again before it is given: nothing may be said against it.
"""

import contextlib
import re
from dataclasses import replace

from collectors.base import Action, DnsRecord, Fix, Owner
from collectors.dns.dkim.selector_lookup import MisplacedKey, SelectorLookup
from collectors.dns.dkim.server_key import ServerKey
from collectors.standards.dkim import KeyRecordError, PublicKey, key_in, parse_key, parse_key_record
from collectors.text import _, show_bytes


def publish_key(seen: SelectorLookup, server: ServerKey | None, owner: Owner) -> Fix:
    """The server's key in place of all that is found at the selector's name.

    Where it is not known: the one text that is found, if what it lacks can be mended.
    """
    place = holder_for(seen, owner)
    current = [show_bytes(text) for text in seen.texts]
    if server and server.record:
        text = _("Publish the server's key in this TXT record.")
        return Fix(text, _instead_of(place, current, server.record))
    if server and server.key:
        return make_new_key()
    meant = mended(seen.texts[0]) if len(current) == 1 else ""
    if meant:
        return Fix(_("Publish the record in this form."), _instead_of(place, current, meant))
    return ask_operator(seen.selector)


def holder_for(seen: SelectorLookup, owner: Owner) -> str:
    """Where the owner changes the record: the host in its own zone, the customer at the name."""
    return seen.holder if owner == Owner.HOST else seen.name


def _instead_of(place: str, current: list[str], value: str) -> tuple[DnsRecord, ...]:
    if not current:
        return (DnsRecord("TXT", place, value),)
    first, *rest = current
    return (
        DnsRecord("TXT", place, value, Action.REPLACE, first),
        *(DnsRecord("TXT", place, text, Action.REMOVE, text) for text in rest),
    )


def keep_one_record(seen: SelectorLookup, server: ServerKey | None, owner: Owner) -> Fix:
    """Of several texts the one to keep: the server's key; without it, the only key there is."""
    keys = [text for text in seen.texts if key_in(text)]
    kept = [t for t in keys if not server or key_in(t) == server.key]
    if not kept or (not server and len(keys) > 1):
        return publish_key(seen, server, owner)
    kept.sort(key=lambda text: not parse_key_record(text).is_flawless)
    right = kept[0]
    place, record = holder_for(seen, owner), parse_key_record(right)
    rest = [show_bytes(text) for text in seen.texts if text != right]
    removals = [DnsRecord("TXT", place, text, Action.REMOVE, text) for text in rest]
    if not record.is_flawless:
        better = record.text(**_corrections_of(seen, right))
        removals.insert(0, DnsRecord("TXT", place, better, Action.REPLACE, show_bytes(right)))
        return Fix(_("Publish the record in this form, and remove the rest."), tuple(removals))
    return Fix(_("Keep the record with the key, and remove the rest."), tuple(removals))


def _corrections_of(seen: SelectorLookup, text: bytes) -> dict[str, str | None]:
    return corrections(replace(seen, record=parse_key_record(text)))


def mended(raw: bytes) -> str:
    """The key record that was meant by one with a usual slip, or ''.

    Quotation marks, backslashes, brackets, other separators, a wrong or late version.
    """
    text = re.sub(rb'[\\"]', b"", raw)
    keys = re.findall(rb"(?:^|[;,\s])\s*p\s*=([A-Za-z0-9+/=\s]*)", text)
    if len(keys) != 1:
        return ""
    packed = b"".join(keys[0].split()).decode()
    try:
        key = parse_key(packed) if packed else None
    except KeyRecordError:
        return ""
    return f"v=DKIM1; k={key.type}; p={packed}" if key and key.is_strong else ""


def rsa_key_somewhere_in(raw: bytes) -> PublicKey | None:
    """An RSA key that stands in a text in any form: between PEM headers, behind `P=`, bare."""
    for text in (raw, re.sub(rb'\\n|[\s\\"]', b"", raw)):
        for run in re.findall(rb"[A-Za-z0-9+/]{80,}={0,2}", text)[:10]:
            with contextlib.suppress(KeyRecordError):
                return parse_key(run.decode(), "rsa")
    return None


def corrections(seen: SelectorLookup) -> dict[str, str | None]:
    """The tags of a record that keep its key from use, as they should be; None: left out."""
    if not (record := seen.record):
        return {}
    changes: dict[str, str | None] = {}
    if not record.allows_sha256:
        changes["h"] = None
    if not record.for_email:
        changes["s"] = None
    if record.testing:
        flags = [flag for flag in record.list_of("t") if flag not in ("y", "")]
        changes["t"] = ":".join(flags) or None
    return changes


def correct_tags(seen: SelectorLookup, owner: Owner) -> Fix:
    """The record with what keeps its key from use taken out, and the rest of it kept."""
    if not seen.record:
        return ask_operator(seen.selector)
    better = seen.record.text(**corrections(seen))
    records = _instead_of(holder_for(seen, owner), [show_bytes(seen.texts[0])], better)
    return Fix(_("Publish the record with these corrections."), records)


def move_key(seen: SelectorLookup, misplaced: list[MisplacedKey], server: ServerKey | None) -> Fix:
    """The record at its right name, and what stands at the wrong ones removed."""
    found = next((k.raw for k in misplaced if key_in(k.raw)), misplaced[0].raw)
    if server:
        value = server.record
    elif key_in(found) and parse_key_record(found).is_flawless:
        value = show_bytes(found)
    else:
        value = mended(found)
    if not value:
        return make_new_key() if server and server.key else ask_operator(seen.selector)
    removals = [
        DnsRecord("TXT", key.name, key.text, Action.REMOVE, key.text)
        for key in misplaced
        if key.stands_there
    ]
    text = _(
        "Publish the record at {name}; many panels add the domain to a name by themselves.",
        name=seen.name,
    )
    return Fix(text, (*_instead_of(seen.name, [], value), *removals))


def as_alias(fix: Fix, name: str, server: ServerKey, alias: str) -> Fix | None:
    """The fix with an alias in place of the server's key; None where it does not publish that."""
    here = [r for r in fix.records if r.name == name]
    if not any(r.value == server.record and r.action != Action.REMOVE for r in here):
        return None
    gone = [
        DnsRecord("TXT", name, r.current, Action.REMOVE, r.current)
        for r in here
        if r.current is not None
    ]
    rest = [r for r in fix.records if r.name != name]
    text = _(
        "Publish this alias of a name of the mail server's operator: the server's key is found "
        "there, and when it changes, nothing is left to do in this domain."
    )
    return Fix(text, (*gone, DnsRecord("CNAME", name, alias), *rest))


def ask_operator(selector: str) -> Fix:
    """Where neither the server's key nor what was meant is known."""
    return Fix(
        _(
            "Ask the operator of the mail server for the DKIM record of selector “{s}” and publish "
            "it.",
            s=selector,
        )
    )


def make_new_key() -> Fix:
    """For a key that is too short: the server must have a new one first."""
    return Fix(
        _(
            "Have the operator of the mail server make a new RSA key of 2048 bits under a new "
            "selector, and publish its record."
        )
    )


def use_own_selector(selector: str, other: str = "") -> Fix:
    """For a selector that another service holds; `other`: one where the server's key stands."""
    if other:
        return Fix(
            _(
                "Leave the record of “{s}” as it is, and let the server sign with selector "
                "“{other}”, where its key is published.",
                s=selector,
                other=other,
            )
        )
    return Fix(
        _(
            "Leave the record of “{s}” as it is: give the domain another DKIM selector on the "
            "server, one that no other service uses, and publish the key under that. If you know "
            "it to be an old key of this server, publish the new one in its place.",
            s=selector,
        )
    )
