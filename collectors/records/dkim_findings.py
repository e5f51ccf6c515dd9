"""What is wrong with one selector's key record, as findings."""

from collectors.base import Fix, Owner, fail, info, unknown, warn
from collectors.text import Text, _

from . import dkim_fix as fixes

MIN_BITS, GOOD_BITS = 1024, 2048  # RFC 8301, 3.2: shorter ones must not verify; signers should use the longer


def missing(seen, *, signing, others, wild, target):
    """No record for a selector that the server is known to use."""
    owner = fixes.owner_of(seen, target)
    twin = _twin(signing, others)
    says: Text
    if seen.chain:
        says = _(
            "{name} is an alias of {to}, and no DKIM key stands there: receivers cannot verify the domain's signatures.",
            name=seen.name, to=seen.holder,
        )  # fmt: skip
    elif twin:
        says = _(
            "There is no DKIM key at {name}: receivers cannot verify the domain's signatures. The server has moved to selector "
            "“{selector}”; its key is published for “{other}” only.",
            name=seen.name, other=twin.selector, selector=seen.selector,
        )  # fmt: skip
    else:
        says = _("There is no DKIM key at {name}: receivers cannot verify the domain's signatures.", name=seen.name)
    return fail("dkim_missing", says, owner=owner, fix=fixes.publish(seen, signing, owner=owner, present=not _is_wild(seen, wild)))


def misplaced(seen, *, found, signing, aliases=()):
    """No record where receivers look, but one where they do not."""
    says = _(
        "The DKIM key stands at {place}, and receivers look at {name}: they cannot verify the domain's signatures.",
        place=found[0][0], name=seen.name,
    )  # fmt: skip
    return fail("dkim_misplaced", says, fix=fixes.move(seen, found, signing, aliases))


def judge(seen, *, signing, others, wild, target):
    """The findings on a record that is there. `wild`: the Lookup of a selector that nobody uses."""
    owner = fixes.owner_of(seen, target)
    present = not _is_wild(seen, wild)
    new = fixes.publish(seen, signing, owner=owner, present=present)
    if len(seen.texts) > 1:
        says = _(
            "{n} TXT records stand at {name}, and there may be one only: receivers take any of them or none.",
            n=len(seen.texts), name=seen.name,
        )  # fmt: skip
        return [fail("dkim_multiple_records", says, owner=owner, fix=fixes.only_one(seen, signing, owner, present))]
    if seen.error:
        return [_unreadable(seen, owner, new)]
    if seen.record.revoked:
        says = _("The key at {name} is revoked (“p=” is empty): receivers reject the domain's signatures.", name=seen.name)
        return [fail("dkim_revoked", says, owner=owner, fix=new)]
    return [*_key(seen, signing, others, owner, new), *_tags(seen, signing, owner, present)]


def _is_wild(seen, wild):
    """Whether what was found at the name comes from a wildcard, so that nothing stands there itself."""
    return wild is not None and (wild.texts or wild.chain) and (set(seen.texts), seen.chain) == (set(wild.texts), wild.chain)


def _unreadable(seen, owner, fix):
    why = seen.error.message
    if seen.error.kind == "version":
        says = _("Receivers discard the DKIM key at {name}. {why}", name=seen.name, why=why)
        return fail("dkim_wrong_version", says, owner=owner, fix=fix)
    if seen.error.kind == "foreign":
        says = _(
            "What stands at {name} is not a DKIM key, so receivers cannot verify the domain's signatures. {why}", name=seen.name, why=why
        )
    else:
        says = _("The DKIM key at {name} is not usable, so receivers cannot verify the domain's signatures. {why}", name=seen.name, why=why)
    return fail("dkim_syntax", says, owner=owner, fix=fix)


