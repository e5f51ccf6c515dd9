"""The worker command as a real process: it audits, stops cleanly, and loses nothing when it is
killed."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.management.commands import worker
from audit.models import WorkerHeartbeat
from mock_tenant.dnsserver import DnsServer
from tests.installation import (
    CHANGES_OF_A_CHECK,
    COUNT,
    ZONE,
    Installation,
    descendants,
    migrated,
    start_process,
    wait,
)

pytestmark = pytest.mark.sqlite


@pytest.fixture
def installation(tmp_path):
    with DnsServer(ZONE) as server:
        yield Installation(tmp_path, server)


@pytest.mark.timeout(480)
def test_killed_in_the_middle_and_started_again_every_domain_is_audited_once(installation):
    """Case 145."""
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3, 200, "the first domains")
        for pid in [process.pid, *descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.wait(10)
    at_the_kill = installation.audited()
    assert at_the_kill < COUNT, "the round was over before the kill"
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") > 0
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 200, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value(CHANGES_OF_A_CHECK) == 1
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert installation.value("select sum(done) from audit_runs") <= COUNT


@pytest.mark.timeout(480)
def test_a_signal_to_the_whole_group_stops_it_cleanly_in_the_middle_of_a_round(installation):
    """Case 151."""
    with installation.worker(start_new_session=True) as process:
        wait(lambda: installation.audited() >= 1, 200, "the first domain")
        assert installation.value("select count(*) from audit_workers") == 1
        children = descendants(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        wait(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 5, "no process left"
        )
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert installation.value("select count(*) from audit_workers") == 0


@pytest.mark.timeout(480)
@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_it_starts_stops_and_dies_well_whatever_start_method_is_the_usual_one(tmp_path, method):
    """Python 3.14 starts processes by forkserver, which hands on nothing but what is pickled."""
    usual = f"import multiprocessing; multiprocessing.set_start_method({method!r})"
    (tmp_path / "sitecustomize.py").write_text(usual)
    with DnsServer(ZONE) as server:
        installation = Installation(tmp_path, server, count=12, PYTHONPATH=str(tmp_path))
        with installation.worker() as process:
            wait(lambda: installation.audited() >= 1, 200, "the first domain")
            family = [process.pid, *descendants(process.pid)]
            process.kill()
            process.wait(10)
            wait(lambda: not any(map(alive, family)), 20, "none outlives the worker")
        with installation.worker() as process:
            wait(lambda: installation.audited() == 12, 200, "every domain")
            family = descendants(process.pid)
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
            wait(lambda: not any(map(alive, family)), 20, "no process left")
    said = (tmp_path / "worker.log").read_text()
    assert not [word for word in ("Traceback", "Warning", "leaked") if word in said], said
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0


def alive(pid):
    return Path(f"/proc/{pid}").exists()


@pytest.mark.timeout(480)
def test_two_clusters_audit_each_domain_once(installation):
    """Case 149."""
    with installation.worker() as one, installation.worker() as two:
        wait(lambda: installation.audited() == COUNT, 200, "every domain")
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        assert [one.wait(30), two.wait(30)] == [0, 0]
    assert installation.value("select sum(done) from audit_runs") == COUNT


def holder(installation):
    """The number of the process that audits at the moment; 0 if none does."""
    name = installation.value("select coalesce(max(claimed_by), '') from audit_domains")
    return int(name.split(":")[1]) if name else 0


@pytest.mark.timeout(480)
def test_one_process_killed_in_the_middle_of_a_round_its_domains_are_audited_by_another(
    installation,
):
    """Case 144."""
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3 and holder(installation), 200, "the first domains")
        os.kill(holder(installation), signal.SIGKILL)
        # its claims would end by themselves after 120 s
        wait(lambda: installation.audited() == COUNT, 100, "every domain")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value(CHANGES_OF_A_CHECK) == 1
    assert installation.value("select max(attempts) from audit_domains") == 0


@pytest.mark.timeout(480)
def test_an_idle_process_that_is_killed_restarts_the_worker_at_once(installation):
    """It held the lock of the queue: no other process would ever get a task again."""
    with installation.worker() as process:
        wait(lambda: holder(installation), 200, "the first domains")
        busy, sentinel = holder(installation), _children(process.pid)[0]
        others = [pid for pid in _children(sentinel) if pid != busy]
        os.kill(
            others[0], signal.SIGKILL
        )  # the first that was started: a worker process that waits
        assert process.wait(15) == 1
        wait(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in [sentinel, busy, *others]),
            5,
            "no process left",
        )
    assert "idle process" in (installation.folder / "worker.log").read_text()


@pytest.mark.timeout(480)
@pytest.mark.parametrize("which", ["the main process", "its sentinel"])
def test_killed_alone_it_leaves_no_process_that_goes_on(installation, which):
    """Case 145: Nobody may go on auditing without a heartbeat, a watch, and anyone to tell to
    stop."""
    with installation.worker() as process:
        wait(lambda: holder(installation), 200, "the first domains")
        children = descendants(process.pid)
        assert len(children) > 3
        os.kill(
            process.pid if which == "the main process" else _children(process.pid)[0],
            signal.SIGKILL,
        )
        wait(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in children),
            10,
            "no process left",
        )
        assert process.wait(10) == (-9 if which == "the main process" else 1)
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 200, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value(CHANGES_OF_A_CHECK) == 1


def again(installation):
    """Forget when each domain was audited; how many have been since then."""
    installation.shell("from audit.models import *; AuditDomain.objects.update(last_audit_at=None)")


@pytest.mark.timeout(480)
def test_a_sentinel_that_stands_still_is_noticed_and_its_cluster_started_again(tmp_path):
    """Case 180."""
    with DnsServer(ZONE) as server:
        installation = Installation(tmp_path, server, count=4, AUDIT_INTERVAL_SEC="30")
        with installation.worker("--stall", "8") as process:
            wait(lambda: installation.audited() == 4, 200, "every domain")
            os.kill(_children(process.pid)[0], signal.SIGSTOP)
            again(installation)
            wait(lambda: installation.audited() == 4, 200, "every domain, once more")
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert "its sentinel stands still: restarting" in (tmp_path / "worker.log").read_text()


@pytest.mark.timeout(480)
def test_after_a_standstill_of_our_own_nobody_is_blamed(tmp_path):
    """Case 184: The process that audits is stopped for longer than any check may take."""
    slow = {"name": "d11.test", "type": "MX", "sequence": [{"delay": 1.5}, {}], "repeat": "last"}
    with DnsServer({**ZONE, "rules": [slow, *ZONE["rules"]]}) as server:
        installation = Installation(tmp_path, server, count=12, AUDIT_DOMAIN_TIMEOUT_SEC="4")
        with installation.worker() as process:
            wait(lambda: server.count("d11.test", "MX"), 200, "one that is being looked at")
            stopped = holder(installation)
            os.kill(stopped, signal.SIGSTOP)
            time.sleep(12)
            os.kill(stopped, signal.SIGCONT)
            wait(lambda: installation.audited() == 12, 200, "every domain")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    log = (tmp_path / "worker.log").read_text()
    assert "stood still" in log and "came to no result" not in log
    for code in ("check_error", "check_timeout", "dns_timeout"):
        found = f"select count(*) from audit_checks where findings like '%{code}%'"
        assert installation.value(found) == 0, code
    answers = "select count(distinct status) from audit_checks where check_id = 'dns_mx'"
    assert installation.value(answers) == 1


@pytest.mark.timeout(480)
def test_a_domain_that_kills_its_worker_is_the_only_one_set_aside(tmp_path):
    """Cases 146, 181: The others were in flight with it, and are audited within the interval."""
    (tmp_path / "sitecustomize.py").write_text(KILLER)
    with DnsServer(ZONE) as server:
        installation = Installation(tmp_path, server, count=12, PYTHONPATH=str(tmp_path))
        with installation.worker() as process:
            given_up = "select group_concat(domain) from audit_domains where last_error != ''"
            wait(lambda: installation.value(given_up), 200, "the one that is given up")
            wait(lambda: installation.audited() == 11, 200, "all others")
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    assert installation.value(given_up) == "d5.test"
    assert installation.value("select sum(done) from audit_runs") == 11


def _children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in path.read_text().split()]
    return sorted(found)


KILLER = """
import os, signal, sys

