"""Domain names: what is accepted, how it is stored and shown, where an organisation ends."""

import re
import unicodedata
from functools import cache, lru_cache

import idna
from publicsuffixlist import PublicSuffixList

from collectors.text import Text, _

# `test` is allowed
RESERVED = {"localhost", "local", "internal", "lan", "home.arpa", "arpa", "invalid", "onion"}
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
# Invisible, and part of correct spelling in some scripts; IDNA 2008 knows where (RFC 5892, A).
_JOINERS = "\u200c\u200d"
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+")


class DomainError(ValueError):
    """Not a domain that can be audited; `message` is the sentence that says why."""

    def __init__(self, message: Text) -> None:
        super().__init__(str(message))
        self.message = message


def normalize_domain(text: object) -> str:
    """The lower-case A-label form (IDNA 2008 over UTS 46) of a domain name; raises DomainError.

    One trailing dot and surrounding blanks are dropped. At least two labels; no address in any
    spelling, no public suffix alone, nothing that lives only inside a network.
    """
    if not isinstance(text, str):
        raise DomainError(_("A domain name is text."))
    name = text.strip(" ")
    if not name:
        raise DomainError(_("The domain name is empty."))
    if len(name) > 1000:
        raise DomainError(_("A domain name has at most 253 characters."))
    if any(c in name for c in "/\\:@?#[]%") or any(
        c.isspace() or not (c.isprintable() or c in _JOINERS) for c in name
    ):
        raise DomainError(
            _(
                "“{name}” is not a domain name; give the name alone, such as example.com.",
                name=name[:100],
            )
        )
    try:
        name = idna.uts46_remap(name, std3_rules=True, transitional=False).removesuffix(".")
        ascii_name = name if name.isascii() and "xn--" not in name else _alabels(name)
    except (idna.IDNAError, UnicodeError):
        raise DomainError(
            _("“{name}” holds characters that a domain name cannot have.", name=text[:100])
        ) from None
    labels = ascii_name.split(".")
    if len(ascii_name) > 253:
        raise DomainError(_("A domain name has at most 253 characters."))
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise DomainError(
            _(
                "“{name}” is not a domain name: its parts are letters, digits and inner hyphens, "
                "1 to 63 of them.",
                name=text[:100],
            )
        )
    if _NUMBER.fullmatch(labels[-1]):  # as browsers and inet_aton() tell an address from a name
        raise DomainError(_("“{name}” is an address, not a domain name.", name=text[:100]))
    if len(labels) < 2:
        raise DomainError(
            _(
                "“{name}” has a single part; a mail domain has at least two, such as example.com.",
                name=text[:100],
            )
        )
    if any(ascii_name == r or ascii_name.endswith("." + r) for r in RESERVED):
        raise DomainError(
            _(
                "“{name}” is reserved for use inside networks and cannot be audited.",
                name=text[:100],
            )
        )
    if public_suffixes().publicsuffix(ascii_name) == ascii_name:
        raise DomainError(
            _("“{name}” is a public suffix, not a domain of its own.", name=text[:100])
        )
    return ascii_name


def _alabels(name: str) -> str:
    return ".".join(_alabel(label) if label else "" for label in name.split("."))


def _alabel(label: str) -> str:
    if label.isascii() and not label.startswith("xn--"):
        return label
    return idna.alabel(label).decode()


def to_unicode(domain: str) -> str:
    """The U-label form, for people; a label that does not decode stays as it is."""
    if "xn--" not in domain:
        return domain
    labels = []
    for label in domain.split("."):
        try:
            labels.append(idna.ulabel(label) if label.startswith("xn--") else label)
        except idna.IDNAError:
            labels.append(label)
    return ".".join(labels)


def is_mixed_script(domain: str) -> bool:
    """True if a label of the U-label form mixes scripts: it may be made to look like another."""
    for label in to_unicode(domain).split("."):
        scripts = {unicodedata.name(c, "?").split(" ")[0] for c in label if c.isalpha()}
        if len(scripts - {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"}) > 1:
            return True
    return False


def is_host_name(name: str) -> bool:
    """True for a valid host name: two labels or more of letters, digits and inner hyphens."""
    labels = name.lower().removesuffix(".").split(".")
    return len(name) <= 254 and len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)


def same_name(one: str, other: str) -> bool:
    """True if two names are equal without regard to case and a trailing dot."""
    return one.lower().removesuffix(".") == other.lower().removesuffix(".")


def is_below(name: str, domain: str) -> bool:
    """Whether a name is the domain or stands below it; both in lower case."""
    return name == domain or name.endswith(f".{domain}")


@lru_cache(maxsize=4096)  # the hosts of tenants and of large providers are asked about all the time
def organisational_domain(name: str) -> str:
    """The registrable part by the public suffix list; a suffix alone stays as it is."""
    name = name.lower().removesuffix(".")
    return public_suffixes().privatesuffix(name) or name


@cache
def public_suffixes() -> PublicSuffixList:
    """The full list, private suffixes too; read when it is first needed."""
    return PublicSuffixList(accept_unknown=True)
