"""Does an enforceable DMARC policy with reports apply to the domain? (RFC 9989, RFC 9990)"""

from dataclasses import dataclass, replace

from collectors.base import Fault, Finding, Outcome, Status, Target, check, given_once
from collectors.dns.dmarc import fix as fixes
from collectors.dns.dmarc import no_record
from collectors.dns.dmarc.evidence import policy_summary, record_evidence, walk_evidence
from collectors.dns.dmarc.findings import (
    AppliedRecord,
    counted_codes,
    record_findings,
    unauthorised_destinations,
    weaker_for_subdomains,
)
from collectors.dns.dmarc.report_destinations import (
    OwnReportAddress,
    own_report_address,
    report_hosts,
    verify_destinations,
)
from collectors.names import organisational_domain as registrable
from collectors.net.publishing import is_from_wildcard, safe_fix
from collectors.net.session import CheckSession
from collectors.standards import dmarc
from collectors.text import Text, _

_NOTHING_TO_CURE = {"dmarc_inherited", "dmarc_ignored", "dmarc_rua_many"}


@check("dns_dmarc", _("DMARC"))
async def check_dmarc(target: Target, session: CheckSession) -> Outcome:
    """The findings of `dns_dmarc`; a failed lookup that decides which record applies: unknown."""
    return await _DmarcCheck(target, session).outcome()


@dataclass(frozen=True)
class _Standing:
    """What the customer has published, where it is to be replaced; `finding`: why it cannot stay.

    `text`: what to do with the record that takes its place.
    """

    text: Text
    texts: tuple[fixes.StandingText, ...] = ()
    finding: Finding | None = None

    @property
    def raws(self) -> list[bytes]:
        return [at.raw for at in self.texts]


