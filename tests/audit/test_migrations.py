"""A database of an earlier version is migrated and goes on."""

import os
import sqlite3
import subprocess
import sys

from tests.installation import ROOT

OLD = """
insert into audit_tenant (id, name, portal_url, portal_token, webhook_secret, mail_hosts,
  sending_ips, spf_include, dkim_selectors, webmail_url, dmarc_rua, language, enabled, created_at)
values (1, 'VM112', '', '', '', '[]', '[]', '', '[]', 'https://webmail.{domain}/', '', 'pt', 1,
  '2026-01-01');
insert into audit_domains (id, tenant_id, domain, source, dkim_selectors, enabled, created_at,
  score, status, severity, needs_customer, needs_host, next_audit_at, claimed_by, attempts,
  last_error)
values
  (1, 1, 'a.pt', 'manual', '[]', 1, '2026-01-01', 8, 'healthy', 3, 0, 0, '2026-01-01', '', 0, ''),
  (2, 1, 'b.pt', 'manual', '[]', 1, '2026-01-01', 0, 'unknown', 2, 0, 0, '2026-01-01', '', 2, '');
insert into audit_transitions (id, domain_id, check_id, from_status, to_status, at, message,
  message_source, evidence_before, evidence_after)
values (1, 1, 'dns_mx', 'ok', 'fail', '2026-01-01 00:00:00', 'gone', '{}', '{"records": ["a"]}',
  '{"records": []}');
insert into audit_checks (id, domain_id, check_id, status, message, message_source, findings,
  evidence, checked_at, since, conclusive_status, duration_ms)
values (1, 1, 'cert_le', 'warn', '', '{}', '[{"code": "cert_weak_key"}]',
  '{"served": {"certificate": {"sha256": "aa", "not_after": "2027-01-26T11:55:12+00:00"}}}',
  '2026-01-01', '2026-01-01', 'warn', 1);
"""
GO_ON = """
from django.utils import timezone
from audit import tasks
from audit.models import *
from audit.results import store
from tests.audit.check_results import results

kept = Seen.objects.filter(domain=1).values_list("kind", "value")
assert set(kept) == {("certificate", "aa"), ("finding", "cert_weak_key")}
assert AuditDomain.objects.get(pk=1).certificate_ends_at.isoformat() == "2027-01-26T11:55:12+00:00"
change = CheckTransition.objects.get()
assert change.processed_at == change.at, "what changed before anything listened is told to nobody"
assert AuditDomain.objects.suspects(timezone.now()) == [2], "a suspect stays one"
for row in AuditDomain.objects.claim("me", [1, 2]):
    assert row.target().portal_facts.dkim_at is None
    assert store.record(row, results(dns_mx="warn"), begun_at=timezone.now(), owner="me")
assert tasks.tick() == 0 and not CheckTransition.objects.filter(processed_at=None).exists()
"""

