"""What is wrong with one selector's key record, as findings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from collectors.base import Cause, Finding, Fix, Owner, Target, fail, unknown, warn
from collectors.dns.dkim import fix as fixes
from collectors.dns.dkim.selector_lookup import MisplacedKey, SelectorLookup
from collectors.dns.dkim.server_key import ServerKey
from collectors.names import is_below
from collectors.net.dns_lookup import Lookup
from collectors.standards.dkim import MIN_BITS, PublicKey, key_in, parse_key, resembles_key_record
from collectors.text import Text, _


@dataclass(frozen=True)
class SelectorFindings:
    """What is to be said of the selectors that count. `others`: those read that do not count.

    `wildcard`: what a selector that nobody uses is answered with.
    """

    target: Target
    server: ServerKey | None
    others: Sequence[SelectorLookup]
    wildcard: Lookup | None = None

    def of(self, seen: SelectorLookup, misplaced: Sequence[MisplacedKey] = ()) -> list[Finding]:
        """The findings on one selector; `misplaced`: keys where receivers do not look."""
        if seen.fault:
            return [seen.fault.finding()]
        if not seen.texts:
            return [self._without_record(seen, misplaced)]
        if self._is_held_by_another_service(seen):
            return self._of_another_service(seen)
        if len(seen.texts) > 1:
            return [self._several_records(seen)]
        if seen.error:
            return [self._unreadable(seen)]
        return self._of_record(seen)

    def _owner(self, seen: SelectorLookup) -> Owner:
        return Owner.HOST if seen.is_hosts(self.target) else Owner.CUSTOMER

    def _publish(self, seen: SelectorLookup) -> tuple[Owner, Fix]:
        """(owner, fix) that puts the server's key there; the host's while its key is too short."""
        owner = self._owner(seen)
        if self.server and self.server.key and not self.server.record:
            return Owner.HOST, fixes.make_new_key()
        return owner, fixes.publish_key(seen, self.server, owner)

    def _other_selector_with_key(self) -> SelectorLookup | None:
        """The other known selector whose record holds the key that the server signs with."""
        if not (self.server and self.server.key):
            return None
        return next((seen for seen in self.others if seen.key == self.server.key), None)

    # -- no record

    def _without_record(self, seen: SelectorLookup, misplaced: Sequence[MisplacedKey]) -> Finding:
        if meant := [k for k in misplaced if self._may_be_moved(k)]:
            says = _(
                "The DKIM key stands at {place}, and receivers look at {name}: they cannot verify "
                "the domain's signatures.",
                place=meant[0].name,
                name=seen.name,
            )
            return fail("dkim_misplaced", says, fix=fixes.move_key(seen, meant, self.server))
        owner, fix = self._publish(seen)
        return fail("dkim_missing", self._missing(seen), owner=owner, fix=fix)

    def _may_be_moved(self, found: MisplacedKey) -> bool:
        """Whether a key at a wrong place is meant for this selector, and nobody else's."""
        key = key_in(found.raw)
        return not (self.server and key) or self.server.was_used(key)

    def _missing(self, seen: SelectorLookup) -> Text:
        if seen.chain:
            return _(
                "{name} is an alias of {to}, and no DKIM key stands there: receivers cannot verify "
                "the domain's signatures.",
                name=seen.name,
                to=seen.holder,
            )
        if other := self._other_selector_with_key():
            return _(
                "There is no DKIM key at {name}: receivers cannot verify the domain's signatures. "
                "The server has moved to selector “{selector}”; its key is published for "
                "“{other}” only.",
                name=seen.name,
                other=other.selector,
                selector=seen.selector,
            )
        return _(
            "There is no DKIM key at {name}: receivers cannot verify the domain's signatures.",
            name=seen.name,
        )

    # -- somebody else's record

    def _is_held_by_another_service(self, seen: SelectorLookup) -> bool:
        """Whether what is found there is a key that this server was never seen to use.

        Also one that is not usable as it stands, and any key behind an alias that leads to neither
        the customer's nor the tenant's zone. A wildcard's key is nobody's at this selector.
        """
        if not (self.server and self.server.key):
            return False
        if self.wildcard and (set(seen.texts), seen.chain) == (
            set(self.wildcard.texts),
            self.wildcard.chain,
        ):
            return False
        keys = [key for text in seen.texts if (key := _meant_key(text))]
        if any(not self.server.was_used(key) for key in keys):
            return True
        away = bool(seen.chain) and not is_below(seen.holder, self.target.domain)
        delegated = away and not seen.is_hosts(self.target)
        return delegated and not keys and any(resembles_key_record(t) for t in seen.texts)

    def _of_another_service(self, seen: SelectorLookup) -> list[Finding]:
        """The host's: the cure is another selector. What receivers see follows from that."""
        other = self._other_selector_with_key()
        fix = fixes.use_own_selector(seen.selector, other.selector if other else "")
        says = _(
            "The key at {name} is none that this server was seen to sign with: it seems "
            "to belong to another service, whose mail it verifies.",
            name=seen.name,
        )
        cause = fail("dkim_other_service", says, owner=Owner.HOST, fix=fix)
        if len(seen.texts) > 1:
            effect = fail("dkim_multiple_records", _several(seen), owner=Owner.HOST, fix=fix)
        elif seen.key:
            says = self._mismatch(seen, other)
            effect = fail("dkim_key_mismatch", says, owner=Owner.HOST, fix=fix)
        elif seen.error:
            effect = replace(self._unreadable(seen), owner=Owner.HOST, fix=fix)
        else:
            effect = replace(self._of_record(seen)[0], owner=Owner.HOST, fix=fix)
        return [cause, replace(effect, because=Cause("dns_dkim", "dkim_other_service"))]

    def _mismatch(self, seen: SelectorLookup, other: SelectorLookup | None) -> Text:
        """The published key is not the one that signs; who moved is said where it is known."""
        if other:
            return _(
                "The key at {name} is not the one that the server signs with: receivers reject "
                "its signatures now. The server has moved to selector “{selector}”; its key is "
                "published for “{other}”.",
                name=seen.name,
                selector=seen.selector,
                other=other.selector,
            )
        if self.server and seen.key and self.server.was_used(seen.key):
            return _(
                "The key at {name} is not the one that the server signs with: receivers reject its "
                "signatures now. The server has a new key; the record holds an earlier one.",
                name=seen.name,
            )
        return _(
            "The key at {name} is not the one that the server signs with: receivers reject its "
            "signatures now.",
            name=seen.name,
        )

    # -- a record that is no good

    def _several_records(self, seen: SelectorLookup) -> Finding:
        owner = self._owner(seen)
        if self.server and self.server.key and not self.server.record:
            return fail(
                "dkim_multiple_records", _several(seen), owner=Owner.HOST, fix=fixes.make_new_key()
            )
        fix = fixes.keep_one_record(seen, self.server, owner)
        return fail("dkim_multiple_records", _several(seen), owner=owner, fix=fix)

    def _unreadable(self, seen: SelectorLookup) -> Finding:
        owner, fix = self._publish(seen)
        kind, why = (seen.error.kind, seen.error.message) if seen.error else ("", "")
        if kind == "version":
            says = _("Receivers discard the DKIM key at {name}. {why}", name=seen.name, why=why)
            return fail("dkim_wrong_version", says, owner=owner, fix=fix)
        if kind == "foreign":
            says = _(
                "What stands at {name} is not a DKIM key, so receivers cannot verify the domain's "
                "signatures. {why}",
                name=seen.name,
                why=why,
            )
        else:
            says = _(
                "The DKIM key at {name} is not usable, so receivers cannot verify the domain's "
                "signatures. {why}",
                name=seen.name,
                why=why,
            )
        return fail("dkim_syntax", says, owner=owner, fix=fix)

    def _of_record(self, seen: SelectorLookup) -> list[Finding]:
        """On a record that parses: its key, and what it says of its use."""
        if seen.key is None:
            return [_without_key(seen, *self._publish(seen))]
        if self.server and self.server.key and self.server.key != seen.key:
            owner, fix = self._publish(seen)
            says = self._mismatch(seen, self._other_selector_with_key())
            return [fail("dkim_key_mismatch", says, owner=owner, fix=fix)]
        found = self._not_compared(seen) + self._of_length(seen, seen.key)
        return found + self._of_tags(seen)

    def _not_compared(self, seen: SelectorLookup) -> list[Finding]:
        if not self.server or self.server.key:
            return []
        says = _(
            "The portal's public key for selector “{s}” cannot be read, so the published one was "
            "not compared.",
            s=seen.selector,
        )
        return [unknown("portal_bad_response", says)]

    def _of_length(self, seen: SelectorLookup, key: PublicKey) -> list[Finding]:
        if key.is_strong:
            return []
        owner = Owner.HOST if self.server else self._owner(seen)
        if key.bits < MIN_BITS:
            says = _(
                "The key at {name} has {bits} bits only: receivers do not accept RSA keys below "
                "1024 bits.",
                name=seen.name,
                bits=key.bits,
            )
            return [fail("dkim_key_too_short", says, owner=owner, fix=fixes.make_new_key())]
        says = _(
            "The key at {name} has {bits} bits: it still verifies, but 2048 bits are the rule "
            "today.",
            name=seen.name,
            bits=key.bits,
        )
        return [warn("dkim_key_weak", says, owner=owner, fix=fixes.make_new_key())]

    def _of_tags(self, seen: SelectorLookup) -> list[Finding]:
        """One record cures all of it, so that the findings do not ask for several."""
        changes, owner = fixes.corrections(seen), self._owner(seen)
        fix = fixes.correct_tags(seen, owner)
        found = []
        if "h" in changes:
            says = _(
                "The key at {name} does not allow SHA-256 (“h=”), the only hash that receivers "
                "still accept.",
                name=seen.name,
            )
            found.append(fail("dkim_hash_sha1_only", says, owner=owner, fix=fix))
        if "s" in changes:
            says = _(
                "The key at {name} is not meant for e-mail (“s=”): receivers reject the domain's "
                "signatures.",
                name=seen.name,
            )
            found.append(fail("dkim_service_excluded", says, owner=owner, fix=fix))
        if "t" in changes:
            says = _(
                "The record at {name} says that the domain only tests DKIM (“t=y”): receivers may "
                "treat its mail as unsigned.",
                name=seen.name,
            )
            found.append(warn("dkim_testing", says, owner=owner, fix=fix))
        return found


def _meant_key(text: bytes) -> PublicKey | None:
    """The key in a text, or the one that was meant by it, whatever stands around it."""
    if key := key_in(text):
        return key
    meant = fixes.mended(text)
    return parse_key(meant.rpartition("p=")[2]) if meant else fixes.rsa_key_somewhere_in(text)


def _several(seen: SelectorLookup) -> Text:
    return _(
        "{n} TXT records stand at {name}, and there may be one only: receivers take any of them or "
        "none.",
        n=len(seen.texts),
        name=seen.name,
    )


def _without_key(seen: SelectorLookup, owner: Owner, fix: Fix) -> Finding:
    if seen.record and seen.record.revoked:
        says = _(
            "The key at {name} is revoked (“p=” is empty): receivers reject the domain's "
            "signatures.",
            name=seen.name,
        )
        return fail("dkim_revoked", says, owner=owner, fix=fix)
    says = _(
        "The key at {name} is of the type “{type}”, which receivers do not know; they know rsa and "
        "ed25519.",
        name=seen.name,
        type=seen.record.key_type[:60] if seen.record else "",
    )
    return fail("dkim_key_type_unknown", says, owner=owner, fix=fix)
