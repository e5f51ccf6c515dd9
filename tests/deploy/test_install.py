"""From a clone and an empty folder to a site behind nginx, with what operators run: install.sh,
backup.sh, restore.sh, upgrade.sh. Everything is below one folder; systemd is replaced by what its
units say (tests/deploy/systemctl.py). Needs root, nginx, systemd's tools and PostgreSQL."""

import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mock_tenant.dnsserver import DnsServer
from tests.deploy.nginx import DOMAIN, ROOT, Nginx
from tests.installation import ZONE, wait

pytestmark = [pytest.mark.install, pytest.mark.timeout(900)]
_environment = []  # the virtual environment of the first installation serves the others


class Site:
    """An installation below `root`, from a clone beside it, for a system user of its own."""

    def __init__(self, folder, database):
        self.folder, self.database = folder, database
        self.root, self.clone = folder / "root", folder / "clone"
        self.user = f"lbx{os.getpid()}{database[0]}"
        self.units = self.root / "etc/systemd/system"
        self.environment = self.root / "etc/ligbox-audit/environment"
        self.current = self.root / "opt/ligbox-audit/current"
        systemctl = f"/usr/bin/python3 {ROOT}/tests/deploy/systemctl.py {self.root}"
        self.env = {**os.environ, "SYSTEMCTL": systemctl, "PYTHON": "/usr/bin/python3"}
        for name in ("LIGBOX_LOCKED", "DATABASE_URL", "VENV", "VIRTUAL_ENV"):
            self.env.pop(name, None)
        if database == "postgresql":
            self.env |= {"PGHOST": str(folder / "pg")}
        if _environment:
            self.env["LIGBOX_VENV"] = str(_environment[0])

    def script(self, name, *args, clone=None, root=True):
        """(exit status, everything that it said)."""
        where = ["--root", str(self.root)] if root else []
        done = subprocess.run(
            ["bash", f"scripts/{name}.sh", *where, *args], cwd=clone or self.clone, env=self.env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=600,
        )  # fmt: skip
        return done.returncode, done.stdout

    def must(self, name, *args, **options):
        status, said = self.script(name, *args, **options)
        assert status == 0, said
        return said

    def manage(self, *args):
        """What a command says, run by the wrapper that is installed."""
        done = subprocess.run(
            [str(self.root / "usr/local/sbin/ligbox-audit"), *args],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def shell(self, code):
        return self.manage("shell", "-v0", "-c", f"from audit.models import *\n{code}")

    def systemctl(self, *args):
        subprocess.run([*self.env["SYSTEMCTL"].split(), *args], check=True, timeout=300)

    def stop(self):
        """End every service."""
        self.systemctl("stop", *(p.name for p in self.units.glob("multi-user.target.wants/*")))

    def snapshot(self):
        """Every file of the installation: mode, owner, time of its last change, contents' size."""
        found = {}
        for top in ("etc", "opt", "usr"):
            for path in (self.root / top).rglob("*"):
                seen = path.lstat()
                found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_mtime_ns, seen.st_size)
        return found


