"""Plain helpers that make what tests need: tenants, domains with results, users in groups, tokens,
workers.
"""

import itertools
from dataclasses import replace
from datetime import timedelta
from importlib import import_module

from django.contrib.auth.models import Group, Permission, User
from django.utils import timezone

from audit.models import (
    ApiToken,
    AuditDomain,
    PortalDomain,
    PortalSync,
    Tenant,
    WebhookEvent,
    WorkerHeartbeat,
)
from collectors.base import (
    Cause,
    CheckResult,
    DnsRecord,
    Finding,
    Fix,
    Outcome,
    Owner,
    Severity,
    Status,
)
from collectors.text import _

WEBHOOK_SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_number = itertools.count(1)


def make_tenant(name="VM112", **fields):
    """A tenant with mail hosts and a webhook secret."""
    defaults = {
        "mail_hosts": ["mx1.host.test"],
        "sending_ips": ["203.0.113.25"],
        "webhook_secret": WEBHOOK_SECRET,
    }
    return Tenant.objects.create(name=name, **{**defaults, **fields})


def make_domain(name=None, tenant=None, *, checks=None, **fields):
    """A registered domain; audited with `checks` ({check_id: status}, the others ok) if given."""
    tenant = tenant or Tenant.objects.first() or make_tenant()
    domain = AuditDomain.objects.create(
        tenant=tenant, domain=name or f"cliente{next(_number)}.pt", **fields
    )
    return audit(domain, **checks) if checks is not None else domain


def make_domains(count, tenant, *, prefix="firma"):
    """Many domains at once, never audited; in the order of their names."""
    AuditDomain.objects.bulk_create(
        [AuditDomain(tenant=tenant, domain=f"{prefix}{n:06d}.pt") for n in range(count)],
        batch_size=500,
    )
    return AuditDomain.objects.filter(tenant=tenant, domain__startswith=prefix).order_by("domain")


def make_events(count, tenant, *, at=None):
    """Many onboarding events that were processed."""
    at, first = at or timezone.now(), WebhookEvent.objects.count()
    WebhookEvent.objects.bulk_create(
        WebhookEvent(
            tenant=tenant, event_id=f"e{n}", event="x", payload={}, received_at=at, processed_at=at
        )
        for n in range(first, first + count)
    )


def make_difference(tenant, name, kind="proposed", *, state="compared", **fields):
    """A domain that the tenant's portal has and we lack, or lacks and we have (`lost`)."""
    PortalSync.objects.update_or_create(
        tenant=tenant,
        defaults={
            "state": state,
            "asked_at": timezone.now(),
            "listed": 3,
            "compared_at": timezone.now(),
        },
    )
    return PortalDomain.objects.create(tenant=tenant, domain=name, kind=kind, **fields)


def make_result(
    check_id,
    status="ok",
    *,
    message="The sentence about {check}.",
    evidence=None,
    at=None,
    owner=Owner.CUSTOMER,
    fix=None,
):
    """A CheckResult as a collector makes it: what is not ok has a finding with a record."""
    text = _(message, check=check_id)
    fix = fix or Fix(_("Publish the record."), (DnsRecord("TXT", "cliente.pt", "v=spf1 -all"),))
    found = (
        []
        if status == Status.OK
        else [Finding(f"{check_id}_problem", Severity(status), text, owner, fix)]
    )
    outcome = Outcome(text, found, {"seen": check_id} if evidence is None else evidence)
    return CheckResult.of(check_id, outcome, checked_at=at or timezone.now(), duration_ms=12)


def audit(domain, *, at=None, **statuses):
    """Record an audit of this domain through the real write path: the checks named have that
    status, the others are ok.
    """
    from audit.results import store
    from collectors.registry import core_checks

    wanted = {**dict.fromkeys(core_checks(), "ok"), **statuses}
    at = at or timezone.now()
    assert store.record(
        domain, {c: make_result(c, s, at=at) for c, s in wanted.items()}, begun_at=at
    )
    domain.refresh_from_db()
    return domain


def make_user(name=None, *, group=None, staff=True, superuser=False, **fields):
    """A user, by default staff, in the group "Viewers" or "Operators" or in none."""
    user = User.objects.create_user(
        name or f"user{next(_number)}",
        password="correct horse battery",
        is_staff=staff,
        is_superuser=superuser,
        **fields,
    )
    if group:
        user.groups.add(_group(group))
    return user


def make_viewer(name=None):
    return make_user(name, group="Viewers")


def make_operator(name=None):
    return make_user(name, group="Operators")


def make_admin(name=None):
    return make_user(name, superuser=True)


def _group(name):
    """The group of the migration; a test with real transactions empties the tables, then it is made
    again.
    """
    group, created = Group.objects.get_or_create(name=name)
    if created:
        codenames = []
        for migration in ("0002_groups", "0022_triage", "0030_onboarding_ends", "0027_portal_sync"):
            of = import_module(f"audit.migrations.{migration}")
            codenames += [f"view_{model}" for model in of.VIEW]
            codenames += getattr(of, "OPERATE", []) if name == "Operators" else []
        codenames += import_module("audit.migrations.0019_notifications").GROUPS[name]
        group.permissions.set(
            Permission.objects.filter(content_type__app_label="audit", codename__in=codenames)
        )
    return group


def make_token(*scopes, tenant=None, days=None, **fields):
    """The secret of a new token with these scopes (read if none is named)."""
    expires = timezone.now() + timedelta(days=days) if days is not None else None
    name = fields.pop("name", f"script {next(_number)}")
    token, secret = ApiToken.issue(
        name=name, scopes=scopes or ("read",), tenant=tenant, expires_at=expires
    )
    if fields:
        ApiToken.objects.filter(pk=token.pk).update(**fields)
    return secret


def bearer(secret):
    """The headers of a request with a token: `client.get(path, headers=bearer(secret))`."""
    return {"Authorization": f"Bearer {secret}"}


def make_worker(*, seen=None, name="host:1"):
    """A worker that is alive (or was last seen at `seen`)."""
    return WorkerHeartbeat.objects.create(name=name, last_seen=seen or timezone.now())


def make_effect(check_id, cause, *, owner=Owner.CUSTOMER):
    """A CheckResult whose finding follows from that of another check (or from a row of ours)."""
    result = make_result(check_id, "fail", owner=owner)
    because = Cause(cause, f"{cause}_problem")
    return replace(result, findings=tuple(replace(f, because=because) for f in result.findings))
