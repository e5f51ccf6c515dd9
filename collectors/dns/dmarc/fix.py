"""The DMARC record to publish, built from what is published now; pure.

One record cures all that a record can cure, and is given once. It changes only what its findings
are about: its owner's policy and addresses stay, and a policy gets stricter only with grounds.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from collectors.base import Action, DnsRecord, Finding, Fix, Owner, Severity
from collectors.dns.dmarc.findings import (
    AppliedRecord,
    applies_to_a_share,
    counted_codes,
    is_weaker,
)
from collectors.dns.dmarc.report_destinations import OwnReportAddress
from collectors.dns.dmarc.slips import ADDRESS_TAGS, Tags, kept_tags, meant_tags, weakest
from collectors.standards import dmarc
from collectors.text import MAX_TEXT, Text, _, show_bytes

# What gets a policy stricter: cured only while SPF and DKIM are ok and reports are collected.
TIGHTENING = {"dmarc_policy_none", "dmarc_testing", "dmarc_subdomains_weaker", "dmarc_removed_tag"}
# What may be left, or come up, once a record counts: DMARC is introduced in steps.
STEPS = TIGHTENING | {"dmarc_no_rua"}


@dataclass(frozen=True)
class StandingText:
    """A TXT record at the name where it was found."""

    name: str
    raw: bytes
    alias: bool = False  # it stands at the alias's end, and somebody else may rely on it there

    @property
    def text(self) -> str:
        return show_bytes(self.raw)


@dataclass(frozen=True)
class Proposal:
    """The tags to publish, and those of the texts that they are made from."""

    tags: Tags
    before: Tags

    @property
    def value(self) -> str:
        """The record's text."""
        return dmarc.record_text(self.tags)

    @property
    def record(self) -> dmarc.DmarcRecord:
        """The record, read again."""
        return dmarc.parse_policy_record(self.value.encode("ascii"))


def first_record(own: OwnReportAddress) -> Proposal:
    """A first record: it changes nothing for mail and lets reports be collected."""
    tags: Tags = {"p": "none"}
    _tidy(tags, own)
    return Proposal(tags, {})


def recovered_record(texts: Sequence[bytes], own: OwnReportAddress) -> Proposal:
    """One record that counts, of texts that do not: the weakest policy, everybody's addresses."""
    drafts = sorted(map(meant_tags, texts), key=_strength)
    base = drafts[0]
    policies = _weakest_policies(drafts)
    tags: Tags = {"p": "none", **base}
    for name, policy in policies.items():
        if name == "p" or name in base or policy != policies["p" if name == "sp" else "sp"]:
            tags[name] = policy
    for name in ("adkim", "aspf"):
        if name in tags and any(d.get(name) != tags[name] for d in drafts):
            del tags[name]
    if any(d.get("t") == "y" for d in drafts):
        tags["t"] = "y"
    for name in ADDRESS_TAGS:
        lists = [d[name] or "" for d in drafts if name in d]
        if uris := dict.fromkeys(uri for joined in lists for uri in joined.split(",")):
            tags[name] = ",".join(uris)
    _tidy(tags, own)
    return Proposal(tags, base)


def corrected_record(
    applied: AppliedRecord, raw: bytes, codes: Collection[str], *, tighten: bool
) -> Proposal:
    """A record that receivers use, with what its findings (`codes`) are about corrected.

    `tighten`: whether there are grounds for a stricter policy.
    """
    record, meant = applied.record, meant_tags(raw)
    tags = kept_tags(record, raw)
    if tighten:
        _tighten(tags, meant, record, codes)
    elif record.flawed == "p" and meant.get("p") == "none":
        _put_first(tags, "p", "none")  # what it is in effect
    _tidy(tags, applied.own)
    return Proposal(tags, dict(record.tags))


def _tighten(tags: Tags, meant: Tags, record: dmarc.DmarcRecord, codes: Collection[str]) -> None:
    """Make the policy as strict as its owner meant it, or stricter by one step."""
    policy = record.valid("p") or meant.get("p") or ""
    if policy not in ("quarantine", "reject"):
        policy = "quarantine"
    if record.valid("p") != policy:
        _put_first(tags, "p", policy)
    for name in ("sp", "np"):
        value = record.valid(name)
        if value is None and name in tags:
            tags[name] = "none"
        elif value and is_weaker(value, policy) and "dmarc_subdomains_weaker" in codes:
            tags.pop(name, None)
    if record.testing:
        tags.pop("t", None)
    tags.pop("pct", None)


def _put_first(tags: Tags, name: str, value: str) -> None:
    """Set a tag, in front where it is new: receivers of RFC 7489 want `p` at once.

    A slip for it, such as `p:none`, goes: so far it has done nothing.
    """
    slip = re.compile(rf"{name}\b", re.IGNORECASE)
    rest = {n: v for n, v in tags.items() if v is not None or not slip.match(n)}
    tags.clear()
    tags.update(rest if name in rest else {name: value, **rest})
    tags[name] = value


def _tidy(tags: Tags, own: OwnReportAddress) -> None:
    """Take out what does nothing or harm, and add our address where there is none."""
    if not applies_to_a_share(_parsed(tags)):
        tags.pop("pct", None)
    for name in ("rf", "ri"):
        tags.pop(name, None)
    if (tags.get("psd") or "").lower() == "y":
        del tags["psd"]
    if not tags.get("rua") and own.usable:
        tags["rua"] = own.usable


def _parsed(tags: Mapping[str, str | None]) -> dmarc.DmarcRecord:
    return dmarc.parse_policy_record(dmarc.record_text(tags).encode("ascii"))


