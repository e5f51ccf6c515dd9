"""The shapes that are stored as JSON: sentence, record, fix, cause, finding, evidence, facts.

What a face adds to them (a card, a scorecard) extends these shapes and stands with that face.
"""

from typing import Any, NotRequired, TypeAlias, TypedDict

Evidence: TypeAlias = dict[str, Any]  # plain JSON data; each check has keys of its own


class StoredText(TypedDict):
    """A sentence in English with its places unfilled, and what fills them."""

    id: str
    params: dict[str, "StoredText | str | int | float"]


class StoredRecord(TypedDict):
    """A `base.DnsRecord`."""

    type: str
    name: str
    value: str
    action: str  # add, replace or remove
    current: str | None


class StoredFix(TypedDict):
    """A `base.Fix`; `text` in English."""

    text: str
    text_source: StoredText
    records: list[StoredRecord]


class StoredCause(TypedDict):
    """A `base.Cause`."""

    check_id: str
    code: str


class StoredFinding(TypedDict):
    """A `base.Finding`; `message` in English. Rows of earlier versions lack some of the keys."""

    code: str
    severity: str
    message: str
    message_source: NotRequired[StoredText]
    owner: str
    fix: StoredFix | None
    because: NotRequired[StoredCause | None]


class LookupEvidence(TypedDict):
    """One DNS lookup as a check saw it; a failed one has only `result`, the fault's code."""

    name: str
    type: str
    result: str
    records: NotRequired[list[str]]
    cname: NotRequired[list[str]]  # the aliases followed


class Observed(TypedDict, total=False):
    """What a session recorded for a check, kept beside the check's own evidence."""

    lookups: list[LookupEvidence]
    requests: list[Evidence]


class SigningKey(TypedDict):
    """The key that a server signs a domain's mail with, as its portal says it.

    `public_key`: the value of `p=`, base64.
    """

    selector: str
    public_key: str


class StoredFacts(TypedDict, total=False):
    """What a portal has just said and is to be remembered; a key that is missing says nothing."""

    dkim: SigningKey | None  # None: it signs with none
    certificate: str  # PEM
