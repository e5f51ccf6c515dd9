"""The run_audit command, against a real DNS server on loopback."""

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.utils import timezone

from audit.management.console import Report
from audit.models import AuditCheck, AuditDomain, AuditRun, Tenant
from audit.queue import claim_owner, command_claims
from audit.results import store
from collectors.registry import core_checks
from tests.audit.check_results import results
from tests.installation import ROOT

pytestmark = pytest.mark.usefixtures("dns")

ZONE = {
    "names": {
        "kunde.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 include:_spf.host.test -all"]},
        "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 -all"]},
        "mx1.host.test": {"A": ["127.0.0.2"]},
        "_dmarc.kunde.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:a@kunde.test"]},
        "other.test": {"TXT": ["nothing"]},
    },
    "rules": [{"name": "mute.test", "action": "servfail"}],
}


@pytest.fixture
def tenant(db):
    return Tenant.objects.create(
        name="VM112",
        mail_hosts=["mx1.host.test"],
        sending_ips=["203.0.113.25"],
        spf_include="_spf.host.test",
    )


def run(*args):
    """(exit status, stdout, stderr)"""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("run_audit", *args, stdout=out, stderr=err, no_color=True)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


def cards(*args):
    code, out, _err = run(*args, "--json")
    return code, json.loads(out)


def test_a_registered_domain_is_audited_and_saved(tenant):
    domain = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    code, (card,) = cards("kunde.test")
    assert [c["check_id"] for c in card["checks"]] == core_checks()
    assert card["checks"][3]["status"] == "ok", card["checks"][3]
    assert AuditCheck.objects.filter(domain=domain).count() == 8
    assert AuditRun.objects.get().trigger == "cli"
    assert code == (card["status"] == "critical")


def test_any_other_domain_is_looked_at_and_not_saved(tenant):
    code, (card,) = cards("other.test")
    assert code == 1 and card["tenant"] is None and card["status"] == "critical"
    assert not AuditDomain.objects.exists() and not AuditCheck.objects.exists()


@pytest.mark.django_db
def test_it_works_without_any_tenant():
    code, (card,) = cards("other.test")
    assert code == 1 and card["domain"] == "other.test"
    assert (
        next(c for c in card["checks"] if c["check_id"] == "carbonio")["findings"][0]["code"]
        == "portal_not_configured"
    )


def test_an_unregistered_domain_is_held_against_the_tenant_that_is_named(tenant):
    _code, (card,) = cards("other.test", "--tenant", "VM112")
    assert card["tenant"]["name"] == "VM112"
    assert not AuditDomain.objects.exists()


def test_add_registers_first_and_no_save_saves_nothing(tenant):
    cards("kunde.test", "--add")
    assert AuditDomain.objects.get().source == "manual"
    AuditCheck.objects.all().delete()
    cards("kunde.test", "--no-save")
    assert not AuditCheck.objects.exists()


def test_only_the_checks_that_are_named_are_run_and_listed(tenant):
    AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    _code, (card,) = cards("kunde.test", "--check", "dns_mx", "--check", "dns_spf")
    assert [c["check_id"] for c in card["checks"]] == ["dns_mx", "dns_spf"]
    assert AuditCheck.objects.count() == 2


def test_all_audits_every_enabled_domain_of_the_tenant_named(tenant):
    AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    AuditDomain.objects.create(tenant=tenant, domain="other.test", enabled=False)
    AuditDomain.objects.create(tenant=Tenant.objects.create(name="second"), domain="mute.test")
    assert [c["domain"] for c in cards("--all", "--tenant", "VM112")[1]] == ["kunde.test"]
    assert {c["domain"] for c in cards("--all")[1]} == {"kunde.test", "mute.test"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ([], "nothing to do"),
        (["--all"], "nothing to do"),
        (["not a domain"], "not a domain"),
        (["$(id)"], "domain"),
        (["127.0.0.1"], "address"),
        (["kunde.test", "--tenant", "nobody"], "nobody"),
        (["kunde.test", "--check", "dns_nonsense"], "dns_nonsense"),
        (["kunde.test", "--all"], "--all"),
        (["--all", "--add"], "--add"),
        (["kunde.test", "--add", "--no-save"], "--add"),
    ],
)
def test_wrong_usage_is_one_line_and_2(tenant, args, says):
    """Cases 170, 171."""
    code, out, err = run(*args)
    assert code == 2 and out == ""
    assert says in err and err.strip().count("\n") == 0


def test_json_is_all_that_stands_on_stdout(tenant):
    """Case 174."""
    _code, out, _err = run("other.test", "kunde.test", "--json")
    assert [card["domain"] for card in json.loads(out)] == ["kunde.test", "other.test"]


def test_the_table_says_check_status_message_and_fix(tenant):
    AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    _code, out, _err = run("kunde.test", "other.test", "--tenant", "VM112")
    assert "MX" in out and "✓ ok" in out and "✗ fails" in out
    assert "add TXT other.test" in out and "v=spf1 include:_spf.host.test" in out