class Browser:
    """Keeps cookies, and signs in."""

    def __init__(self, nginx):
        self.nginx, self.cookies = nginx, {}

    def ask(self, path, data=None, **headers):
        headers |= {"Referer": f"https://{DOMAIN}/", "Origin": f"https://{DOMAIN}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        status, said, body = self.nginx.ask(path, data, headers=headers)
        for line in said.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return status, said, body.decode(errors="replace")

    def token(self, path):
        """Of the form on this page."""
        status, _headers, page = self.ask(path)
        assert status == 200, page
        return re.search(r'name="csrfmiddlewaretoken"\s+value="(\w+)"', page)[1]

    def sign_in(self, name, password):
        data = f"csrfmiddlewaretoken={self.token('/login/')}&username={name}&password={password}"
        return self.ask(
            "/login/", data.encode(), **{"Content-Type": "application/x-www-form-urlencoded"}
        )[0]


@contextlib.contextmanager
def postgresql(folder):
    """A cluster of its own, on a socket in `folder`/pg; who a client is, the system says."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    (folder / "pg").mkdir(mode=0o755)
    shutil.chown(folder / "pg", "postgres")

    def run(program, *args):
        command = [
            "runuser",
            "-u",
            "postgres",
            "--",
            str(programs / program),
            "-D",
            f"{folder}/pg/data",
        ]
        done = subprocess.run(
            [*command, *args],
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr

    run("initdb", "-A", "peer", "-E", "UTF8")
    options = f"-k {folder}/pg -c listen_addresses= -c fsync=off"
    run("pg_ctl", "-w", "-l", f"{folder}/pg/log", "-o", options, "start")
    try:
        yield
    finally:
        run("pg_ctl", "-m", "immediate", "stop")


@pytest.fixture(scope="module")
def folders():
    """Makes folders that others may look into, which are there until the end of the tests."""
    made = []

    def make():
        made.append(Path(tempfile.mkdtemp(prefix="ligbox-")))
        made[-1].chmod(0o755)
        return made[-1]

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


def clone_into(folder):
    """What git knows of this project, as a clone has it."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request, folders):
    assert os.geteuid() == 0, "install.sh is for root"
    with contextlib.ExitStack() as stack:
        site = Site(folders(), request.param)
        clone_into(site.clone)
        subprocess.run(["useradd", "--system", "--no-create-home", site.user], check=True)
        stack.callback(subprocess.run, ["userdel", site.user], check=True)
        if request.param == "postgresql":
            stack.enter_context(postgresql(site.folder))
        stack.callback(site.stop)
        site.said = site.must(
            "install", "--user", site.user, "--domain", DOMAIN, "--database", request.param,
            "--workers", "2",
        )  # fmt: skip
        if not _environment:
            _environment.extend((site.root / "opt/ligbox-audit/environments").iterdir())
        yield site


@pytest.fixture(scope="module")
def nginx(site):
    (site.root / "var/log/nginx").mkdir(parents=True)
    text = (site.root / "etc/nginx/sites-enabled/ligbox-audit").read_text()
    certificate = site.root / "etc/ligbox-audit/tls/certificate.pem"
    with Nginx(site.folder / "nginx", text, certificate) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def administrator(site, nginx):
    browser = Browser(nginx)
    password = re.search(r"account +admin\n +password +(\S+)", site.said)[1]
    assert browser.sign_in("admin", password) == 302
    return browser


def ready(nginx):
    return nginx.ask("/readyz")[0] == 200


def test_the_site_answers_behind_nginx_and_its_administrator_signs_in(site, nginx, administrator):
    assert ready(nginx), nginx.ask("/readyz")
    status, headers, page = administrator.ask("/")
    assert status == 200 and "Content-Security-Policy" in headers
    assert headers["Strict-Transport-Security"]
    assert administrator.ask("/admin/")[0] == 200
    style = re.search(r'href="(/static/[^"]+\.css)"', page)[1]
    status, headers, _body = nginx.ask(style, headers={"Accept-Encoding": "gzip"})
    assert status == 200 and headers["Content-Encoding"] == "gzip"
    assert "immutable" in headers["Cache-Control"]
    assert Browser(nginx).sign_in("admin", "wrong") == 200


def test_keys_and_data_are_for_the_service_alone(site, nginx):
    import pwd

    uid = pwd.getpwnam(site.user).pw_uid
    assert stat.S_IMODE(site.environment.stat().st_mode) == 0o600
    assert site.environment.stat().st_uid == 0
    for path in (site.root / "etc/ligbox-audit", site.root / "var/backups/ligbox-audit"):
        assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_uid) == (0o700, 0)
    state = site.root / "var/lib/ligbox-audit"
    assert (stat.S_IMODE(state.stat().st_mode), state.stat().st_uid) == (0o700, uid)
    for path in state.iterdir():
        assert path.stat().st_mode & 0o077 == 0 and path.stat().st_uid == uid, path
    for path in [site.current.resolve(), *site.current.resolve().rglob("*")]:  # the program is not
        seen = path.lstat()
        assert seen.st_uid == 0 and (path.is_symlink() or not seen.st_mode & 0o022), path
    running = [
        path for path in Path("/proc").glob("[0-9]*") if path.exists() and path.stat().st_uid == uid
    ]
    assert len(running) >= 4, "web and two workers"
    socket = site.root / "run/ligbox-web/web.sock"
    stranger = (
        "import os, socket; os.setgroups([]); os.setgid(65534); os.setuid(65534); "
        f"socket.socket(socket.AF_UNIX).connect('{socket}')"
    )
    done = subprocess.run([sys.executable, "-c", stranger], capture_output=True, text=True)
    assert "PermissionError" in done.stderr


