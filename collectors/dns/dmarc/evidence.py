"""What was seen of a domain's DMARC, as evidence."""

from collections.abc import Mapping

from collectors.base import Evidence
from collectors.dns.dmarc.findings import AppliedRecord
from collectors.dns.dmarc.report_destinations import Destinations
from collectors.standards import dmarc
from collectors.text import Text, _


def walk_evidence(at: dmarc.PolicyDiscovery, results: Mapping[str, str]) -> list[Evidence]:
    """Every name that policy discovery asked, with what stood there."""
    return [_walked_name(walked, results, applies=walked is at.found) for walked in at.walked]


def _walked_name(
    walked: dmarc.WalkedName, results: Mapping[str, str], *, applies: bool
) -> Evidence:
    name = f"_dmarc.{walked.domain}"
    seen: Evidence = {
        "name": name,
        "result": results.get(name),
        "records": [r.text for r in walked.records],
        "applies": applies,
    }
    others = [text for text in walked.texts if not dmarc.is_policy_record(text)]
    return {**seen, "other_texts": others} if others else seen


def record_evidence(applied: AppliedRecord, organization: str) -> Evidence:
    """The record that applies, what holds for the domain, and where its reports go.

    `organization`: the organizational domain, or '' where nothing hung on it.
    """
    record, (tag, policy) = applied.record, applied.effect
    weaker = {"reject": "quarantine"}.get(policy, "none")
    seen: Evidence = {
        "record": record.text,
        "policy": {
            "from": applied.name,
            "inherited": applied.inherited,
            "tag": tag,
            "policy": policy,
            "applied": weaker if record.testing else policy,
        },
        "tags": dict(record.tags),
        "alignment": {
            kind: "strict" if record.strict[tag] else "relaxed"
            for kind, tag in (("dkim", "adkim"), ("spf", "aspf"))
        },
        "reports": [
            _address(kind, uri, applied.destinations)
            for kind, uris in (("rua", record.rua), ("ruf", record.ruf))
            for uri in uris
        ],
    }
    if record.ignored:
        seen["ignored"] = list(record.ignored)
    if organization:
        seen["organisational_domain"] = organization
    return seen


def _address(kind: str, uri: dmarc.DmarcUri, destinations: Destinations) -> Evidence:
    seen: Evidence = {"tag": kind, "uri": uri.text}
    if uri.problem:
        return {**seen, "problem": uri.problem}
    at = destinations.get(uri.host)
    if at is None:
        return {**seen, "authorised": None, "by": _("not verified")}
    seen |= {"authorised": at.authorised, "by": at.by}
    return {**seen, "redirected_to": list(at.redirected)} if at.redirected else seen


def policy_summary(applied: AppliedRecord) -> Text:
    """The sentence that is shown when nothing is wrong."""
    tag, policy = applied.effect
    addresses = [uri.address for uri in applied.record.destinations]
    shown = ", ".join(addresses[:3]) + (", …" if len(addresses) > 3 else "")
    if applied.inherited:
        return _(
            "{tag}={policy} from {name}, reports to {addresses}",
            tag=tag,
            policy=policy,
            name=applied.name,
            addresses=shown,
        )
    return _("p={policy}, reports to {addresses}", policy=policy, addresses=shown)
