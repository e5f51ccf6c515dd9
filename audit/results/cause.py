"""What a trouble of a domain comes from: the place where it is one incident with all that share it.

Pure: by the findings and the evidence of one audit.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from audit.models import Incident
from audit.results import name_servers
from audit.results.evidence import dict_of, dicts_of, texts_of
from collectors.base import CheckResult, Finding, Severity, Status
from collectors.causes import OF_THE_SERVER
from collectors.server.own_names import ROWS
from collectors.stored import Evidence

Kind = Incident.Kind
WRONG = (Status.WARN, Status.FAIL)
SHARED_BY = 3  # domains with the same thing and the same kind of fault make it the cause

# What a portal's row may say although domains are measured through it.
MEASURED = {"server_clock_off"}

# What we measure through, by the codes that say that it is away; and the checks that, where they
# are answered, say that it is not.
AWAY = {
    "portal_timeout": Kind.PORTAL,
    "portal_unreachable": Kind.PORTAL,
    "portal_auth": Kind.PORTAL,
    "portal_error": Kind.PORTAL,
    "portal_bad_response": Kind.PORTAL,
    "portal_busy": Kind.PORTAL,
    "resolver_down": Kind.RESOLVER,
    "dns_unreachable": Kind.RESOLVER,
}
ANSWERS = {
    Kind.PORTAL: ("carbonio", "nginx_vhost"),
    Kind.RESOLVER: ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc"),
    Kind.NAME_SERVER: (name_servers.CHECK,),
}

_NO_ANSWER = {
    "webmail_bad_response",
    "webmail_host_unreachable",
    "webmail_refused",
    "webmail_reset",
    "webmail_timeout",
}
_NO_SERVICE = {502, 503, 504}  # statuses of a proxy that has nothing behind it
_MAIL_HOST = {"mx_target_is_cname", "mx_target_private", "mx_target_unresolvable"}
# faults of the very certificate, whichever name it is served for
_CERTIFICATE = {
    "cert_about_to_expire",
    "cert_chain_incomplete",
    "cert_expired",
    "cert_name_mismatch",
    "cert_not_lets_encrypt",
    "cert_not_yet_valid",
    "cert_renewal_overdue",
    "cert_self_signed",
    "cert_staging",
    "cert_untrusted",
    "cert_weak_key",
}


class Place(NamedTuple):
    """Where a trouble belongs: `kind` and `key` of its incident; `subject`: what it is about."""

    kind: Incident.Kind
    key: str
    subject: str = ""


class Cause(NamedTuple):
    """The cause of a trouble: its place, and where it belongs instead once several share it."""

    place: Place
    check_id: str
    finding: Finding
    shared: Place | None = None

    def belongs_to(self, kind: str, key: str) -> bool:
        """Whether an incident of that kind and key is one of this cause. Name servers that fall
        silent with many others are our resolver's, see `lost_upstream`."""
        if self.place.kind == Kind.NAME_SERVER and kind == Kind.RESOLVER:
            return True
        return any(p and (p.kind, p.key) == (kind, key) for p in (self.place, self.shared))


def cause_of(
    domain_id: int, tenant_id: int, check_id: str, results: Mapping[str, CheckResult]
) -> Cause | None:
    """The cause of the worst finding of a check that is not ok; None for one that has none.

    A finding that follows from another is followed to it, within this audit.
    """
    finding = _worst(results[check_id])
    for _step in results:  # a chain is no longer than the checks, even if it were a circle
        if finding is None or (because := finding.because) is None:
            break
        if because.check_id.startswith("server_") or because.check_id in ROWS:
            return _server(tenant_id, because.check_id, finding)
        check_id = because.check_id
        seen = results[check_id].findings if check_id in results else ()
        found = next((f for f in seen if f.code == because.code), None)
        if found is None:
            break
        finding = found
    if finding is None:
        return None
    if on_server := OF_THE_SERVER.get((check_id, finding.code)):
        return _server(tenant_id, on_server.check_id, finding)
    place = Place(Kind.CHECK, f"{domain_id}:{check_id}")
    evidence = results[check_id].evidence if check_id in results else {}
    return Cause(place, check_id, finding, _shared(finding, evidence))


