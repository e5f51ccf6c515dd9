"""A backup that is taken in the middle of a drain, and put back: the same on both databases."""

import json
import signal
import subprocess
import sys

import pytest

from mock_tenant.zone import Zone
from tests.installation import CHANGES_OF_A_CHECK, COUNT, ROOT, ZONE, wait

CLAIMED = "select count(*) from audit_domains where claimed_by != ''"
TOKEN = "token-of-the-portal"
SLOW = {
    **ZONE,
    "rules": [{"name": "*.test", "type": "MX", "delay": 1.5}],
}  # a round of half a minute


def manage(installation, *args, **env):
    """(exit status, what it said) of a command."""
    done = subprocess.run(
        [sys.executable, "manage.py", *args],
        cwd=ROOT, env={**installation.env, **env}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def backup_during_a_drain(installation, folder):
    """Its manifest; some domains are audited by then, some are being audited, and most are not."""
    installation.server.zone = Zone(SLOW)
    installation.env["AUDIT_CONCURRENCY"] = "2"
    installation.shell(
        f"from audit.models import *; Tenant.objects.update(portal_token='')\n"
        f"t = Tenant.objects.get(); t.portal_token = {TOKEN!r}; t.save()"
    )
    with installation.worker() as process:
        wait(lambda: installation.audited() >= 3, 200, "the first domains")
        status, said = manage(installation, "backup", str(folder))
        assert status == 0, said
        assert installation.audited() < COUNT, "the round was over before the backup"
        status, said = manage(installation, "restore", str(folder))
        assert status == 1 and "in use" in said, "restored under a running worker"
        installation.server.zone = Zone(ZONE)
        wait(lambda: installation.audited() == COUNT, 200, "every domain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rows"]["audit_domains"] == COUNT
    assert 3 * 8 <= manifest["rows"]["audit_checks"] < COUNT * 8
    return manifest


def put_back(installation, folder, manifest):
    """Restore, and see that everything is as it was and goes on."""
    installation.execute("update audit_domains set attempts = 1, score = 0")
    installation.shell("from audit.models import *; Tenant.objects.create(name='later')")
    installation.execute("insert into django_session values ('k', '', '2030-01-01')")
    status, said = manage(installation, "restore", str(folder))
    assert status == 0, said
    assert "audit_tenant: 2 rows before, 1 now" in said
    assert "1 secrets can be opened" in said
    emptied = {"audit_workers", "django_q_ormq", "django_session"}
    for table, count in manifest["rows"].items():
        expected = 0 if table in emptied else count
        assert installation.value(f'select count(*) from "{table}"') == expected, table
    assert installation.value("select count(*) from audit_checks") == 8 * installation.audited()
    assert installation.value(CLAIMED) == 0
    assert installation.value("select max(attempts) from audit_domains") == 0, "somebody is blamed"
    installation.shell(
        f"from audit.models import *; assert Tenant.objects.get().portal_token == {TOKEN!r}"
    )
    with installation.worker() as process:
        wait(lambda: installation.audited() == COUNT, 200, "the rest")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert installation.value("select count(*) from audit_checks") == COUNT * 8
    assert installation.value(CHANGES_OF_A_CHECK) == 1
    assert installation.value(CLAIMED) == 0


def refused(installation, folder, words, **env):
    """A restore that is refused, and has changed nothing."""
    installation.execute("update audit_tenant set contact = 'since the backup'")
    status, said = manage(installation, "restore", str(folder), **env)
    assert status == 1 and words in said, said
    assert "Traceback" not in said
    assert installation.value("select contact from audit_tenant") == "since the backup"
    assert installation.value("select count(*) from audit_domains") == COUNT


def change_manifest(folder, **values):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def give_links_and_put_back(installation, folder):
    """Make a link to a report and restore, a few times; no two have one number."""
    numbers = []
    for name in ("d1.test", "d2.test", "d3.test"):
        installation.shell(
            "from audit.models import *; "
            f"ReportLink.objects.make([AuditDomain.objects.get(domain={name!r})])"
        )
        numbers.append(installation.value("select max(id) from audit_report_links"))
        status, said = manage(installation, "restore", str(folder))
        assert status == 0, said
    assert len({*numbers}) == len(numbers), numbers


@pytest.fixture
def backup(installation, tmp_path):
    """A small backup, of an installation that does nothing."""
    folder = tmp_path / "backup"
    status, said = manage(installation, "backup", str(folder))
    assert status == 0, said
    return folder