def test_the_json_names_what_a_finding_follows_from(tenant):
    AuditDomain.objects.create(tenant=tenant, domain="gone.test")
    for saved in ([], ["--no-save"]):
        _code, (card,) = cards("gone.test", *saved)
        causes = {f["code"]: f["because"] for c in card["checks"] for f in c["findings"]}
        no_domain = {"check_id": "dns_mx", "code": "mx_domain_not_found"}
        assert causes["mx_domain_not_found"] is None
        assert causes["spf_missing"] == causes["dmarc_missing"] == no_domain


@pytest.mark.parametrize("columns", ["100", "40"])
def test_effects_stand_below_their_cause(monkeypatch, columns):
    """The domain does not exist: what is missing below it is shown under that, with the cause."""
    monkeypatch.setenv("COLUMNS", columns)
    finding = {"code": "c", "severity": "fail", "owner": "customer", "fix": None}
    because = {"check_id": "dns_mx", "code": "mx_domain_not_found"}
    checks = [
        ("dns_mx", "MX", [{**finding, "message": "no domain", "because": None}]),
        ("dns_spf", "SPF", [{**finding, "message": "no spf"}]),
        ("dns_dkim", "DKIM", [{**finding, "message": "no key", "because": because}]),
    ]
    out = io.StringIO()
    report = Report(stdout=OutputWrapper(out), stderr=OutputWrapper(io.StringIO()), color=False)
    rows = [
        {"check_id": c, "title": t, "status": "fail", "message": f[0]["message"], "findings": f}
        for c, t, f in checks
    ]
    report.add({"domain": "d.test", "unicode": "d.test", "tenant": None, "score": 0, "max_score": 8,
                "status": "critical", "checks": rows, "advisory": [],
                "not_measured_here": []})  # fmt: skip
    report.end()
    shown = " ".join(out.getvalue().split())
    assert shown.index("no domain") < shown.index("no key") < shown.index("no spf")
    assert "no key (follows from: MX)" in shown and "no spf (" not in shown
    assert "↳" in shown


@pytest.mark.parametrize("columns", ["100", "40"])
def test_the_fixes_stand_below_who_makes_them_and_values_are_never_wrapped(
    tenant, monkeypatch, columns
):
    monkeypatch.setenv("COLUMNS", columns)
    _code, out, _err = run("other.test", "--tenant", "VM112")
    lines = [line.rstrip() for line in out.splitlines()]
    start = lines.index("  What to do (customer)")
    assert lines[start - 1] == ""
    assert any(line.startswith("      + v=spf1 include:_spf.host.test") for line in lines[start:])
    assert max(len(line) for line in lines if line.startswith("    ") and "+ " not in line) <= int(
        columns
    )
    assert ("Check" in out) == (columns == "100")


def test_a_domain_that_is_removed_meanwhile_is_shown_all_the_same(tenant, monkeypatch):
    AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    collect = command_claims.collect

    def removed(jobs, **options):
        for item in collect(jobs, **options):
            AuditDomain.objects.all().delete()
            yield item

    monkeypatch.setattr(command_claims, "collect", removed)
    _code, (card,) = cards("kunde.test")
    assert card["domain"] == "kunde.test" and len(card["checks"]) == 8
    assert not AuditCheck.objects.exists() and not AuditRun.objects.exists()


def test_ctrl_c_saves_what_is_done_and_says_so(tenant, monkeypatch):
    """Case 172."""
    for name in ("kunde.test", "other.test"):
        AuditDomain.objects.create(tenant=tenant, domain=name)
    real = command_claims.collect

    def interrupted(jobs, **options):
        for n, item in enumerate(real(jobs, **{**options, "width": 1})):
            if n == 1:
                raise KeyboardInterrupt
            yield item

    monkeypatch.setattr(command_claims, "collect", interrupted)
    code, out, err = run("--all", "--json")
    assert code == 130
    assert len(json.loads(out)) == 1
    assert AuditDomain.objects.exclude(last_audit_at=None).count() == 1
    assert "1 of 2" in err and "Traceback" not in err


def test_a_database_that_does_not_take_it_ends_with_one_line_and_what_was_done(tenant, monkeypatch):
    from django.db import OperationalError

    for name in ("kunde.test", "other.test"):
        AuditDomain.objects.create(tenant=tenant, domain=name)
    retry_on_db_error, saved = command_claims.retry_on_db_error, []

    def full(loop, act, *args, **options):
        if act is store.record:
            if saved:
                raise OperationalError("database or disk is full")
            saved.append(1)
        return retry_on_db_error(loop, act, *args, **options)

    monkeypatch.setattr(command_claims, "retry_on_db_error", full)
    code, out, err = run("--all", "--json")
    assert code == 1 and len(json.loads(out)) == 1
    assert (
        err == "the database can't be used (database or disk is full): "
        "1 of 2 domains were audited and saved"
    )
    assert not AuditDomain.objects.exclude(claimed_by="").exists()


