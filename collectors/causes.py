"""One cause, one finding that counts: which findings of a domain follow from one of another check.

A finding that follows from another is gone when that one is cured. It stays and counts as before,
and names its cause in `because`. Those that rest on a broken name of the tenant's own have theirs
from their check already. What the portal says at a domain and is so for its whole server has its
cause in the row of the server card that says it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from collectors.base import Cause, CheckResult, Finding, Target
from collectors.server.portal import PROXY_CONFIG, PROXY_DOWN, SERVICES_DOWN

_NO_CERTIFICATE = {"cert_missing", "cert_unreachable"}
# Where another site answers, all that is said of its certificate and its page is about that site.
_OF_ANOTHER_SITE = {"cert_missing", "cert_name_mismatch", "cert_self_signed"}
_CERTIFICATE = {
    *_NO_CERTIFICATE,
    *_OF_ANOTHER_SITE,
    "cert_about_to_expire",
    "cert_chain_incomplete",
    "cert_expired",
    "cert_node_differs",
    "cert_not_lets_encrypt",
    "cert_not_yet_valid",
    "cert_renewal_overdue",
    "cert_served_differs",
    "cert_staging",
    "cert_untrusted",
    "cert_weak_key",
}
_PAGE = {
    "webmail_bad_response",
    "webmail_default_page",
    "webmail_empty",
    "webmail_node_differs",
    "webmail_not_a_page",
    "webmail_not_https",
    "webmail_redirect_blocked",
    "webmail_redirect_insecure",
    "webmail_redirect_loop",
    "webmail_redirect_offsite",
    "webmail_redirect_unresolvable",
    "webmail_status",
    "webmail_tls",
    "webmail_unavailable",
}
_NO_TLS = {"webmail_bad_response", "webmail_refused", "webmail_reset", "webmail_tls"}
_NO_SERVER = {
    "webmail_host_unreachable",
    "webmail_refused",
    "webmail_reset",
    "webmail_timeout",
    "webmail_tls",
}
# (check, code) of what is said at every domain of a server → the row of the server card
OF_THE_SERVER = {
    ("carbonio", "carbonio_service_down"): SERVICES_DOWN,
    ("nginx_vhost", "nginx_config_broken"): PROXY_CONFIG,
    ("nginx_vhost", "nginx_down"): PROXY_DOWN,
}


@dataclass(frozen=True)
class _Rule:
    """From `code` of `check_id` follow these codes of other checks."""

    check_id: str
    code: str
    effects: Mapping[str, set[str]]


_RULES = (  # a cause stands before what it causes, and the first that fits counts
    _Rule("webmail_http", "webmail_name_missing", {"cert_le": _NO_CERTIFICATE}),
    _Rule("webmail_http", "webmail_address_private", {"cert_le": _NO_CERTIFICATE}),
    _Rule("webmail_http", "webmail_elsewhere", {"cert_le": _NO_CERTIFICATE}),
    _Rule("nginx_vhost", "nginx_down", {"cert_le": _NO_CERTIFICATE, "webmail_http": _NO_SERVER}),
    _Rule("nginx_vhost", "vhost_missing", {"cert_le": _CERTIFICATE, "webmail_http": _PAGE}),
    _Rule("nginx_vhost", "vhost_name_mismatch", {"cert_le": _CERTIFICATE, "webmail_http": _PAGE}),
    _Rule("nginx_vhost", "vhost_no_tls", {"cert_le": _NO_CERTIFICATE, "webmail_http": _NO_TLS}),
    *(
        _Rule("cert_le", code, {"webmail_http": {"webmail_tls"}})
        for code in (
            "cert_expired",
            "cert_not_yet_valid",
            "cert_name_mismatch",
            "cert_self_signed",
            "cert_staging",
            "cert_chain_incomplete",
            "cert_untrusted",
            "cert_missing",
        )
    ),
    _Rule("cert_le", "cert_node_differs", {"webmail_http": {"webmail_node_differs"}}),
)


def link(results: Mapping[str, CheckResult], target: Target) -> dict[str, CheckResult]:
    """The results of all checks of a domain, with `because` filled in where a finding follows."""
    linked = dict(results)
    for (check_id, code), row in OF_THE_SERVER.items():
        if check_id in linked:
            linked[check_id] = _because(linked[check_id], {code}, row)
    for rule in (*_of_no_domain(results, target), *_RULES):
        cause = _finding(linked, rule.check_id, rule.code)
        if cause is None:
            continue
        because = cause.because or Cause(rule.check_id, rule.code)
        for check_id, codes in rule.effects.items():
            if check_id in linked and _applies(rule, linked[check_id]):
                linked[check_id] = _because(linked[check_id], codes, because)
    return linked


def _of_no_domain(results: Mapping[str, CheckResult], target: Target) -> tuple[_Rule, ...]:
    """Where a domain does not exist, nothing does below it (RFC 8020).

    Where it is an alias of a name that does not exist, that is so for the domain alone.
    """
    if (mx := results.get("dns_mx")) is None:
        return ()
    effects = {"dns_spf": {"spf_missing"}}
    if "alias_of" not in mx.evidence:
        effects |= {"dns_dkim": {"dkim_missing"}, "dns_dmarc": {"dmarc_missing"}}
        host = urlsplit(target.webmail).hostname or ""
        if host == target.domain or host.endswith(f".{target.domain}"):
            effects["webmail_http"] = {"webmail_name_missing"}
    return (_Rule("dns_mx", "mx_domain_not_found", effects),)


def _finding(results: Mapping[str, CheckResult], check_id: str, code: str) -> Finding | None:
    findings = results[check_id].findings if check_id in results else ()
    return next((f for f in findings if f.code == code), None)


def _applies(rule: _Rule, effect: CheckResult) -> bool:
    """Whether the findings of a check can follow, by what else it has seen."""
    if rule.effects[effect.check_id] is _CERTIFICATE:  # a certificate for this host does not
        return any(f.code in _OF_ANOTHER_SITE | _NO_CERTIFICATE for f in effect.findings)
    if rule.code == "cert_node_differs":  # only where TLS is all that differs in the visits
        nodes = effect.evidence.get("nodes", {}).values()
        differing = [f for f in effect.findings if f.code == "webmail_node_differs"]
        return len(differing) == 1 and any("webmail_tls" in node["findings"] for node in nodes)
    return True


def _because(result: CheckResult, codes: set[str], cause: Cause) -> CheckResult:
    findings = tuple(
        replace(f, because=cause) if f.code in codes and f.because is None else f
        for f in result.findings
    )
    return replace(result, findings=findings)
