"""Which certificate signed which (RFC 5280 section 6), and a memory of intermediates."""

from collections.abc import Sequence
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from collectors.standards.certificates import (
    BROKEN,
    MAX_CHAIN,
    REMEMBERED,
    REMEMBERED_BYTES,
    Certificate,
)


def issued(parent: Certificate, child: Certificate) -> bool:
    """Whether `parent` signed `child`: names in line and signature right.

    What cannot be checked, or not by an absurd key (strangers choose it, and a chain of them would
    stop everything else for a second), counts only of a certificate and itself: by its name alone
    another could pass for a public authority's.
    """
    if child.issuer != parent.subject:
        return False
    usual = max(len(parent.der), len(child.der)) <= REMEMBERED_BYTES
    return (_signed_once if usual else _signed)(parent, child)


def _signed(parent: Certificate, child: Certificate) -> bool:
    try:
        if parent.may_verify:
            child.parsed.verify_directly_issued_by(parent.parsed)
            return True
    except UnsupportedAlgorithm:
        pass
    except (InvalidSignature, *BROKEN):
        return False
    return parent.sha256 == child.sha256


_signed_once = lru_cache(REMEMBERED)(_signed)


def is_self_signed(cert: Certificate) -> bool:
    """Signed with its own key."""
    return cert.issuer == cert.subject and issued(cert, cert)


def issuer_path(leaf: Certificate, others: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """The leaf and then those of `others` that sign it and each other, in whatever order."""
    walk = [leaf]
    while len(walk) < MAX_CHAIN and not is_self_signed(walk[-1]):
        parent = next((c for c in others if c not in walk and issued(c, walk[-1])), None)
        if parent is None:
            break
        walk.append(parent)
    return tuple(walk)


def leaves_of(certificates: Sequence[Certificate]) -> tuple[Certificate, ...]:
    """Those that are no authority's and issued none of the others; if there are none, the first."""
    leaves = tuple(
        c
        for c in certificates
        if not c.authority and not any(issued(c, other) for other in certificates if other != c)
    )
    return leaves or tuple(certificates[:1])


def is_sibling(one: Certificate, other: Certificate) -> bool:
    """Whether two are for the same names by the same issuer and differ in the type of key.

    A server may have both, and gives each client the one that it can use.
    """
    return (
        set(one.names) == set(other.names)
        and one.issuer_organisations == other.issuer_organisations
        and one.key.split(" ")[0] != other.key.split(" ")[0]
    )


class Intermediates:
    """A bounded memory of issuing certificates that were part of trusted chains, newest last."""

    def __init__(self, size: int = 64) -> None:
        self._size = size
        self._kept: dict[tuple[str, bytes | str], Certificate] = {}

    def learn(self, trusted_path: Sequence[Certificate]) -> None:
        """Keep the issuers of a path (leaf first) that a client trusts."""
        for cert in trusted_path[1:]:
            if is_self_signed(cert):
                continue
            key = (cert.subject, _key_identifier(cert))
            self._kept.pop(key, None)
            self._kept[key] = cert
        while len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]

    def issuer_of(self, cert: Certificate) -> Certificate | None:
        """A kept certificate that issued this one, or None."""
        return next((c for c in reversed(self._kept.values()) if issued(c, cert)), None)

    def __len__(self) -> int:
        return len(self._kept)


def _key_identifier(cert: Certificate) -> bytes | str:
    try:
        return cert.parsed.extensions.get_extension_for_class(
            x509.SubjectKeyIdentifier
        ).value.digest
    except (x509.ExtensionNotFound, *BROKEN):
        return cert.sha256
