"""The worker command as a real process: it audits, stops cleanly, and loses nothing when it is killed."""

import os
import signal
from pathlib import Path

import pytest

from mock_tenant.dnsserver import DnsServer
from tests.installation import COUNT, ZONE, Installation, descendants, wait


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
