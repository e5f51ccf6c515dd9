"""Which certificate signed which: chains in whatever order they were sent (RFC 5280 section 6), and the memory of intermediates."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from .certificates import BROKEN, MAX_CHAIN


def issued(parent, child):
    """Whether `parent` signed `child`: names in line and signature right.

    What cannot be checked, or not by an absurd key (strangers choose it, and a chain of them would stop everything else for
    a second), counts only of a certificate and itself: by its name alone another could pass for a public authority's.
    """
    if child.issuer != parent.subject:
        return False
    try:
        if parent.may_verify:
            child.parsed.verify_directly_issued_by(parent.parsed)
            return True
    except UnsupportedAlgorithm:
        pass
    except (InvalidSignature, *BROKEN):
        return False
    return parent.sha256 == child.sha256


def is_self_signed(cert):
    """Signed with its own key."""
    return cert.issuer == cert.subject and issued(cert, cert)


def path(leaf, others):
    """The leaf and then those of `others` that sign it and each other in turn, in whatever order they were sent."""
    walk = [leaf]
    while len(walk) < MAX_CHAIN and not is_self_signed(walk[-1]):
        parent = next((c for c in others if c not in walk and issued(c, walk[-1])), None)
        if parent is None:
            break
        walk.append(parent)
    return tuple(walk)


class Intermediates:
    """A bounded memory of issuing certificates that were part of trusted chains, newest last."""

    def __init__(self, size=64):
        self._size, self._kept = size, {}

    def learn(self, trusted_path):
        """Keep the issuers of a path (leaf first) that a client trusts."""
        for cert in trusted_path[1:]:
            if is_self_signed(cert):
                continue
            key = (cert.subject, _key_identifier(cert))
            self._kept.pop(key, None)
            self._kept[key] = cert
        while len(self._kept) > self._size:
            del self._kept[next(iter(self._kept))]

    def issuer_of(self, cert):
        """A kept certificate that issued this one, or None."""
        return next((c for c in reversed(self._kept.values()) if issued(c, cert)), None)

    def __len__(self):
        return len(self._kept)


def _key_identifier(cert):
    try:
        return cert.parsed.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, *BROKEN):
        return cert.sha256
