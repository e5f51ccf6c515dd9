"""`run_audit --format nagios`: one line with performance data, and the exit statuses of plugins."""

import os
import re
import subprocess
import sys

import pytest

from audit.management import nagios
from audit.models import AuditCheck, AuditDomain, Tenant
from tests.audit import factories as make
from tests.audit.management.test_run_audit import ZONE, run
from tests.installation import ROOT

__all__ = ["ZONE"]  # which the DNS server of these tests has
LABEL = re.compile(
    r"([a-z]+)=(-?[\d.]+)(s?)(?:;([\d:.@~]*))?(?:;([\d:.@~]*))?(?:;(\d*))?(?:;(\d*))?"
)


def read(out):
    """(word, text, {label: (value, warn, crit, min, max)}, long output) of an answer."""
    first, *more = out.rstrip("\n").split("\n")
    assert out.count("|") == 1, out
    text, _pipe, numbers = first.partition(" | ")
    word, _dash, text = text.partition(" - ")
    found = {}
    for part in numbers.split(" "):
        label, value, _unit, warn, crit, low, high = LABEL.fullmatch(part).groups()
        found[label] = (float(value), warn or "", crit or "", low or "", high or "")
    return word, text, found, more


@pytest.fixture
def tenant(db):
    return make.make_tenant("VM112", mail_hosts=["mx1.host.test"])


def card(domain="a.pt", status="critical", tenant="VM112", **checks):
    rows = [
        {"check_id": c, "title": c.upper(), "status": s, "message": f"Message of {c}."}
        for c, s in checks.items()
    ]
    score = 8 - sum(r["status"] != "ok" for r in rows)
    return {
        "domain": domain, "tenant": {"id": 1, "name": tenant}, "status": status,
        "score": score, "max_score": 8, "checks": rows, "advisory": [],
        "not_measured_here": [],
    }  # fmt: skip


def answered(capsys, *cards, only=None):
    """(exit status, output)"""
    from django.core.management.base import OutputWrapper

    plugin = nagios.Plugin(OutputWrapper(sys.stdout), only)
    for one in cards:
        plugin.add(one)
    with pytest.raises(SystemExit) as end:
        plugin.answer()
    return end.value.code, capsys.readouterr().out


@pytest.mark.usefixtures("dns")
def test_one_domain_that_is_not_registered(db):
    code, out, _err = run("other.test", "--format", "nagios")
    word, text, numbers, more = read(out)
    assert (code, word) == (2, "CRITICAL")
    assert text.startswith("other.test 0/8: ") or re.match(r"other\.test \d/8: ", text)
    assert numbers["score"][1:] == ("8:", "", "0", "8")
    assert numbers["critical"] == (1, "", "0", "0", "1")
    assert numbers["time"][0] > 0 and len(more) >= 3
    assert not AuditDomain.objects.exists()


@pytest.mark.usefixtures("dns")
def test_several_that_are_registered_are_saved(tenant):
    for name in ("kunde.test", "other.test"):
        make.make_domain(name, tenant)
    code, out, _err = run("--all", "--format", "nagios")
    word, text, numbers, _more = read(out)
    assert (code, word) == (2, "CRITICAL") and "2 critical: " in text
    assert numbers["critical"] == (2, "", "0", "0", "2") and "score" not in numbers
    assert AuditCheck.objects.filter(domain__tenant=tenant).count() == 16


@pytest.mark.usefixtures("dns")
def test_the_checks_that_are_asked_for_decide(tenant):
    code, out, _err = run("kunde.test", "--check", "dns_dmarc", "--format", "nagios")
    word, text, numbers, more = read(out)
    assert (code, word, text, more) == (0, "OK", "kunde.test", [])
    assert "score" not in numbers


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["not a domain"],
        ["a.test", "--tenant", "nobody"],
        ["--all"],
        ["a.test", "--check", "nothing"],
        ["a.test", "--json"],
    ],
)
def test_wrong_usage_is_unknown_and_no_alarm(db, args):
    code, out, _err = run(*args, "--format", "nagios")
    assert code == 3 and out.startswith("UNKNOWN - ") and out.count("\n") == 1


@pytest.mark.parametrize(
    "status, code, word",
    [
        ("healthy", 0, "OK"),
        ("warning", 1, "WARNING"),
        ("critical", 2, "CRITICAL"),
        ("unknown", 3, "UNKNOWN"),
    ],
)
def test_the_exit_status_is_that_of_the_domain(capsys, status, code, word):
    found, out = answered(capsys, card(status=status, dns_spf="ok"))
    assert (found, out.split(" - ")[0]) == (code, word)