class _DmarcCheck:
    """One look at a domain: what was asked, and what could not be."""

    def __init__(self, target: Target, session: CheckSession) -> None:
        self.target, self.domain, self.session = target, target.domain, session
        self.name = f"_dmarc.{target.domain}"
        self.results: dict[str, str] = {}  # of the names that were asked
        self.faults: list[Finding] = []  # of lookups that decide about a finding
        self.organization = ""  # the organizational domain, where something hangs on it

    async def lookup(self, name: str) -> list[bytes]:
        """The TXT records at a name, as the functions of the standard ask for them."""
        found = await self.session.lookup(name, "TXT")
        self.results[name] = found.result
        return found.texts

    async def outcome(self) -> Outcome:
        at = await dmarc.discover_policy(self.domain, self.lookup)
        applied = await self.applied_record(at)
        standing = await self.standing(at.own, applied)
        findings = [standing.finding] if standing.finding else []
        findings += record_findings(applied) if applied else []
        if {f.code for f in findings} - _NOTHING_TO_CURE:
            findings = await self.advised(findings, applied, standing)
        evidence = {"walk": walk_evidence(at, self.results)}
        if applied:
            evidence |= record_evidence(applied, self.organization)
        summary = policy_summary(applied) if applied else findings[0].message
        return Outcome(summary, [*findings, *self.faults], evidence)

    # -- what applies

    async def applied_record(self, at: dmarc.PolicyDiscovery) -> AppliedRecord | None:
        """The record that was found, with all that decides what it means for the domain."""
        if at.found is None or at.found.record is None:
            return None
        record, registry = at.found.record, at.inherited and _is_public_suffix(at.found)
        if registry and not record.usable:
            return None  # it does nothing, and is none of the customer's
        applied = AppliedRecord(self.domain, at.found.domain, record, registry=registry)
        applied = replace(applied, exists=await self.exists(applied))
        if len(at.walked) > 1:
            self.organization = dmarc.organizational_domain(at.walked)
        elif weaker_for_subdomains(applied):
            applied = replace(applied, organizational=await self.is_organizational(at.own))
        found = await verify_destinations(applied.at, report_hosts(record), self.session)
        return replace(applied, destinations=found)

    async def exists(self, applied: AppliedRecord) -> bool:
        """False at NXDOMAIN, and at nothing else (RFC 9989, 3.2.13)."""
        if not applied.inherited:
            return True
        effects = {replace(applied, exists=exists).effect[1] for exists in (True, False)}
        if len(effects) == 1:
            return True
        try:
            found = await self.session.lookup(self.domain, "MX")
        except Fault as fault:
            self.faults += [fault.finding()] if "none" in effects else []
            return True
        # An alias exists, whatever it leads to (RFC 8020, 2).
        return found.result != "NXDOMAIN" or bool(found.chain)

    async def is_organizational(self, own: dmarc.WalkedName) -> bool:
        """Whether the domain is an organizational domain (RFC 9989, 4.10.2)."""
        try:
            walked = await dmarc.tree_walk(own.domain, self.lookup, own)
        except Fault as fault:
            self.faults.append(fault.finding())
            return False
        self.organization = dmarc.organizational_domain(walked)
        return self.organization == own.domain

    # -- what the customer has published

    async def standing(self, own: dmarc.WalkedName, applied: AppliedRecord | None) -> _Standing:
        """The domain's own record, or what was meant to be one, with what is wrong about it."""
        texts = tuple(fixes.StandingText(self.name, raw) for raw in _meant(own))
        instead = _("Replace the TXT record at {name} by this one.", name=self.name)
        if len(texts) > 1:
            instead = _(
                "Replace one of the records by this one, which joins them with the weakest of "
                "their policies, and remove the others."
            )
        if own.record:
            return _Standing(instead, texts)
        if own.records:
            finding = no_record.several_records(self.name, len(texts), applied)
            return _Standing(instead, texts, finding)
        if texts:
            raws = [at.raw for at in texts]
            return _Standing(instead, texts, no_record.broken_record(self.name, raws, applied))
        missing = applied is None or applied.registry or not applied.record.usable
        if texts := await self.misplaced_texts() if missing else ():
            wrong = texts[0].name
            moving = _(
                "Publish the record at {name} and remove the one at {wrong}.",
                name=self.name,
                wrong=wrong,
            )
            return _Standing(moving, texts, no_record.misplaced_record(self.name, wrong))
        adding = _(
            "Add this TXT record. With p=none it changes nothing for mail; the policy can become "
            "stricter once the reports show that all wanted mail passes."
        )
        if applied:
            return _Standing(adding)
        finding = no_record.missing_record(self.name, self.domain, own.texts)
        return _Standing(adding, finding=finding)

    async def misplaced_texts(self) -> tuple[fixes.StandingText, ...]:
        """The records at the usual wrong places; a lookup that fails here changes no verdict."""
        found: list[fixes.StandingText] = []
        for wrong in (f"{self.name}.{self.domain}", self.domain):
            try:
                if len(wrong) > 253:
                    continue
                lookup = await self.session.lookup(wrong, "TXT")
            except Fault:
                continue
            meant = [
                raw
                for raw in lookup.texts
                if dmarc.is_policy_record(raw) or dmarc.resembles_policy_record(raw)
            ]
            # what stands at every name was not put into a wrong place
            if meant and not await is_from_wildcard(self.session, wrong):
                found += [fixes.StandingText(wrong, m, alias=bool(lookup.chain)) for m in meant]
        return tuple(found)

    # -- what to do

    async def advised(
        self, findings: list[Finding], applied: AppliedRecord | None, standing: _Standing
    ) -> list[Finding]:
        """The findings with one fix for all that a record at the domain itself can cure."""
        own = await own_report_address(self.target, self.session)
        judged = replace(applied, own=own) if applied else None
        # Anew: who has to act on an address of ours hangs on what is wrong with it.
        findings = [standing.finding] if standing.finding else []
        findings += record_findings(judged) if judged else []
        codes = counted_codes(findings)
        proposal = await self.proposal(judged, codes, standing, own)
        if proposal is None:
            return [fixes.with_reason(f, judged) for f in findings]
        hosts = report_hosts(proposal.record)
        planned = AppliedRecord(
            self.domain,
            self.domain,
            proposal.record,
            organizational=judged.organizational if judged else True,
            destinations=await verify_destinations(self.domain, hosts, self.session),
            own=own,
        )
        if standing.texts and codes:
            known = {str(f.message) for f in findings}
            more = unauthorised_destinations(planned)
            findings += [f for f in more if str(f.message) not in known]
        fix = fixes.published(self.name, proposal, standing.text, standing.texts, own)
        if fix.records:
            fix = await safe_fix(fix, domain=self.domain, session=self.session)
        cured = fixes.cured_codes(findings, record_findings(planned))
        return given_once(
            fixes.with_fix(f, fix, own)
            if f is standing.finding or (f.code in cured and f.code not in _NOTHING_TO_CURE)
            else fixes.with_reason(f, judged)
            for f in findings
        )

    async def proposal(
        self,
        applied: AppliedRecord | None,
        codes: set[str],
        standing: _Standing,
        own: OwnReportAddress,
    ) -> fixes.Proposal | None:
        """The record to publish at the domain itself; None where the one above it is to stay."""
        if applied and not applied.inherited and applied.record.usable:
            tighten = await self.has_grounds(applied, codes)
            return fixes.corrected_record(applied, standing.raws[0], codes, tighten=tighten)
        if standing.texts:
            return fixes.recovered_record(standing.raws, own)
        if applied and not applied.registry and applied.record.usable:
            return None
        return fixes.first_record(own)

    async def has_grounds(self, applied: AppliedRecord, codes: set[str]) -> bool:
        """Whether a stricter policy is safe: the domain's own mail passes, and reports arrive."""
        if not codes & fixes.TIGHTENING or not applied.collects_reports:
            return False
        statuses = [await self.session.status_of(c) for c in ("dns_spf", "dns_dkim")]
        return all(status == Status.OK for status in statuses)


def _meant(own: dmarc.WalkedName) -> list[bytes]:
    """The texts that say what the customer wants: the records, or what was meant to be one.

    Beside a lone record that does nothing, a text that fails to be one may hold what was chosen.
    """
    idle = own.record is not None and not own.record.usable
    almost = dmarc.resembles_policy_record if idle or not own.records else (lambda _raw: False)
    # Sorted: servers turn the order around, and a fix must not change with it.
    return [r for r in sorted(own.texts) if dmarc.is_policy_record(r)] + [
        r for r in sorted(own.texts) if almost(r)
    ]


def _is_public_suffix(at: dmarc.WalkedName) -> bool:
    """Whether a record above the domain is that of a registry, by itself or by the list."""
    declared = at.record is not None and at.record.psd == "y"
    return declared or registrable(f"x.{at.domain}") == f"x.{at.domain}"