MANY = """
from datetime import UTC, datetime
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

at = datetime(2026, 1, 1, tzinfo=UTC)
of_then = MigrationExecutor(connection).loader.project_state(
    [("audit", "0014_certificates_and_what_was_seen")]
).apps
Tenant, Domain, Check, Counts = (
    of_then.get_model("audit", n) for n in ("Tenant", "AuditDomain", "AuditCheck", "TenantCounts")
)
CHECKS = ("carbonio", "nginx_vhost", "cert_le", "dns_mx", "dns_spf", "dns_dkim", "dns_dmarc",
          "webmail_http")
KINDS = ("healthy", "critical", "was healthy", "unknown", "never audited")
for tenant in (Tenant.objects.create(name=f"VM{n}") for n in range(2)):
    status = {"healthy": ("healthy", 3), "critical": ("critical", 0), "was healthy": ("warning", 1)}
    domains = [
        Domain(tenant=tenant, domain=f"{kind.replace(' ', '-')}{n}.pt", enabled=n != 7,
               created_at=at, next_audit_at=at, needs_customer=kind in ("critical", "was healthy"),
               needs_host=kind == "critical",
               **dict(zip(("status", "severity"), status.get(kind, ("unknown", 2)))))
        for n in range(130) for kind in KINDS
    ]
    Domain.objects.bulk_create(domains)
    checks = []
    for domain in domains:
        kind = domain.domain.rstrip("0123456789.pt")
        for check in CHECKS if "never" not in kind else ():
            now = {"critical": "fail", "was-heal": "warn", "unknown": "unknown"}
            wrong = next((s for k, s in now.items() if kind.startswith(k)), "ok")
            of = wrong if check == "dns_mx" else "ok"
            checks.append(Check(
                domain=domain, check_id=check, status=of, message="x", checked_at=at, since=at,
                conclusive_status="fail" if of == "unknown" else of, conclusive_at=at,
                last_ok_at=None if kind.startswith(("critical", "unknown")) and of != "ok" else at,
            ))
    Check.objects.bulk_create(checks, batch_size=500)
    Counts.objects.get_or_create(tenant=tenant)
"""
FILLED = """
from datetime import UTC, datetime, timedelta
from django.utils import timezone
from audit.models import *
from audit.notify import outbox
from audit.results import incident_events
from tests.audit.troubles import audit, fault

at, heard = datetime(2026, 1, 1, tzinfo=UTC), []
assert AuditDomain.objects.count() == 1300, "more than two portions"
def of(kind):
    return AuditDomain.objects.filter(domain__startswith=kind)
waits = {"dns_mx": ["fail", 1, int(at.timestamp()) * 10**6, "old"]}
for row in of("critical"):
    assert row.unconfirmed == waits and row.onboarding and not row.not_measured, row.domain
for row in of("unknown"):
    assert row.unconfirmed == waits and row.onboarding and row.not_measured, row.domain
for row in of("was"):
    assert row.unconfirmed["dns_mx"][0] == "warn" and not row.onboarding, row.domain
for row in of("healthy"):
    assert not row.unconfirmed and not row.onboarding and row.first_healthy_at == at, row.domain
for row in of("never"):
    assert not row.unconfirmed and row.onboarding and row.first_healthy_at is None, row.domain
for counts in TenantCounts.objects.all():
    kept = (counts.needs_host, counts.needs_customer, counts.not_measured, counts.onboarding)
    assert kept == (129, 258, 129, 387), kept
assert not Incident.objects.exists()
incident_events.subscribe(lambda incident, event: heard.append(event))
row = audit(of("was").first(), dns_mx=fault("mx_missing", severity="warn"))
assert Incident.objects.get().opened_at == at and not heard, "an old one, told to nobody"
audit(row), audit(row)
assert Incident.objects.get().closed_at and heard == ["closed"]
"""


def test_a_database_from_before_the_rooms_is_migrated_and_goes_on(tmp_path):
    path = tmp_path / "db.sqlite3"
    env = {**os.environ, "DATABASE_URL": f"sqlite:///{path}", "REDIS_URL": ""}

    def manage(*args):
        command = [sys.executable, "manage.py", *args]
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=120)

    manage("migrate", "-v0", "audit", "0003")
    with sqlite3.connect(path) as database:
        database.executescript(OLD)
    manage("migrate", "-v0")
    manage("shell", "-v0", "-c", GO_ON)


def test_domains_from_before_there_were_incidents_are_filled_in_portions(tmp_path):
    """What is wrong waits for one audit more, and is then an incident since it began."""
    url = f"sqlite:///{tmp_path}/db.sqlite3"
    env = {**os.environ, "DATABASE_URL": url, "REDIS_URL": "", "AUDIT_GRACE_DAYS": "7"}

    def manage(*args):
        command = [sys.executable, "manage.py", *args]
        subprocess.run(command, cwd=ROOT, env=env, check=True, timeout=120)

    manage("migrate", "-v0", "audit", "0014")
    manage("shell", "-v0", "-c", MANY)
    manage("migrate", "-v0")
    manage("shell", "-v0", "-c", FILLED)