def test_the_worst_of_several_comes_first_and_decides(capsys):
    cards = [
        card("d.pt", "healthy", dns_spf="ok"),
        card("c.pt", "unknown", dns_spf="unknown"),
        card("b.pt", "warning", dns_spf="warn"),
        card("a.pt", "critical", dns_spf="fail", dns_mx="fail"),
    ]
    code, out = answered(capsys, *cards)
    _word, text, numbers, more = read(out)
    assert code == 2
    assert text == (
        "1 critical, 1 warning, 1 unknown, 1 ok: a.pt (DNS_SPF, DNS_MX), b.pt (DNS_SPF), "
        "c.pt (DNS_SPF)"
    )
    assert [numbers[n][0] for n in ("critical", "warning", "unknown", "ok")] == [1, 1, 1, 1]
    assert more[0] == "a.pt (VM112): CRITICAL" and more[1] == "DNS_SPF: Message of dns_spf."
    assert answered(capsys, *cards[:2])[0] == 3
    assert answered(capsys, *cards[:3])[0] == 1


def test_what_records_say_breaks_neither_line_nor_numbers(capsys):
    bad = card(dns_spf="fail")
    bad["checks"][0]["message"] = "v=spf1 | critical=0\n\x1b[31m| time=0s\r\n\u202eevil\u2028x"
    _code, out = answered(capsys, bad)
    _word, _text, numbers, more = read(out)
    assert numbers["critical"][0] == 1
    assert more == ["DNS_SPF: v=spf1 / critical=0 [31m/ time=0s evil x"]


def test_many_domains_fit_into_what_is_taken(capsys):
    cards = [card(f"{'x' * 50}{n}.pt", dns_spf="fail", dns_mx="fail") for n in range(1000)]
    code, out = answered(capsys, *cards)
    _word, text, numbers, more = read(out)
    assert code == 2 and len(text) <= 200 and text.endswith("...")
    assert numbers["critical"][0] == 1000
    assert len(out.encode()) <= nagios.OUTPUT and re.fullmatch(r"\+\d+", more[-1])
    assert len(more) - 1 + int(more[-1][1:]) == 3000


def test_nothing_audited_is_unknown(capsys):
    assert answered(capsys) == (3, "UNKNOWN - no domain was audited\n")


@pytest.mark.parametrize(
    "args, env, said",
    [
        (["--nonsense"], {}, "unrecognized arguments"),
        (["a.test"], {"AUDIT_WORKERS": "many"}, "AUDIT_WORKERS"),
        (["--all"], {"DATABASE_URL": "sqlite:////dev/null/x"}, "DATABASE_URL"),
        (["--all"], {}, "the database is not ready"),
    ],
)
def test_as_a_process_it_says_what_is_wrong_with_us(tmp_path, args, env, said):
    """Anything but 3 would be an alarm about the domains."""
    command = [sys.executable, "manage.py", "run_audit", "--format", "nagios", *args]
    env = {
        **os.environ, "SECRET_KEY": "k" * 60, "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3",
        **env,
    }  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done
    assert done.stdout.startswith("UNKNOWN - ") and said in done.stdout
    assert done.stdout.count("\n") == 1


@pytest.mark.usefixtures("dns")
def test_a_fault_of_ours_is_unknown_too(db, monkeypatch):
    monkeypatch.setattr("audit.management.commands.run_audit.collect", lambda *a, **o: 1 / 0)
    code, out, _err = run("other.test", "--no-save", "--format", "nagios")
    assert code == 3 and out.startswith("UNKNOWN - ZeroDivisionError")


@pytest.mark.usefixtures("dns")
def test_ctrl_c_is_unknown(tenant, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("audit.queue.command_claims.CommandClaims.results", interrupted)
    make.make_domain("kunde.test", tenant)
    code, out, _err = run("--all", "--format", "nagios")
    assert (code, out) == (3, "UNKNOWN - Interrupted: 0 of 1 domains were audited.\n")
    assert Tenant.objects.exists()


NOT_HERE = "Not measured here: Carbonio, nginx virtual host. This server has no portal, on purpose."


@pytest.mark.usefixtures("dns")
def test_without_a_portal_the_highest_score_is_six_and_what_is_not_measured_is_said(tenant):
    Tenant.objects.update(without_portal=True)
    make.make_domain("kunde.test", tenant)
    _code, out, _err = run("kunde.test", "--format", "nagios")
    _word, text, numbers, more = read(out)
    assert re.match(r"kunde\.test \d/6: ", text) and numbers["score"][1:] == ("6:", "", "0", "6")
    assert more[-1] == NOT_HERE and "Carbonio" not in text
    code, out, _err = run("kunde.test", "--check", "carbonio", "--format", "nagios")
    assert (code, read(out)[3]) == (3, [NOT_HERE]), "asked for alone, nothing is known of it"