class Patch:
    def find_spec(self, name, *args):
        if name == "audit.tasks":
            sys.meta_path.remove(self)
            from audit.queue import collect
            run = collect.run

            async def deadly(target, *args):
                if target.domain == "d5.test":
                    os.kill(os.getpid(), signal.SIGKILL)
                return await run(target, *args)

            collect.run = deadly

sys.meta_path.insert(0, Patch())
"""
QUEUE = """
import time
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from django_q.tasks import async_task

def put(payload):
    OrmQ.objects.create(key="ligbox", payload=payload, lock=timezone.now())

put("no package at all")
put(SignedPackage.dumps({"id": "x"})[:-3] + "abc")
async_task("audit.tasks.no_longer_there")
async_task("audit.gone.drain", 7)
async_task("audit.tasks.drain", "an argument of an old deploy")
async_task(time.sleep, 60, timeout=1)
async_task(time.sleep, 60, timeout=1)
"""


@pytest.mark.timeout(480)
def test_bad_old_and_endless_tasks_are_dropped_and_the_queue_goes_on(installation):
    """Cases 147, 159, 160."""
    installation.manage("shell", "-v0", "-c", QUEUE)
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 200, "every domain")
        wait(
            lambda: installation.value("select count(*) from django_q_ormq") == 0,
            20,
            "an empty queue",
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from django_q_task where not success") == 5
    log = (installation.folder / "worker.log").read_text()
    assert (
        "audit.tasks.no_longer_there" in log
        and "exceeded maximum timeout" in log
        and "Failed to push task" in log
    )


@pytest.mark.django_db
def test_a_heartbeat_lets_the_rows_of_those_go_that_are_long_silent():
    now = timezone.now()
    for name, minutes in (("gone:1", 6), ("slow:1", 1), ("future:1", -90)):
        WorkerHeartbeat.objects.create(name=name, last_seen=now - timedelta(minutes=minutes))
    worker._beat()
    left = set(WorkerHeartbeat.objects.values_list("name", flat=True))
    assert left == {"slow:1", WorkerHeartbeat.name_of(os.getpid())}


def command(*args, **env):
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}
    env = {**clean, "SECRET_KEY": "k" * 60, **env}
    command = [sys.executable, "manage.py", *args]
    return start_process(command, env=env, stderr=subprocess.PIPE, text=True)


def test_without_tables_it_says_what_to_run(tmp_path):
    """Case 175."""
    with command("worker", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3") as process:
        said = process.stderr.read()
    assert process.returncode == 1
    assert said.count("\n") == 1 and "manage.py migrate" in said


@pytest.mark.timeout(480)
def test_beside_a_worker_with_another_key_it_does_not_start(tmp_path):
    """Case 188: Each would drop the tasks of the other as forged."""
    url = f"sqlite:///{shutil.copy(migrated(), tmp_path)}"
    code = (
        "from audit.models import WorkerHeartbeat as W; "
        "W.objects.create(name='other:1', key_print='0123456789abcdef')"
    )
    assert command("shell", "-v0", "-c", code, DATABASE_URL=url).wait() == 0
    with command("worker", DATABASE_URL=url) as process:
        said = process.stderr.read()
    assert process.returncode == 1
    assert said.count("\n") == 1 and "other:1" in said and "SECRET_KEY" in said


@pytest.mark.timeout(480)
def test_without_redis_it_says_so_once_waits_and_stops_when_asked(tmp_path):
    """Case 158."""
    with socket.socket() as closed:  # bound and not listening
        closed.bind(("127.0.0.1", 0))
        env = {
            "DATABASE_URL": f"sqlite:///{shutil.copy(migrated(), tmp_path)}",
            "REDIS_URL": f"redis://127.0.0.1:{closed.getsockname()[1]}/0",
        }
        with command("worker", **env) as process:
            said = iter(process.stderr.readline, "")
            assert any("queue does not answer" in line for line in said)
            process.send_signal(signal.SIGTERM)
            left = process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in left and "does not answer" not in left


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "86400"])
def test_a_stall_that_is_no_time_is_refused_in_words(seconds):
    with pytest.raises(CommandError, match="is not a number of seconds up to a day"):
        call_command("worker", f"--stall={seconds}")