def _strength(tags: Tags) -> tuple[int, bool, int, str]:
    """What orders records from the weakest to the strictest, the same whatever their order."""
    share = int(tags["pct"] or 0) if applies_to_a_share(_parsed(tags)) and "pct" in tags else 100
    policy = dmarc.POLICIES.index(_policy(tags, "p"))
    return policy, tags.get("t") != "y", share, dmarc.record_text(tags)


def _policy(tags: Tags, *names: str) -> str:
    """The policy that the first tag gives that is there; an invalid one counts as none."""
    value = next((tags[name] or "" for name in names if name in tags), "").lower()
    return value if value in dmarc.POLICIES else "none"


def _weakest_policies(drafts: Sequence[Tags]) -> dict[str, str]:
    """What the texts agree on for the domain, its subdomains and those that do not exist."""
    orders = {"p": ("p",), "sp": ("sp", "p"), "np": ("np", "sp", "p")}
    return {
        name: weakest(name, [_policy(d, *order) for d in drafts]) for name, order in orders.items()
    }


# -- trying it


def cured_codes(before: Sequence[Finding], after: Sequence[Finding]) -> set[str]:
    """The codes that a record makes disappear; `after`: what is to be said once it stands.

    None of them where another finding would come up that is no step of DMARC's introduction.
    """
    if counted_codes(after) - counted_codes(before) - STEPS:
        return set()
    return {f.code for f in before} - {f.code for f in after}


# -- what to do


def published(
    name: str,
    proposal: Proposal,
    text: Text,
    standing: Sequence[StandingText],
    own: OwnReportAddress,
) -> Fix:
    """The record at `name` in the place of all the texts that it is made from."""
    if own.repair and not standing:
        return own.repair  # a first record is for the reports, and they would not arrive
    here = [at for at in standing if at.name == name]
    # One that stands there already is kept: to publish it and to remove it would leave nothing.
    first = next((at for at in here if _says(at, proposal)), next(iter(here), None))
    value = first.text if first and _says(first, proposal) else proposal.value
    action = Action.REPLACE if first else Action.ADD
    records = [DnsRecord("TXT", name, value, action, first.text if first else None)]
    records += [
        DnsRecord("TXT", at.name, at.text, Action.REMOVE, at.text)
        for at in standing
        if at is not first and not at.alias
    ]
    if max(len(t) for r in records for t in (r.value, r.current or "")) > MAX_TEXT:
        # Nobody publishes a record of that length, and a cut one would be a wrong one.
        too_long = _(
            "{text} It is too long to be shown here: shorten it, above all its list of addresses.",
            text=text,
        )
        return Fix(too_long)
    for more in (*_changes(proposal), *_address_to_add(proposal, own)):
        text = _("{first} {second}", first=text, second=more)
    return Fix(text, tuple(records))


def _says(at: StandingText, proposal: Proposal) -> bool:
    """Whether a text is a record that says what is proposed."""
    if not dmarc.is_policy_record(at.raw):
        return False
    record = dmarc.parse_policy_record(at.raw)
    said = {name: value.lower() for name, value in record.tags}
    wanted = {name: (value or "").lower() for name, value in proposal.tags.items()}
    return said == wanted and not record.repeated


def _changes(proposal: Proposal) -> list[Text]:
    """What the record changes and what it keeps, a sentence each."""
    if not proposal.before:
        return []
    before = {n: (v or "").lower() for n, v in proposal.before.items()}
    tags = proposal.tags.items()
    shown = {n: n if v is None else f"{n}={v}" for n, v in tags}
    kept = [shown[n] for n, v in tags if before.get(n) == (v or "").lower()]
    new = [shown[n] for n, v in tags if before.get(n) != (v or "").lower()]
    gone = [n if v is None else f"{n}={v}" for n, v in proposal.before.items() if n not in shown]
    said = []
    if new:
        said.append(_("It changes: {tags}.", tags="; ".join(new)))
    if gone:
        said.append(_("It leaves out: {tags}.", tags="; ".join(gone)))
    if not said:
        said.append(_("It changes nothing but the way the record is written."))
    return [*said, _("It keeps: {tags}.", tags="; ".join(kept))] if kept else said


def _address_to_add(proposal: Proposal, own: OwnReportAddress) -> list[Text]:
    if proposal.tags.get("rua"):
        return []
    if own.repair:
        return [own.repair.text]
    return [_("Add an address of your own for the reports to it (rua=mailto:…).")]


def with_fix(finding: Finding, fix: Fix, own: OwnReportAddress) -> Finding:
    """The finding with the shared fix; the host's to act on where our own address is the cure."""
    if fix is own.repair:
        return replace(finding, fix=fix, owner=Owner.HOST, because=own.cause)
    return replace(finding, fix=fix)


def with_reason(finding: Finding, applied: AppliedRecord | None) -> Finding:
    """The finding with what to do where no record can be given."""
    if finding.fix or applied is None or finding.severity == Severity.INFO:
        return finding
    if finding.code == "dmarc_no_rua" and not applied.inherited and applied.own.repair:
        return with_fix(finding, applied.own.repair, applied.own)
    reason = _reason(finding.code, applied)
    return replace(finding, fix=Fix(reason)) if reason else finding


def _reason(code: str, applied: AppliedRecord) -> Text | None:
    if code == "dmarc_no_rua" and not applied.inherited:
        return _("Add an address of your own for the reports to the record (rua=mailto:…).")
    if applied.inherited and not applied.registry:
        return _(
            "Correct the record at {name}, or give the domain a record of its own.",
            name=applied.name,
        )
    if code not in TIGHTENING:
        return None
    if applied.registry or not applied.collects_reports:
        return _(
            "First let reports be collected, for some weeks; then make the policy stricter, if all "
            "wanted mail passes."
        )
    return _(
        "First put SPF and DKIM in order: as long as the domain's own mail does not pass them, a "
        "stricter policy would have it rejected."
    )
