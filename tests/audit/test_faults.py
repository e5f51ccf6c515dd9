"""What can go wrong around the audits: a bad queue, forged log lines, a pipe that closes, a strange
terminal."""

import io
import json
import logging
import signal
import subprocess
import sys
import threading
import time

import pytest
from django.conf import settings as project
from django.core import checks

from ligbox.logs import OneLine, RateLimitFilter
from mock_tenant.dnsserver import DnsServer
from tests.installation import ROOT, ZONE, Installation, start_process


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"retry": 719}, "under 720"),
        ({"queue_limit": 16}, "tasks run twice"),
        ({"timeout": 300}, "tasks run twice"),
        ({"ack_failures": False}, "ack_failures"),
        ({"max_attempts": 0}, "max_attempts"),
    ],
)
def test_a_queue_that_would_repeat_tasks_is_refused(settings, change, says):
    """Case 148."""
    found = checks.run_checks(app_configs=None)
    assert not [e for e in found if e.id.startswith("audit.E")]
    settings.Q_CLUSTER = {**project.Q_CLUSTER, **change}
    (error,) = [e for e in checks.run_checks() if e.id in ("audit.E001", "audit.E002")]
    assert says in error.msg


def test_a_line_break_in_what_is_logged_stays_in_one_line():
    """Case 168."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    log = logging.Logger("test")
    log.addHandler(handler)
    log.warning("Not Found: %s", "/report/KEY:a-b_c/?x=1 /reports/")
    assert out.getvalue() == "WARNING Not Found: /report/-/?x=1 /reports/\n"
    out.truncate(out.seek(0))
    log.warning("the domain %s", "a.pt\n2026-11-24 ERROR forged\r\x1b[31m\u2028end")
    try:
        raise ValueError("first\nERROR forged")
    except ValueError:
        log.exception("header %r", "X: 1\r\nY: 2")
    lines = out.getvalue().splitlines()
    assert lines[0] == "WARNING the domain a.pt\\n2026-11-24 ERROR forged\\r\\x1b[31m\\u2028end"
    assert [line for line in lines if not line.startswith(" ")] == lines[:2]


def test_a_message_that_repeats_is_logged_once_a_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    seldom = RateLimitFilter()

    def passes(text, name="django-q"):
        return seldom.filter(logging.LogRecord(name, logging.ERROR, "", 0, text, None, None))

    assert passes("no connection") and passes("other") and passes("no connection", "audit")
    now[0] += 59
    assert not passes("no connection")
    now[0] += 2
    assert passes("no connection")


class Server(DnsServer):
    """It signals a process in the moment that this asks for d2.test, before it answers."""

    def __init__(self, zone):
        super().__init__(zone)
        self.told, self._whom = threading.Event(), None

    def tell(self, process, number):
        """Send this signal with the next question; `told` says when that was."""
        self.told.clear()
        self._whom = process, number

    async def _udp(self, transport, wire, addr):
        if self._whom and b"\2d2\4test\0" in wire.lower():
            (process, number), self._whom = self._whom, None
            process.send_signal(number)
            self.told.set()
        await super()._udp(transport, wire, addr)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """An installation for commands: its environment, with three domains."""
    with Server(ZONE) as server:
        installation = Installation(tmp_path_factory.mktemp("small"), server)
        installation.manage(
            "shell",
            "-v0",
            "-c",
            "from audit.models import *; AuditDomain.objects"
            ".exclude(domain__in=['d1.test','d2.test','d3.test']).delete()",
        )
        yield installation


def audit(small, *args, **env):
    return subprocess.run(
        [sys.executable, "manage.py", "run_audit", *args],
        cwd=ROOT,
        env={**small.env, **env},
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_reader_that_goes_away_leaves_no_traceback(small, options):
    """Case 173: `run_audit … | head -1`: the pipe is closed before anything is written, and when
    half of it is."""
    for read in (0, 1):
        with start_process(
            [sys.executable, "manage.py", "run_audit", "--all", *options],
            env=small.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            if read:
                assert process.stdout.readline()
            process.stdout.close()
            said = process.stderr.read().decode()
        assert "Traceback" not in said and "BrokenPipe" not in said, said
        assert process.returncode == 141 or read


@pytest.mark.timeout(480)
def test_the_same_command_twice_at_once_audits_once_and_both_show_it(small):
    """Case 176."""

    def start():
        command = [sys.executable, "manage.py", "run_audit", "d2.test", "--json"]
        return start_process(
            command, env=small.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    runs = small.value("select count(*) from audit_runs")
    with start() as first:
        small.server.tell(first, signal.SIGSTOP)
        assert small.server.told.wait(200)
        with start() as second:
            assert "d2.test" in second.stderr.readline()  # it says that it waits
            first.send_signal(signal.SIGCONT)
            outputs = [process.communicate(timeout=200) for process in (first, second)]
    assert (first.returncode, second.returncode) == (1, 1)
    (one,), (two,) = (json.loads(out) for out, _err in outputs)
    assert one["last_audit"] == two["last_audit"] and one["checks"] == two["checks"]
    said = [line for _out, err in outputs for line in err.splitlines()]
    assert all("this process stood still" in line for line in said)  # where it had asked by then
    assert small.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert small.value("select count(*) from audit_runs") == runs + 1


@pytest.mark.timeout(240)
def test_ctrl_c_in_the_middle_gives_the_claims_back_and_leaves_no_traceback(small):
    """Case 172."""
    before = small.value("select count(*) from audit_checks")
    command = [sys.executable, "manage.py", "run_audit", "d2.test", "--json"]
    with start_process(
        command, env=small.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        small.server.tell(process, signal.SIGINT)
        out, err = process.communicate(timeout=200)
        assert small.server.told.is_set()
    assert process.returncode == 130 and json.loads(out) == []
    assert err == "Interrupted: 0 of 1 domains were audited.\n"
    assert (
        small.value("select count(*) from audit_domains where claimed_by != '' or attempts > 0")
        == 0
    )
    assert small.value("select count(*) from audit_checks") == before


LOADING = """
import sys

class Interrupt:
    def find_spec(self, name, *args):
        if name == "audit.management.console":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
"""


def test_ctrl_c_while_it_still_loads_leaves_no_traceback(small, tmp_path):
    """Case 172."""
    (tmp_path / "sitecustomize.py").write_text(LOADING)
    done = audit(small, "d1.test", PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


@pytest.mark.parametrize(
    "env",
    [
        {"LANG": "C", "LC_ALL": "C", "COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "COLUMNS": "20"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "latin-1", "LANGUAGE_CODE": "pt"},
    ],
)
def test_without_terminal_in_any_locale_on_twenty_columns(small, env):
    """Case 177."""
    done = audit(small, "d1.test", "xn--bcher-kva.test", **env)
    assert done.returncode == 1 and not done.stderr, done.stderr.decode("latin-1")
    assert b"d1.test" in done.stdout and b"\x1b[" not in done.stdout
    done = audit(small, "xn--bcher-kva.test", "--json", **env)
    (card,) = json.loads(done.stdout)
    assert card["unicode"] == "bücher.test" and not done.stderr
