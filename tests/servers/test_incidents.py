"""Incidents on PostgreSQL: processes that open, close and merge the same ones at the same time, and
one that is killed in the middle."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.installation import ROOT, Installation, start_process, wait

pytestmark = [pytest.mark.servers, pytest.mark.timeout(700)]


class NoDnsServer:
    """Nothing is looked up here."""

    host, port = "127.0.0.1", 9


@pytest.fixture
def installation(tmp_path):
    """A database of its own with two tenants' domains, of which none is new."""
    import psycopg

    server_url = os.environ["TEST_POSTGRES_URL"]
    name = f"t{os.getpid()}_{abs(hash(tmp_path)) % 10**9}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = server_url.rpartition("/")[0] + f"/{name}"
    yield Installation(tmp_path, NoDnsServer, database_url=url, count=16, AUDIT_CONFIRM="1")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def old(installation):
    installation.execute("update audit_domains set onboarding = false")
    installation.shell("""
from audit.models import *
AuditDomain.objects.count_anew([1])
""")
    return installation


def command(act, *arguments):
    return [sys.executable, "-m", "tests.servers.recording", act, *map(str, arguments)]


def run(installation, act, *arguments):
    """Run an act of `recording`; what it says where it fails."""
    done = subprocess.run(
        command(act, *arguments), cwd=ROOT, env=installation.env, capture_output=True, text=True,
        timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-6000:]


def deadlocks(installation):
    return installation.value(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )


def test_two_that_see_the_same_cause_at_once_make_one_incident(old):
    run(old, "same_cause", 40)
    assert deadlocks(old) == 0
    assert old.value("select count(*) from audit_incidents where domains_most = 16") == 40


@pytest.mark.parametrize("seed", [1, 2])
def test_what_opens_closes_and_merges_crosswise_is_right_in_the_end(old, seed):
    old.shell("""
from audit.models import *
t = Tenant.objects.create(name="VM115")
AuditDomain.objects.bulk_create(
    [AuditDomain(tenant=t, domain=f"o{n}.test", onboarding=False) for n in range(16)]
)
""")
    run(old, "crosswise", 30, 1000 * seed)
    assert deadlocks(old) == 0
    assert old.value("select count(*) from audit_incidents where merged_into_id is not null") > 0


@pytest.mark.parametrize("seed", [1, 2])
def test_domains_that_are_removed_while_they_are_recorded(old, seed):
    run(old, "removed", 60, 1000 * seed)
    assert deadlocks(old) == 0


@contextmanager
def recording(installation, act, *arguments):
    """A process that records, when it has said that it does; killed at the end."""
    options = {"env": installation.env, "stdout": subprocess.PIPE, "text": True}
    with start_process(command(act, *arguments), **options) as process:
        try:
            assert process.stdout.readline(), "it ended before"
            yield process
        finally:
            process.send_signal(signal.SIGKILL)


def alone(installation):
    """Nobody else is in the database: what a killed process had begun is taken back."""
    return not installation.value(
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and pid != pg_backend_pid()"
    )


WRITTEN = """
select string_agg(t::text, ';' order by t::text) from (
  select 'd', id, status || severity || covered || not_measured || unconfirmed::text
    || checked::text from audit_domains
  union select 'i', id, kind || key || domains_now || domains_most || coalesce(closed_at::text, '')
    from audit_incidents
  union select 'm', id, incident_id || check_id || coalesce(left_at::text, '')
    from audit_incident_domains
  union select 'c', id, check_id || status from audit_checks
  union select 't', id, check_id || to_status from audit_transitions
  union select 'n', tenant_id, covered || '+' || critical || '+' || healthy from audit_counts
) t
"""
EVENTS = {
    "opened": ["ok", "alone"],
    "opened for all": ["ok", "server"],
    "closed": ["server", "ok"],
    "merged": ["ok", "address"],
}


@pytest.mark.parametrize("states", EVENTS.values(), ids=list(EVENTS))
def test_killed_within_the_transaction_all_of_it_or_nothing_is_written(old, states, request):
    event = request.node.callspec.id.partition(" ")[0]
    with recording(old, "stand_still", event, *states):
        before = old.value(WRITTEN)  # others see nothing of it yet
    wait(lambda: alone(old), 60, "the server to see that it is gone")
    assert old.value(WRITTEN) == before
    run(old, "check_all")


def test_killed_at_any_time_again_and_again_nothing_is_half_written(old):
    for n in range(8):
        with recording(old, "till_killed", n):
            time.sleep(0.15 + 0.11 * n)  # any time will do
        wait(lambda: alone(old), 60, "the server to see that it is gone")
        run(old, "check_all")
    assert old.value("select count(*) from audit_incidents") > 0
