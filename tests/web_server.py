"""The site as it is served: gunicorn with the settings that are shipped, on a port of its own."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

from tests.installation import ROOT, migrated, wait

SECRET_KEY = "k" * 60
NAME = "audit.example.com"  # the one Host that it answers


class WebServer:
    """One process of gunicorn: `host`, `port`, and what it has logged."""

    def __init__(self, process, log):
        self.process, self._log = process, log
        self.host, self.port = "127.0.0.1", 0

    def log(self):
        return self._log.read_text(encoding="utf-8", errors="surrogateescape")

    def listens(self):
        assert self.process.poll() is None, self.log()
        found = re.search(r"Listening at: (?:http://127\.0\.0\.1:(\d+)|unix:)", self.log())
        if found and found[1]:
            self.port = int(found[1])
        return found is not None and "Booting worker" in self.log()


@contextmanager
def serve(folder, *arguments, **env):
    """Serve a site with a database of its own in `folder`, in production behind one proxy, unless
    the environment says otherwise."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "VIRTUAL_ENV")}
    env = {
        **kept,
        "DEBUG": "0",
        "ALLOWED_HOSTS": NAME,
        "SECRET_KEY": SECRET_KEY,
        "ENCRYPTION_KEYS": "YSBrZXkgZm9yIHRlc3RzLCBhbmQgZm9yIHRoZW0gYWw=",
        "DATABASE_URL": f"sqlite:///{folder}/web.sqlite3",
        "PROXIES": "1",
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "tests.web_settings",
        "TEST_STATIC_ROOT": str(folder / "static"),
        **env,
    }
    manage = [sys.executable, "manage.py"]
    shutil.copy(migrated(), folder / "web.sqlite3")
    collect = ["collectstatic", "--noinput", "-v0"]
    subprocess.run([*manage, *collect], cwd=ROOT, env=env, check=True, timeout=120)
    log = folder / "web.log"
    command = [sys.executable, "-m", "gunicorn", "--config", "deploy/gunicorn.conf.py"]
    command += ["--bind", "127.0.0.1:0", *arguments]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out) as process,
    ):
        server = WebServer(process, log)
        server.env = env
        try:
            wait(server.listens, 60, "gunicorn listens")
            yield server
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