def server_place(tenant_id: int, row: str) -> Place:
    """Where a row of a tenant's server card belongs. A portal that does not answer is one cause,
    whether the card says so or the domains that could not be measured."""
    if row == "server_portal":
        return Place(Kind.PORTAL, str(tenant_id))
    return Place(Kind.SERVER, f"{tenant_id}:{row}", row)


def away(tenant_id: int, results: Mapping[str, CheckResult]) -> dict[Incident.Kind, Cause]:
    """{what we measure through and did not reach: the cause, with what says so}. Of name servers
    nothing can be said while our resolver is away."""
    found: dict[Incident.Kind, Cause] = {}
    for check_id, result in results.items():
        if result.status == Status.UNKNOWN:
            for finding in result.findings:
                if finding.severity == Severity.UNKNOWN and (kind := AWAY.get(finding.code)):
                    found.setdefault(kind, Cause(_away_place(kind, tenant_id), check_id, finding))
    if Kind.RESOLVER not in found and (silent := name_servers.silent(results)):
        found[Kind.NAME_SERVER] = servers_cause(*silent)
    return found


def answered(kind: Incident.Kind, results: Mapping[str, CheckResult]) -> bool:
    """Whether something was measured through it in this audit."""
    if kind == Kind.NAME_SERVER:
        return name_servers.answered(results)
    return any(c in results and results[c].status != Status.UNKNOWN for c in ANSWERS[kind])


RESOLVER = Place(Kind.RESOLVER, "resolver")


def _away_place(kind: Incident.Kind, tenant_id: int) -> Place:
    return Place(kind, str(tenant_id)) if kind == Kind.PORTAL else RESOLVER


def servers_cause(servers: Sequence[str], code: str) -> Cause:
    """Where it belongs that these name servers fail in this way: all of them together are one."""
    finding = name_servers.finding_of(code, servers)
    key, subject = ", ".join(servers)[:300], name_servers.short(servers)[:255]
    return Cause(Place(Kind.NAME_SERVER, key, subject), name_servers.CHECK, finding)


def _server(tenant_id: int, row: str, finding: Finding) -> Cause:
    return Cause(server_place(tenant_id, row), row, finding)


def _worst(result: CheckResult) -> Finding | None:
    """The first of the worst: findings stand in that order."""
    finding = result.findings[0] if result.findings else None
    return finding if finding and finding.severity in (Severity.WARN, Severity.FAIL) else None


def _shared(finding: Finding, evidence: Evidence) -> Place | None:
    """What other domains may share and that explains such a finding."""
    code = finding.code
    no_service = code == "webmail_status" and finding.message.params.get("status") in _NO_SERVICE
    if code in _NO_ANSWER or no_service:
        return _thing(Kind.ADDRESS, ", ".join(sorted(texts_of(evidence.get("addresses")))))
    if code in _MAIL_HOST:
        return _thing(Kind.MAIL_HOST, _broken_host(evidence))
    if code in _CERTIFICATE:
        served = dict_of(dict_of(evidence.get("served")).get("certificate"))
        return _thing(Kind.CERTIFICATE, str(served.get("sha256") or ""))
    return None


def _broken_host(evidence: Evidence) -> str:
    """The first of the exchanges that leads nowhere, or is an alias."""
    for exchange in dicts_of(evidence.get("exchanges")):
        addresses = set(texts_of(exchange.get("addresses")))
        if exchange.get("alias_of") or not addresses - set(texts_of(exchange.get("unreachable"))):
            return str(exchange.get("host") or "")
    return ""


def _thing(kind: Incident.Kind, name: str) -> Place | None:
    return Place(kind, name[:300], name[:255]) if name else None
