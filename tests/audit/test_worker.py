"""The worker command as a real process: it audits, stops cleanly, and loses nothing when it is killed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mock_tenant.dnsserver import DnsServer
from tests.installation import COUNT, ROOT, ZONE, Installation, descendants, wait


@pytest.fixture
def installation(tmp_path):
    with DnsServer(ZONE) as server:
        yield Installation(tmp_path, server)


@pytest.mark.timeout(180)
def test_case_145_killed_in_the_middle_and_started_again_every_domain_is_audited_once(installation):
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3, 30, "the first domains")
        for pid in [process.pid, *descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
        process.wait(10)
    at_the_kill = installation.audited()
    assert at_the_kill < COUNT, "the round was over before the kill"
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") > 0
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 60, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value("select max(n) from (select count(*) n from audit_transitions group by domain_id, check_id)") == 1
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert installation.value("select sum(done) from audit_runs") <= COUNT


@pytest.mark.timeout(120)
def test_case_151_a_signal_to_the_whole_group_stops_it_cleanly_in_the_middle_of_a_round(installation):
    with installation.worker(start_new_session=True) as process:
        wait(lambda: installation.audited() >= 1, 30, "the first domain")
        assert installation.value("select count(*) from audit_workers") == 1
        children = descendants(process.pid)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(30) == 0
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 5, "no process left")
    assert installation.value("select count(*) from audit_domains where claimed_by != ''") == 0
    assert installation.value("select count(*) from audit_workers") == 0


@pytest.mark.timeout(180)
def test_case_149_two_clusters_audit_each_domain_once(installation):
    with installation.worker() as one, installation.worker() as two:
        wait(lambda: installation.audited() == COUNT, 60, "every domain")
        for process in (one, two):
            process.send_signal(signal.SIGTERM)
        assert [one.wait(30), two.wait(30)] == [0, 0]
    assert installation.value("select sum(done) from audit_runs") == COUNT


def holder(installation):
    """The number of the process that audits at the moment; 0 if none does."""
    name = installation.value("select coalesce(max(claimed_by), '') from audit_domains")
    return int(name.split(":")[1]) if name else 0


@pytest.mark.timeout(120)
def test_case_144_one_process_killed_in_the_middle_of_a_round_its_domains_are_audited_by_another(installation):
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3 and holder(installation), 30, "the first domains")
        os.kill(holder(installation), signal.SIGKILL)
        wait(lambda: installation.audited() == COUNT, 30, "every domain")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value("select max(n) from (select count(*) n from audit_transitions group by domain_id, check_id)") == 1
    assert installation.value("select max(attempts) from audit_domains") == 0


@pytest.mark.timeout(120)
def test_an_idle_process_that_is_killed_restarts_the_worker_at_once(installation):
    """It held the lock of the queue: no other process would ever get a task again."""
    with installation.worker() as process:
        wait(lambda: holder(installation), 30, "the first domains")
        busy, sentinel = holder(installation), _children(process.pid)[0]
        others = [pid for pid in _children(sentinel) if pid != busy]
        os.kill(others[0], signal.SIGKILL)  # the first that was started: a worker process that waits
        assert process.wait(15) == 1
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in [sentinel, busy, *others]), 5, "no process left")
    assert "idle process" in (installation.folder / "worker.log").read_text()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("which", ["the main process", "its sentinel"])
def test_case_145_killed_alone_it_leaves_no_process_that_goes_on(installation, which):
    """Nobody may go on auditing without a heartbeat, a watchdog, and anyone to tell to stop."""
    with installation.worker() as process:
        wait(lambda: holder(installation), 30, "the first domains")
        children = descendants(process.pid)
        assert len(children) > 3
        os.kill(process.pid if which == "the main process" else _children(process.pid)[0], signal.SIGKILL)
        wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 10, "no process left")
        assert process.wait(10) == (-9 if which == "the main process" else 1)
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 60, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select max(n) from (select count(*) n from audit_transitions group by domain_id, check_id)") == 1


def _children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in path.read_text().split()]
    return sorted(found)


QUEUE = """
import pickle
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
async_task("time.sleep", 60, timeout=1)
async_task("time.sleep", 60, timeout=1)
"""


@pytest.mark.timeout(120)
def test_case_147_159_160_bad_old_and_endless_tasks_are_dropped_and_the_queue_goes_on(installation):
    installation.manage("shell", "-v0", "-c", QUEUE)
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 60, "every domain")
        wait(lambda: installation.value("select count(*) from django_q_ormq") == 0, 20, "an empty queue")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from django_q_task where not success") == 5
    log = (installation.folder / "worker.log").read_text()
    assert "audit.tasks.no_longer_there" in log and "exceeded maximum timeout" in log and "Failed to push task" in log


def command(*args, **env):
    clean = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")}
    env = {**clean, "SECRET_KEY": "k" * 60, **env}
    return subprocess.Popen([sys.executable, "manage.py", *args], cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True)


def test_case_175_without_tables_it_says_what_to_run(tmp_path):
    with command("worker", DATABASE_URL=f"sqlite:///{tmp_path}/new.sqlite3") as process:
        said = process.stderr.read()
    assert process.returncode == 1
    assert said.count("\n") == 1 and "manage.py migrate" in said


@pytest.mark.timeout(60)
def test_case_158_without_redis_it_says_so_once_waits_and_stops_when_asked(tmp_path):
    with socket.socket() as closed:  # bound and not listening
        closed.bind(("127.0.0.1", 0))
        env = {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "REDIS_URL": f"redis://127.0.0.1:{closed.getsockname()[1]}/0"}
        assert command("migrate", "-v0", **env).wait(30) == 0
        with command("worker", **env) as process:
            lines = [process.stderr.readline(), process.stderr.readline()]
            assert any("queue does not answer" in line for line in lines), lines
            process.send_signal(signal.SIGTERM)
            left = process.stderr.read()
    assert process.returncode == 0 and "Traceback" not in left
