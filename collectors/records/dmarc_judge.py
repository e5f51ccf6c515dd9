"""What is to be said of the DMARC record that applies to a domain: policy, tags, addresses for reports."""

from collectors.base import fail, info, warn
from collectors.standards import dmarc
from collectors.text import _

from . import dmarc_fixes as fixes
from . import dmarc_reports as reports


class Judge:
    """The findings about the record that applies; `effect` is the (tag, policy) that holds for the domain,
    `place` is where its own record belongs."""

    def __init__(self, target, at, effect, place):
        self.target, self.at, self.record, self.place = target, at, at.found.record, place
        self.tag, self.policy = effect
        self.name = f"_dmarc.{at.found.domain}"

    def fix(self):
        """One and the same record in every finding: it cures all that a record can cure."""
        own = self.place
        if self.at.inherited:
            base = dmarc.Record("", (), rua=self.record.rua)
            return fixes.add(
                own, base, self.target, _("Add a record of its own for the domain, or correct the one at {name}.", name=self.name)
            )
        return fixes.replace(own, self.record, self.target, _("Replace the TXT record at {name} by this one.", name=own.name))

    def policy_findings(self):
        """What is to be said of policy, test mode, subdomains and tags."""
        record, found = self.record, []
        if not record.usable:
            return [self._unusable()]
        if self.at.inherited:
            message = _(
                "The domain has no DMARC record of its own; the one at {name} applies to it, with {tag}={policy}.",
                name=self.name,
                tag=self.tag,
                policy=self.policy,
            )
            found.append(info("dmarc_inherited", message))
        if self.policy == "none":
            found.append(self._policy_none())
        if record.testing:
            message = _(
                "The record is in test mode (t=y): receivers apply a weaker policy than it names. Take t=y out when the test is over."
            )
            found.append(warn("dmarc_testing", message, fix=self.fix()))
        if weaker := self._weaker():
            message = _(
                "The policy for subdomains ({tags}) is weaker than {policy}: forged mail from subdomains passes more easily. "
                "Make it as strict.",
                tags=", ".join(weaker),
                policy=self.policy,
            )
            found.append(warn("dmarc_subdomains_weaker", message, fix=self.fix()))
        return found + self._tags()

    def _unusable(self):
        message = _(
            "The record at {name} has no valid policy ({part}) and no valid address for reports, so receivers ignore it. "
            "Give it a policy, p=quarantine or p=reject.",
            name=self.name,
            part=self._flaw(),
        )
        return fail("dmarc_syntax", message, fix=self.fix())

    def _flaw(self):
        value = self.record.raw(self.record.flawed)
        return _("there is no p") if value is None else _("{tag}={value} is not valid", tag=self.record.flawed, value=value[:200])

    def _policy_none(self):
        if self.record.flawed:
            message = _(
                "The record at {name} has no valid policy ({part}), so receivers act as for p=none and deliver forged mail. "
                "Give it a policy, p=quarantine or p=reject.",
                name=self.name,
                part=self._flaw(),
            )
        else:
            message = _(
                "The policy is {tag}=none: receivers report forged mail and deliver it. When the reports show that all wanted mail "
                "passes, change it to quarantine or reject.",
                tag=self.tag,
            )
        return warn("dmarc_policy_none", message, fix=self.fix())

    def _weaker(self):
        """The subdomain policies that ask for less than the one in effect, as `tag=value`.

        Of an inherited record only `np` counts: its `sp` is the policy in effect, or would be if the domain existed.
        """
        if self.record.flawed:
            return []
        tags = ("np",) if self.at.inherited else ("sp", "np")
        return [f"{t}={self.record.valid(t)}" for t in tags if self.record.valid(t) and fixes.is_weaker(self.record.valid(t), self.policy)]

    def _tags(self):
        record, found = self.record, []
        removed = [f"{tag}={record.raw(tag)[:40]}" for tag in dmarc.REMOVED if record.raw(tag) is not None]
        percent = record.raw("pct") or ""
        if percent.isdigit() and len(percent) < 4 and int(percent) < 100:
            message = _(
                "The record has pct={value}: receivers of the older standard apply the policy to that share of forged mail only, "
                "newer ones do not know the tag. Take out what DMARC no longer knows: {tags}.",
                value=percent,
                tags=", ".join(removed),
            )
            found.append(warn("dmarc_removed_tag", message, fix=self.fix()))
        elif removed:
            message = _("The record has tags that DMARC no longer knows: {tags}. They do nothing and can go.", tags=", ".join(removed))
            found.append(info("dmarc_removed_tag", message, fix=self.fix()))
        if record.repeated:
            message = _(
                "The record has these tags more than once: {tags}. Receivers read that differently, and some ignore the record. "
                "Keep one of each.",
                tags=", ".join(record.repeated),
            )
            found.append(warn("dmarc_duplicate_tag", message, fix=self.fix()))
        if record.ignored:
            message = _(
                "Receivers pass over these parts of the record: {parts}. Correct them or take them out.", parts="; ".join(record.ignored)
            )
            found.append(info("dmarc_ignored", message))
        return found

    def report_findings(self, destinations):
        """What is to be said of the addresses for reports."""
        record, found = self.record, []
        if not record.usable:
            return []
        invalid = [uri for uri in record.rua if uri.problem]
        if invalid:
            if record.destinations:
                place = _(
                    "Reports do not go to {uri}: {problem}. Correct the address.", uri=invalid[0].text[:200], problem=invalid[0].problem
                )
            else:
                place = _(
                    "No reports arrive, because the address {uri} cannot be used: {problem}. Correct it.",
                    uri=invalid[0].text[:200],
                    problem=invalid[0].problem,
                )
            found.append(warn("dmarc_rua_invalid", place, fix=self.fix()))
        elif not record.rua:
            message = _("The record names no address for reports (rua), so nobody learns who sends in the domain's name. Add one.")
            found.append(warn("dmarc_no_rua", message, fix=self.fix()))
        asked = {uri.host for uri in record.destinations}
        for at in destinations.values():
            if at.authorised is False and at.host in asked:
                found.append(self._unauthorised(at))
            elif at.fault and at.host in asked:
                found.append(at.fault.finding())
        if len(reports.hosts(record)) > len(destinations):
            message = _(
                "The record sends reports to {count} hosts; receivers serve only the first few, and only {checked} were verified here.",
                count=len(reports.hosts(record)),
                checked=len(destinations),
            )
            found.append(info("dmarc_rua_many", message))
        return found

    def _unauthorised(self, at):
        message = _(
            "{host} does not say that it takes reports about {domain}, so receivers send it none ({reason}). "
            "Have it published there, or take the address out.",
            host=at.host,
            domain=self.at.found.domain,
            reason=at.by,
        )
        text = _(
            "Ask whoever runs {host} to publish this record: it belongs in their DNS, not in that of {domain}.",
            host=at.host,
            domain=self.target.domain,
        )
        fix = fixes.authorise(at.name, text) if len(at.name) <= 253 else None
        return warn("dmarc_rua_unauthorised", message, fix=fix)

    def summary(self):
        """The sentence that is shown when nothing is wrong."""
        addresses = [uri.address for uri in self.record.destinations]
        shown = ", ".join(addresses[:3]) + (", …" if len(addresses) > 3 else "")
        if self.at.inherited:
            return _(
                "{tag}={policy} from {name}, reports to {addresses}", tag=self.tag, policy=self.policy, name=self.name, addresses=shown
            )
        return _("p={policy}, reports to {addresses}", policy=self.policy, addresses=shown)