def test_half_sent_requests_do_not_hold_the_site(nginx):
    """Case 201."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(contextlib.closing(nginx.connect())) for _n in range(12)]
        for number, connection in enumerate(held):
            head = f"POST /login/ HTTP/1.1\r\nHost: {DOMAIN}\r\nContent-Length: 100\r\n"
            connection.sendall(f"{head}\r\nhalf".encode() if number % 2 else head.encode())
        assert nginx.ask("/healthz")[0] == 200
        assert nginx.ask("/login/")[0] == 200


def test_the_largest_list_that_the_import_takes_passes(site, nginx, administrator):
    site.shell("Tenant.objects.get_or_create(name='VM112', mail_hosts=['mx1.host.test'])")
    path = "/admin/audit/auditdomain/import/"
    text = "\n".join(f"{'a' * 60}.{'b' * 60}.{'c' * 60}.d{n:05}.pt" for n in range(5000))
    parts = {"csrfmiddlewaretoken": administrator.token(path).encode()}

    def send(content):
        body = b"".join(
            b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (k.encode(), v)
            for k, v in parts.items()
        )
        body += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        return administrator.ask(path, body + content + b"\r\n--x--\r\n", **kind)

    status, _headers, page = send(text.encode())
    assert status == 200 and "d04999.pt" in page
    status, _headers, page = send(b"x" * (2 << 20))
    assert status == 200 and "413" not in page, "the program itself says what is too large"
    status, _headers, page = send(b"x" * (8 << 20))
    assert status == 413 and page.startswith("This is larger than the site takes.")


def test_nothing_secret_is_in_the_logs(site, nginx):
    assert nginx.ask("/report/SECRET1/?a=SECRET2")[0] == 404
    assert nginx.ask("/login/?next=/SECRET3/")[0] == 200
    assert nginx.ask("/report/SECRET4/", b"", method="DELETE")[0] in (403, 405)
    for folder in (site.root / "log", site.root / "var/log/nginx", site.folder / "nginx"):
        for path in folder.glob("*.log"):
            assert "SECRET" not in path.read_text(), path
    keys = re.findall(r"^(?:SECRET_KEY|ENCRYPTION_KEYS)=(\S+)$", site.environment.read_text(), re.M)
    assert len(keys) == 2 and not any(key in site.said for key in keys)


def test_install_again_changes_nothing(site):
    """Case 206."""
    before = site.snapshot()
    said = site.must("install")
    after = site.snapshot()
    assert {k: v for k, v in before.items() if after.get(k) != v} == {}
    assert after.keys() == before.keys()
    assert "password" not in said and f"https://{DOMAIN}/" in said
    assert (
        site.shell("from django.contrib.auth.models import User; print(User.objects.count())")
        == "1"
    )


def test_install_refuses_what_would_make_it_another_site(site):
    before = site.snapshot()
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[site.database]
    for args, words in (
        (["--domain", "other.example.com"], "does not name other.example.com"),
        (["--database", other], "names another database"),
        (["--user", "www-data"], "which stays"),
        (["--environment", "/etc/hostname"], "not that one"),
        (["--certificate", "/nonexistent", "--key", "/nonexistent"], "no file"),
    ):
        status, said = site.script("install", *args)
        assert status in (1, 2) and words in said, said
        assert len(said.strip().splitlines()) <= 2, said
    assert site.snapshot() == before


def test_what_the_operator_has_changed_stays(site):
    """Case 206."""
    path = site.root / "etc/nginx/sites-available/ligbox-audit"
    shipped = path.read_text()
    path.write_text(shipped + "# mine\n")
    site.must("install")
    assert path.read_text().endswith("# mine\n")
    path.write_text(shipped)


def test_workers_can_be_more_and_fewer(site, nginx):
    workers = site.units / "multi-user.target.wants"
    site.must("install", "--workers", "1")
    assert [path.name for path in workers.glob("*worker*")] == ["ligbox-worker@1.service"]
    assert not (site.root / "run/ligbox-worker@2.service.pid").exists()
    site.must("install", "--workers", "2")
    wait(lambda: ready(nginx), 60, "ready again")


def test_a_backup_during_a_drain_comes_back_with_everything(site, nginx):
    """Case 203."""
    with DnsServer(ZONE) as server:
        with site.environment.open("a") as file:
            file.write(
                f"AUDIT_DNS_SERVERS={server.host}:{server.port}\nAUDIT_ALLOWED_NETWORKS=127.0.0.0/8\n"
                "AUDIT_CONCURRENCY=1\n"
            )
        site.shell(
            "t, _ = Tenant.objects.get_or_create(name='VM112')\n"
            "t.portal_token = 'token-of-the-portal'; t.save()\n"
            "new = [AuditDomain(tenant=t, domain=f'd{n}.test') for n in range(40)]\n"
            "AuditDomain.objects.bulk_create(new)"
        )
        site.systemctl("restart", "ligbox-worker@1.service", "ligbox-worker@2.service")
        audited = "print(AuditDomain.objects.exclude(last_audit_at=None).count())"
        wait(lambda: int(site.shell(audited)) > 0, 120, "the first domains")
        folder = Path(site.must("backup").splitlines()[-1])
        manifest = json.loads((folder / "manifest.json").read_text())
        assert manifest["rows"]["audit_domains"] == 40
        for path in (folder, *folder.iterdir()):
            assert path.stat().st_mode & 0o077 == 0 and path.stat().st_uid == 0
        (keys,) = (site.root / "var/backups/ligbox-audit-keys").iterdir()
        assert keys.read_text() == site.environment.read_text()

        site.shell("AuditDomain.objects.all().delete(); Tenant.objects.create(name='later')")
        said = site.must("restore", str(folder))
        assert "audit_domains: 0 rows before, 40 now" in said and "audit_tenant: 2 rows" in said
        assert "1 secrets can be opened" in said
        wait(lambda: int(site.shell(audited)) == 40, 180, "audits go on")
        wait(
            lambda: site.shell("print(AuditDomain.objects.exclude(claimed_by='').count())") == "0",
            60, "no claim is left",
        )  # fmt: skip
        assert site.shell("print(Tenant.objects.get().portal_token)") == "token-of-the-portal"
        assert ready(nginx)
        back = re.search(r"To go back: scripts/restore.sh (\S+)", said)[1]
        assert json.loads((Path(back) / "manifest.json").read_text())["rows"]["audit_tenant"] == 2
    assert list((site.root / "var/lib/ligbox-audit").glob(".*")) == [], "a copy is left"


def test_a_second_host_runs_workers_with_the_settings_of_the_first(site, folders):
    second = Site(folders(), site.database)
    second.clone, second.user = site.clone, site.user
    said = second.must(
        "install", "--user", site.user, "--no-web", "--environment", str(site.environment)
    )
    try:
        assert "The workers run." in said and "password" not in said
        assert second.environment.read_text() == site.environment.read_text()
        assert not (second.root / "etc/nginx").exists()
        assert not (second.units / "ligbox-web.service").exists()
        assert second.must("install").strip() == "The workers run."  # it stays without a web
        assert not (second.units / "ligbox-web.service").exists()
        seen = "print(WorkerHeartbeat.alive().count())"
        wait(lambda: int(site.shell(seen)) == 3, 60, "three workers")
    finally:
        second.stop()
    assert int(site.shell(seen)) == 2, "a worker that stops takes its name out"


def test_old_backups_go_and_the_newest_stays(site):
    backups = site.root / "var/backups/ligbox-audit"
    old = backups / "20200101T000000Z"
    old.mkdir()
    newest = site.must("backup", "--keep", "1").splitlines()[-1]
    assert not old.exists() and Path(newest).is_dir()
    assert len(list((site.root / "var/backups/ligbox-audit-keys").iterdir())) <= 2


def test_an_upgrade_brings_the_new_version(site, nginx):
    before = site.current.resolve()
    assert "installed already" in site.must("upgrade")
    change(site.clone / "ligbox/__init__.py", 'VERSION = "1.0.0"', 'VERSION = "1.0.1"')
    said = site.must("upgrade")
    assert "Ligbox Audit is now 1.0.1-" in said
    after = site.current.resolve()
    assert after.name.startswith("1.0.1-") and before.is_dir(), "the last one stays"
    wait(lambda: ready(nginx), 60, "ready")
    pid = int((site.root / "run/ligbox-web.service.pid").read_text())
    assert Path(f"/proc/{pid}/cwd").resolve() == after


def test_an_upgrade_that_fails_goes_back_by_itself(site, nginx, folders):
    """Case 205. A migration that fails half way, and a program that does not come up."""
    before = site.current.resolve()
    count = "print(AuditDomain.objects.count(), Tenant.objects.get().portal_token)"
    rows = site.shell(count)
    broken = folders() / "clone"
    shutil.copytree(site.clone, broken, symlinks=True)
    (broken / "audit/migrations/9999_broken.py").write_text(BROKEN)
    latest = sorted((broken / "audit/migrations").glob("0*.py"))[-1].stem
    change(broken / "audit/migrations/9999_broken.py", "LATEST", latest)
    status, said = site.script("upgrade", clone=broken)
    assert status == 1 and "The old version runs again" in said, said
    assert "not done on purpose" in said
    wait(lambda: ready(nginx), 60, "ready")
    assert site.current.resolve() == before and site.shell(count) == rows
    tables = (
        "from django.db import connection as c; print('half_done' in c.introspection.table_names())"
    )
    assert site.shell(tables) == "False", "what the new version did to the database is undone"

    (broken / "audit/migrations/9999_broken.py").unlink()
    with (broken / "ligbox/wsgi.py").open("a") as file:
        file.write("raise SystemExit('does not start on purpose')\n")
    pid = (site.root / "run/ligbox-web.service.pid").read_text()
    status, said = site.script("upgrade", clone=broken)
    assert status == 1 and "nothing was changed" in said and "on purpose" in said, said
    assert (site.root / "run/ligbox-web.service.pid").read_text() == pid, "it was stopped for this"
    assert site.current.resolve() == before


def test_what_is_no_backup_is_not_even_copied(site):
    """Case 204. The folder of all backups, by mistake."""
    pid = (site.root / "run/ligbox-web.service.pid").read_text()
    for folder in (site.root / "var/backups/ligbox-audit", site.root, site.clone / "README.md"):
        status, said = site.script("restore", str(folder))
        assert status == 1 and "is no backup" in said, said
    assert (site.root / "run/ligbox-web.service.pid").read_text() == pid


def test_an_upgrade_that_is_broken_off_leaves_the_old_version_running(site, nginx, folders):
    """Case 205. A file that can't be put in its place while all is stopped."""
    before = site.current.resolve()
    broken = folders() / "clone"
    shutil.copytree(site.clone, broken, symlinks=True)
    with (broken / "deploy/tmpfiles.conf").open("a") as file:
        file.write("no such line\n")
    change(broken / "ligbox/__init__.py", 'VERSION = "', 'VERSION = "9.')
    status, said = site.script("upgrade", clone=broken)
    assert status == 1 and "The old version runs again" in said, said
    wait(lambda: ready(nginx), 60, "ready")
    assert site.current.resolve() == before


BROKEN = """
from django.db import migrations

class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "LATEST")]
    operations = [
        migrations.RunSQL("create table half_done (id int)"),
        migrations.RunPython(lambda *_: (_ for _ in ()).throw(RuntimeError("not done on purpose"))),
    ]
"""


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