@pytest.fixture
def held(tenant, monkeypatch):
    """`held(owner, end)`: kunde.test is held by `owner`, and `end(row)` is done when the command
    waits for it."""
    row = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")

    def hold(owner, end):
        AuditDomain.objects.filter(pk=row.pk).claim_given(owner)
        monkeypatch.setattr(command_claims.time, "sleep", lambda _seconds: end(row))
        return row

    return hold


def test_what_a_worker_held_is_audited_anew_as_it_may_have_answered_from_its_cache(held):
    """Case 176."""

    def end(row):
        assert store.record(
            row, results(dns_mx="fail"), begun_at=timezone.now(), owner="elsewhere:1:x"
        )

    row = held("elsewhere:1:x", end)
    _code, out, err = run("kunde.test", "--json")
    (card,) = json.loads(out)
    assert next(c for c in card["checks"] if c["check_id"] == "dns_mx")["status"] == "ok"
    assert err.startswith("Already being audited") and "kunde.test" in err
    row.refresh_from_db()
    assert row.claimed_by == "" and AuditRun.objects.get().done == 1


def test_what_another_command_gave_up_is_audited(held):
    """Case 176."""
    owner = "elsewhere:1:x" + claim_owner.COMMAND
    row = held(owner, lambda row: AuditDomain.objects.filter(pk=row.pk).give_back(owner))
    _code, (card,) = cards("kunde.test")
    assert len(card["checks"]) == 8 and AuditCheck.objects.filter(domain=row).count() == 8


def test_a_command_that_was_killed_blocks_nobody(held):
    row = held(f"{claim_owner.system_name()}:{2**22 + 1}:x{claim_owner.COMMAND}", lambda _row: None)
    _code, (card,) = cards("kunde.test")
    assert len(card["checks"]) == 8
    row.refresh_from_db()
    assert (row.claimed_by, row.attempts) == ("", 0)


def test_a_domain_removed_while_the_command_waits_is_shown_all_the_same(held):
    held("elsewhere:1:x", lambda row: AuditDomain.objects.all().delete())
    _code, (card,) = cards("kunde.test")
    assert len(card["checks"]) == 8 and not AuditCheck.objects.exists()


def test_what_is_not_saved_waits_for_nobody(held):
    held("elsewhere:1:x", lambda row: pytest.fail("it waited"))
    _code, (card,) = cards("kunde.test", "--no-save")
    assert len(card["checks"]) == 8


@pytest.mark.parametrize(
    "command",
    [["run_audit", "kunde.test"], ["run_audit", "--all"], ["create_token", "x"], ["worker"]],
)
def test_a_database_out_of_reach_is_said_in_one_line(command):
    """A domain that may be registered there is not silently looked at and forgotten."""
    import os
    import socket
    import subprocess

    with socket.socket() as closed:  # bound and not listening
        closed.bind(("127.0.0.1", 0))
        url = f"postgres://x@127.0.0.1:{closed.getsockname()[1]}/x"
        env = {**os.environ, "DATABASE_URL": url, "REDIS_URL": "", "SECRET_KEY": "k" * 50}
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 1 and done.stdout == ""
    assert (
        "can't be used" in done.stderr
        and "migrate" not in done.stderr
        and done.stderr.strip().count("\n") == 0
    )


def test_without_tables_it_says_what_to_run(tmp_path):
    """Case 175."""
    import os
    import subprocess

    env = {
        **os.environ,
        "DATABASE_URL": f"sqlite:///{tmp_path}/new.sqlite3",
        "SECRET_KEY": "k" * 50,
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "run_audit", "--all"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "migrate" in done.stderr and done.stderr.strip().count("\n") == 0


def test_without_a_portal_on_purpose_the_two_are_not_listed_and_it_says_so(tenant):
    Tenant.objects.update(without_portal=True)
    domain = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    for args in (["kunde.test"], ["kunde.test", "--no-save"], ["x.test", "--tenant", "VM112"]):
        _code, (card,) = cards(*args)
        assert [c["check_id"] for c in card["checks"]] == core_checks(without_portal=True)
        assert (card["max_score"], card["not_measured_here"]) == (6, ["carbonio", "nginx_vhost"])
    assert domain.checks.count() == 6
    _code, out, _err = run("kunde.test")
    said = " ".join(out.split())
    assert "/6 " in said and "Not measured here: Carbonio, nginx virtual host." in said
    assert cards("kunde.test", "--check", "carbonio")[1][0]["checks"] == []


def test_an_address_that_was_forgotten_is_unknown_with_what_to_set(tenant):
    AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
    _code, out, _err = run("kunde.test")
    assert " ".join(out.split()).count("tick “without a portal” there") == 1, "the fix, once"
