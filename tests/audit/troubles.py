"""Audits with troubles for tests of incidents: `audit(domain, dns_mx=fault("mx_missing"))`."""

from datetime import timedelta

from django.utils import timezone

from audit.models import AuditDomain, Incident, ServerCheck, TenantCounts
from audit.results import store
from audit.results.incident_cards import server_changed
from collectors.base import Cause, CheckResult, Finding, Outcome, Owner, Severity
from collectors.registry import core_checks
from collectors.text import _
from tests.audit import factories as make

AWAY = {
    "portal_unreachable": ("carbonio", "nginx_vhost"),
    "resolver_down": ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc", "webmail_http"),
}


def fault(code, *, severity="fail", because=None, owner=Owner.CUSTOMER, message="", **evidence):
    """What a check finds; `because`: (check_id, code) of what it follows from."""
    text = _(message) if message else _("There is {code}.", code=code)
    return code, severity, because, owner, text, evidence


def all_ok(at=None):
    return {c: _result(c, None, at) for c in core_checks()}


def found(at=None, **faults):
    """The results of a whole audit; `faults`: {check_id: fault(…)}, the others are ok."""
    return {c: _result(c, faults.get(c), at) for c in core_checks()}


def unmeasured(code, at=None):
    """The results of an audit that could not look, as what it looks through is away."""
    return found(
        at, **dict.fromkeys(AWAY[code], fault(code, severity="unknown", owner="measurement"))
    )


def _result(check_id, trouble, at):
    message, findings, evidence = _("All is well."), [], {}
    if trouble:
        code, severity, because, owner, message, evidence = trouble
        cause = Cause(*because) if because else None
        finding = Finding(code, Severity(severity), message, Owner(owner), None, cause)
        findings = [finding]
    return CheckResult.of(
        check_id,
        Outcome(message, findings, evidence),
        checked_at=at or timezone.now(),
        duration_ms=3,
    )


def audit(domain, results=None, *, at=None, asked=False, **faults):
    """Record one audit of a domain; `asked`: by a person, for this domain alone."""
    if asked:
        AuditDomain.objects.filter(pk=domain.pk).request_audit(
            timezone.now() - timedelta(seconds=1)
        )
    results = found(at, **faults) if results is None else results
    assert store.record(domain, results, begun_at=timezone.now())
    domain.refresh_from_db()
    return domain


def settled(name=None, tenant=None, **fields):
    """A domain that was all right, twice: what begins now is its first trouble."""
    domain = make.make_domain(name, tenant, onboarding=False, **fields)
    audit(domain)
    return audit(domain)


def incidents(state="open", **of):
    """`[(kind, key, domains now)]` of the incidents in this state."""
    rows = Incident.objects.filter(**of).order_by("pk")
    if state != "all":
        rows = rows.filter(closed_at__isnull=state == "open")
    return [(i.kind, i.key, i.domains_now) for i in rows]


def mx_incident(domain, n=1):
    return ("check", f"{domain.pk}:dns_mx", n)


# {kind: (the check, its trouble at the nth domain, what the domains share)}
SHARED = {
    "address": (
        "webmail_http",
        lambda n: fault(
            ["webmail_refused", "webmail_timeout"][n % 2], addresses=["192.0.2.80"], owner="host"
        ),
        "192.0.2.80",
    ),
    "mail_host": (
        "dns_mx",
        lambda n: fault(
            "mx_target_unresolvable",
            exchanges=[
                {"host": f"mx.c{n}.pt", "addresses": ["192.0.2.1"], "unreachable": []},
                {"host": "mx.old.example", "addresses": [], "unreachable": []},
            ],
        ),
        "mx.old.example",
    ),
    "certificate": (
        "cert_le",
        lambda n: fault(
            "cert_expired", owner="host", served={"certificate": {"sha256": "ab" * 32}}
        ),
        "ab" * 32,
    ),
}


def judged(tenant, check_id, status, code="", at=None):
    """A row of a server card as its recording has it, told to the seam."""
    at = at or timezone.now()
    findings = [{"code": code, "severity": status, "owner": "host", "message": "It is down."}]
    before = ServerCheck.objects.filter(tenant=tenant, check_id=check_id).first()
    after, _made = ServerCheck.objects.update_or_create(
        tenant=tenant,
        check_id=check_id,
        defaults={
            "status": status,
            "message": "It is down.",
            "findings": findings if code else [],
            "checked_at": at,
            "since": at,
        },
    )
    server_changed(tenant.pk, {check_id: before}, {check_id: after})


def assert_true_to_rows():
    """The kept numbers are those of the rows."""
    for incident in Incident.objects.all():
        open_ = incident.members.filter(left_at=None)
        now = open_.values("domain").distinct().count()
        assert incident.domains_now == now, incident
        assert incident.domains_most >= now
        if incident.closed_at:
            assert now == 0
        elif not incident.held:
            assert now
    assert AuditDomain.objects.count_anew(TenantCounts.objects.values_list("pk", flat=True)) == 0


def servers_silent(*servers, code="dns_timeout", domain="cliente.pt", at=None):
    """The results of an audit of a domain whose name servers failed."""
    lookups = [{"name": domain, "type": "MX", "result": code}]
    seen = {"lookups": lookups, "zone": domain, "name_servers": sorted(servers)}
    failed = fault(code, severity="unknown", owner="measurement", **seen)
    of_others = fault(code, severity="unknown", owner="measurement")
    return found(at, dns_mx=failed, dns_spf=of_others, dns_dmarc=of_others)