def _key(seen, signing, others, owner, new):
    """On the key itself: the type, whether it is the server's, its length. Of a key that is to be replaced, not its length."""
    if seen.key is None:
        says = _(
            "The key at {name} is of the type “{type}”, which receivers do not know; they know rsa and ed25519.",
            name=seen.name, type=seen.record.key_type[:60],
        )  # fmt: skip
        return [fail("dkim_key_type_unknown", says, owner=owner, fix=new)]
    found = []
    if signing and signing.key is None:
        says = _("The portal's public key for selector “{s}” cannot be read, so the published one was not compared.", s=seen.selector)
        found.append(unknown("portal_bad_response", says))
    elif signing and signing.key != seen.key:
        return [_mismatch(seen, signing, others, owner, new)]
    if seen.key.type == "rsa" and seen.key.bits < MIN_BITS:
        says = _(
            "The key at {name} has {bits} bits only: receivers do not accept RSA keys below 1024 bits.", name=seen.name, bits=seen.key.bits
        )
        found.append(fail("dkim_key_too_short", says, owner=owner, fix=fixes.stronger()))
    elif seen.key.type == "rsa" and seen.key.bits < GOOD_BITS:
        says = _(
            "The key at {name} has {bits} bits: it still verifies, but 2048 bits are the rule today.", name=seen.name, bits=seen.key.bits
        )
        found.append(warn("dkim_key_weak", says, owner=owner, fix=fixes.stronger()))
    return found


def _mismatch(seen, signing, others, owner, new):
    """The published key is not the one that signs. Who moved is known where the server's key stands under another selector."""
    twin = _twin(signing, others)
    if twin:
        says = _(
            "The key at {name} is not the one that the server signs with: receivers reject its signatures now. The server has moved to "
            "selector “{selector}”; its key is published for “{other}”.",
            name=seen.name, selector=seen.selector, other=twin.selector,
        )  # fmt: skip
        return fail("dkim_key_mismatch", says, owner=Owner.HOST, fix=new)
    says = _(
        "The key at {name} is not the one that the server signs with: receivers reject its signatures now. Either the server has a new "
        "key, or the record was changed.",
        name=seen.name,
    )  # fmt: skip
    return fail("dkim_key_mismatch", says, owner=owner, fix=new)


def _tags(seen, signing, owner, present):
    """On what the record says of its use. One record cures all of it, so that the findings do not ask for several."""
    record, changes = seen.record, {}
    if not record.allows_sha256:
        changes["h"] = None
    if not record.for_email:
        changes["s"] = None
    if record.testing:
        changes["t"] = ":".join(flag for flag in record.list_of("t") if flag not in ("y", "")) or None
    if not changes:
        return []
    found, fix = [], fixes.without(seen, signing, changes, owner, present)
    if "h" in changes:
        says = _("The key at {name} does not allow SHA-256 (“h=”), the only hash that receivers still accept.", name=seen.name)
        found.append(fail("dkim_hash_sha1_only", says, owner=owner, fix=fix))
    if "s" in changes:
        says = _("The key at {name} is not meant for e-mail (“s=”): receivers reject the domain's signatures.", name=seen.name)
        found.append(fail("dkim_service_excluded", says, owner=owner, fix=fix))
    if "t" in changes:
        says = _(
            "The record at {name} says that the domain only tests DKIM (“t=y”): receivers may treat its mail as unsigned.", name=seen.name
        )
        found.append(warn("dkim_testing", says, owner=owner, fix=fix))
    return found


def _twin(signing, others):
    """The other known selector whose record holds the key that the server signs with, or None."""
    if not (signing and signing.key):
        return None
    return next((seen for seen in others if seen.key == signing.key and seen.selector.lower() != signing.selector.lower()), None)


def wildcard(domain):
    """Any selector gets an answer."""
    says = _("Selectors that nobody set up are answered too: a wildcard record stands in for DKIM keys of {domain}.", domain=domain)
    return warn("dkim_wildcard", says, fix=Fix(_("Remove the wildcard TXT or CNAME record, or give the names it is meant for their own.")))


def ed25519_only(name):
    """Fine by the standard, and worth knowing."""
    says = _(
        "Only an Ed25519 key is published ({name}); some large receivers verify RSA only, so a second, RSA signature helps.", name=name
    )
    return info("dkim_ed25519_only", says, owner=Owner.HOST)
