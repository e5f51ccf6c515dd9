"""What a portal said last, while it says nothing: a silent source decides nothing."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from collectors.base import PortalFacts
from collectors.net.circuit_breaker import PortalFault
from collectors.net.portal_answers import CarbonioAnswer, CertificateAnswer
from collectors.standards.certificates import CertificateError, certificates_in, read_pem
from collectors.stored import Evidence, SigningKey, StoredFacts
from collectors.text import _

if TYPE_CHECKING:
    from collectors.net.portal_client import PortalAnswer

LONGEST = timedelta(days=7)  # for how long a fact is remembered
T = TypeVar("T")


@dataclass(frozen=True)
class KnownFact(Generic[T]):
    """A fact as the portal says it now; or said it at `at`, where it is silent by `fault`.

    `facts`: what is to be remembered (Outcome.facts); empty for what is remembered already.
    """

    value: T
    evidence: Evidence
    facts: StoredFacts = field(default_factory=StoredFacts)
    fault: PortalFault | None = None
    at: datetime | None = None


def said_signing_key(answer: "PortalAnswer[CarbonioAnswer]") -> KnownFact[SigningKey | None]:
    """The key that the server signs the domain's mail with; None where there is none."""
    key = answer.data["dkim"] if answer.found else None
    return KnownFact(key, answer.evidence(), {"dkim": key})


def said_certificate(answer: "PortalAnswer[CertificateAnswer]") -> KnownFact[str]:
    """The certificates that the proxy is configured with, as PEM; '' where there are none.

    A key that stands beside them goes no further. Raises PortalFault where no certificate can be
    read: a file that was read half or not at all is no word that there is none.
    """
    if not answer.found:
        return KnownFact("", answer.evidence(), {"certificate": ""})
    pem = certificates_in(answer.data["pem"])
    if not _is_readable(pem):
        problem = _("the field “{field}” holds no readable certificate.", field="pem")
        message = _("The portal's answer cannot be used: {problem}", problem=problem)
        raise PortalFault("portal_bad_response", message)
    return KnownFact(pem, answer.evidence(), {"certificate": pem})


def remembered_signing_key(facts: PortalFacts, fault: PortalFault) -> KnownFact[SigningKey | None]:
    """The key as it was said last; raises `fault` where that is unknown or too long ago."""
    at = _not_too_old(facts.dkim_at, fault)
    evidence: Evidence = {**_silence("carbonio", fault, at), "remembered": facts.dkim}
    return KnownFact(facts.dkim, evidence, fault=fault, at=at)


def remembered_certificate(facts: PortalFacts, fault: PortalFault) -> KnownFact[str]:
    """The certificate as it was said last; raises `fault` where that is unknown or too long ago."""
    at, pem = _not_too_old(facts.certificate_at, fault), certificates_in(facts.certificate)
    if facts.certificate and not _is_readable(pem):
        raise fault
    evidence: Evidence = {
        **_silence("certificate", fault, at),
        "remembered": f"{len(pem)} characters",
    }
    return KnownFact(pem, evidence, fault=fault, at=at)


def _is_readable(pem: str) -> bool:
    try:
        return bool(read_pem(pem))
    except CertificateError:
        return False


def _not_too_old(at: datetime | None, fault: PortalFault) -> datetime:
    """A portal that is not configured any more is not silent but gone."""
    gone = fault.code == "portal_not_configured"
    if gone or at is None or datetime.now(UTC) - at > LONGEST:
        raise fault
    return at


def _silence(what: str, fault: PortalFault, at: datetime) -> Evidence:
    return {
        "asked": what,
        "error": fault.code,
        "message": str(fault.message),
        "remembered_since": at.isoformat(),
    }
