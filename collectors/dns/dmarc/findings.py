"""What is to be said of the DMARC record that applies: policy, tags, addresses for reports.

Pure. The findings carry no fix but that of a report's destination: what cures them is proposed for
all of them together (`fix.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from collectors.base import DnsRecord, Finding, Fix, Owner, Severity, fail, info, warn
from collectors.dns.dmarc.report_destinations import (
    Destination,
    Destinations,
    OwnReportAddress,
    not_taken,
    report_hosts,
)
from collectors.standards import dmarc
from collectors.text import Text, _


@dataclass(frozen=True)
class AppliedRecord:
    """A record as it applies to `domain`; it stands at `_dmarc.<at>`.

    `exists`: whether the domain exists, as `np` means it. `organizational`: whether the record
    stands at an organizational domain; `sp` and `np` have no effect elsewhere. `registry`: whether
    it is that of a public suffix.
    """

    domain: str
    at: str
    record: dmarc.DmarcRecord
    exists: bool = True
    organizational: bool = True
    registry: bool = False
    destinations: Destinations = field(default_factory=dict)
    own: OwnReportAddress = field(default_factory=OwnReportAddress)

    @property
    def name(self) -> str:
        """Where the record stands."""
        return f"_dmarc.{self.at}"

    @property
    def inherited(self) -> bool:
        """Whether it stands above the domain."""
        return self.at != self.domain

    @property
    def effect(self) -> tuple[str, str]:
        """The (tag, policy) that holds for the domain."""
        return self.record.policy(inherited=self.inherited, exists=self.exists)

    @property
    def collects_reports(self) -> bool:
        """Whether an address is known to get the reports."""
        known = (self.destinations.get(uri.host) for uri in self.record.destinations)
        return any(destination and destination.authorised for destination in known)


def record_findings(applied: AppliedRecord) -> list[Finding]:
    """All that is to be said of a record."""
    record, (tag, policy) = applied.record, applied.effect
    if not record.usable:
        return [_unusable(applied)]
    found: list[Finding] = []
    if applied.inherited:
        message = _(
            "The domain has no DMARC record of its own; the one at {name} applies to it, with "
            "{tag}={policy}.",
            name=applied.name,
            tag=tag,
            policy=policy,
        )
        found.append(info("dmarc_inherited", message))
    if applied.registry:
        found.append(_registry_only(applied))
    if policy == "none":
        found.append(_policy_none(applied))
    # What else a registry's record says is its operator's business.
    return found if applied.registry else found + _tag_findings(applied) + report_findings(applied)


def _registry_only(applied: AppliedRecord) -> Finding:
    message = _(
        "The only DMARC record that applies is that of the public suffix {suffix}. Its operator "
        "decides on the policy and gets the reports. Publish a record of the domain's own.",
        suffix=applied.at,
    )
    return warn("dmarc_registry_only", message)


def _unusable(applied: AppliedRecord) -> Finding:
    message = _(
        "The record at {name} has no valid policy ({part}) and no valid address for reports, so "
        "receivers ignore it. Give it a policy (p) and an address (rua).",
        name=applied.name,
        part=_flaw(applied.record),
    )
    return fail("dmarc_syntax", message)


def _flaw(record: dmarc.DmarcRecord) -> Text:
    tag = record.flawed or "p"
    value = record.raw(tag)
    if value is None:
        return _("there is no p")
    return _("{tag}={value} is not valid", tag=tag, value=value[:200])


def _policy_none(applied: AppliedRecord) -> Finding:
    if applied.record.flawed:
        message = _(
            "The record at {name} has no valid policy ({part}), so receivers act as for p=none and "
            "deliver forged mail. When the reports show that all wanted mail passes, give it "
            "p=quarantine or p=reject.",
            name=applied.name,
            part=_flaw(applied.record),
        )
    else:
        message = _(
            "The policy is {tag}=none: receivers report forged mail and deliver it. When the "
            "reports show that all wanted mail passes, change it to quarantine or reject.",
            tag=applied.effect[0],
        )
    return warn("dmarc_policy_none", message)


def _tag_findings(applied: AppliedRecord) -> list[Finding]:
    record = applied.record
    found: list[Finding] = []
    if record.testing:
        message = _(
            "The record is in test mode (t=y): receivers apply a weaker policy than it names. Take "
            "t=y out when the test is over."
        )
        found.append(warn("dmarc_testing", message))
    if weaker := weaker_for_subdomains(applied):
        message = _(
            "The policy for subdomains ({tags}) is weaker than {policy}: forged mail from "
            "subdomains passes more easily. Make it as strict.",
            tags=", ".join(weaker),
            policy=applied.effect[1],
        )
        found.append(warn("dmarc_subdomains_weaker", message))
    if record.psd == "y" and not applied.inherited:
        message = _(
            "The record says psd=y, that the domain is a public suffix. Receivers then take each "
            "of its subdomains for another organisation, and mail that is signed or sent in the "
            "name of a subdomain no longer passes DMARC. Take psd=y out."
        )
        found.append(warn("dmarc_psd", message))
    return found + _removed_tags(record) + _repeated_and_ignored(record)


def weaker_for_subdomains(applied: AppliedRecord) -> list[str]:
    """The subdomain policies that ask for less than the one in effect, as `tag=value`.

    Of an inherited record only `np` counts: its `sp` is the policy in effect, or would be if the
    domain existed. Below the organizational domain both are ignored (RFC 9989, 4.7).
    """
    record, policy = applied.record, applied.effect[1]
    if record.flawed or not applied.organizational:
        return []
    tags = ("np",) if applied.inherited else ("sp", "np")
    return [f"{t}={v}" for t in tags if (v := record.valid(t)) and is_weaker(v, policy)]


def is_weaker(policy: str, than: str) -> bool:
    """True if a policy asks for less than another."""
    return dmarc.POLICIES.index(policy) < dmarc.POLICIES.index(than)


def applies_to_a_share(record: dmarc.DmarcRecord) -> bool:
    """True for a `pct` below 100, which receivers of RFC 7489 still heed."""
    percent = record.raw("pct") or ""
    return percent.isdigit() and len(percent) < 4 and int(percent) < 100


def _removed_tags(record: dmarc.DmarcRecord) -> list[Finding]:
    removed = [(tag, v[:40]) for tag in dmarc.REMOVED if (v := record.raw(tag)) is not None]
    tags = ", ".join(f"{tag}={value}" for tag, value in removed)
    if applies_to_a_share(record):
        message = _(
            "The record has pct={value}: receivers of the older standard apply the policy to that "
            "share of forged mail only, newer ones do not know the tag. Take out what DMARC no "
            "longer knows: {tags}.",
            value=record.raw("pct") or "",
            tags=tags,
        )
        return [warn("dmarc_removed_tag", message)]
    if removed:
        message = _(
            "The record has tags that DMARC no longer knows: {tags}. They do nothing and can go.",
            tags=tags,
        )
        return [info("dmarc_removed_tag", message)]
    return []


def _repeated_and_ignored(record: dmarc.DmarcRecord) -> list[Finding]:
    found: list[Finding] = []
    if record.repeated:
        message = _(
            "The record has these tags more than once: {tags}. Receivers read that differently, "
            "and some ignore the record. Keep one of each.",
            tags=", ".join(record.repeated),
        )
        found.append(warn("dmarc_duplicate_tag", message))
    if record.ignored:
        message = _(
            "Receivers pass over these parts of the record: {parts}. Correct them or take them "
            "out.",
            parts="; ".join(record.ignored),
        )
        found.append(info("dmarc_ignored", message))
    return found


# -- addresses for reports


def report_findings(applied: AppliedRecord) -> list[Finding]:
    """What is to be said of the addresses for reports."""
    record = applied.record
    found: list[Finding] = []
    invalid = [uri for uri in record.rua if uri.problem]
    if invalid:
        found.append(_invalid_address(invalid[0], others=bool(record.destinations)))
    elif not record.rua:
        message = _(
            "The record names no address for reports (rua), so nobody learns who sends in the "
            "domain's name. Add one."
        )
        found.append(warn("dmarc_no_rua", message))
    asked = {uri.host for uri in record.destinations}
    for at in applied.destinations.values():
        if at.fault and at.host in asked:
            found.append(at.fault.finding())
    found += unauthorised_destinations(applied)
    checked, hosts = len(applied.destinations.keys() & asked), report_hosts(record)
    if len(hosts) > len(applied.destinations):
        message = _(
            "The record sends reports to {count} hosts; receivers serve only the first few, and "
            "only {checked} were verified here.",
            count=len(hosts),
            checked=checked,
        )
        found.append(info("dmarc_rua_many", message))
    return found


def _invalid_address(uri: dmarc.DmarcUri, *, others: bool) -> Finding:
    shown, problem = uri.text[:200], uri.problem
    if others:
        message = _(
            "Reports do not go to {uri}: {problem}. Correct the address.",
            uri=shown,
            problem=problem,
        )
    else:
        message = _(
            "No reports arrive, because the address {uri} cannot be used: {problem}. Correct it.",
            uri=shown,
            problem=problem,
        )
    return warn("dmarc_rua_invalid", message)


def unauthorised_destinations(applied: AppliedRecord) -> list[Finding]:
    """A finding for each destination that does not say that it takes reports about the domain."""
    asked = {uri.host for uri in applied.record.destinations}
    return [
        _unauthorised(applied, at)
        for at in applied.destinations.values()
        if at.authorised is False and at.host in asked
    ]


def _unauthorised(applied: AppliedRecord, at: Destination) -> Finding:
    message = _(
        "{host} does not say that it takes reports about {domain}, so receivers send it none "
        "({reason}). Have it published there, or take the address out.",
        host=at.host,
        domain=applied.at,
        reason=at.by,
    )
    own = applied.own
    if at.host == own.host:
        fix = own.repair or not_taken(own.uri, applied.at)
        found = warn("dmarc_rua_unauthorised", message, owner=Owner.HOST, fix=fix)
        return replace(found, because=own.cause)
    return warn("dmarc_rua_unauthorised", message, fix=_authorising_record(applied, at))


def _authorising_record(applied: AppliedRecord, at: Destination) -> Fix | None:
    """The record by which a destination takes reports (RFC 9990, 4)."""
    if len(at.name) > 253:
        return None
    if at.standing:
        return Fix(
            _(
                "Ask whoever runs {host} to correct the record at {name}: it must be “v=DMARC1;”, "
                "without an address at another host.",
                host=at.host,
                name=at.name,
            )
        )
    text = _(
        "Ask whoever runs {host} to publish this record: it belongs in their DNS, not in that of "
        "{domain}.",
        host=at.host,
        domain=applied.domain,
    )
    return Fix(text, (DnsRecord("TXT", at.name, "v=DMARC1;"),))


def counted_codes(findings: Sequence[Finding]) -> set[str]:
    """The codes of the findings that are against the record, and known."""
    return {f.code for f in findings if f.severity in (Severity.FAIL, Severity.WARN)}
