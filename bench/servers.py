"""The servers that a benchmark audits, on loopback and free ports; each ends with its `with` block.

unbound answers for all names (it can be silent for a name, and limits nobody), nginx serves portal
and webmail, PostgreSQL is a cluster of its own.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.message
import dns.query

from bench.zones import ELSEWHERE, WEB

PARENT_DEATH_SIGNAL = 1  # Linux: prctl(2)
_libc = ctypes.CDLL(None)
# names of these are refused by unbound unless it is told that they are the zone's
UNBLOCKED = ("example.", "test.", "invalid.", "10.in-addr.arpa.")


def free_port():
    """A port that nobody listens on, neither with TCP nor with UDP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def end_with_parent():
    """Have the kernel end this process when the benchmark is killed."""
    _libc.prctl(PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)


def needed(program, package):
    """The path of a program; ends with a word where it is not installed."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return found or sys.exit(f"{program} is needed (Debian: apt-get install {package})")


@contextmanager
def running(command, ready, log, *, seconds=60, user=None, end=signal.SIGTERM):
    """A process that runs until the block ends, or we do. Waits until `ready()`.

    `user`: whose it is, where we may choose; `end`: the signal that it ends at once with.
    """
    who = {"user": user, "group": user, "extra_groups": ()} if user and os.geteuid() == 0 else {}
    with Path(log).open("ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, stdin=subprocess.DEVNULL,
            preexec_fn=end_with_parent, **who,  # noqa: PLW1509 - one thread
        )  # fmt: skip
    try:
        until = time.monotonic() + seconds
        while not ready():
            if process.poll() is not None or time.monotonic() > until:
                said = Path(log).read_text(errors="replace")[-2000:]
                sys.exit(f"{command[0]} did not start:\n{said}")
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(end)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class NameServer:
    """The unbound that runs: where, and what it was asked."""

    process: subprocess.Popen
    port: int
    config: Path

    def asked(self):
        """How many questions it has had since it started."""
        command = [needed("unbound-control", "unbound"), "-c", str(self.config), "stats_noreset"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        numbers = dict(line.split("=", 1) for line in said.splitlines())
        return int(numbers["total.num.queries"])


@contextmanager
def name_server(world, folder):
    """A NameServer that answers for the world's names, and is silent for the dead ones'."""
    folder, port = Path(folder), free_port()
    (folder / "root.zone").write_text(world.zone())
    silent = "\n".join(f'  local-zone: "{name}." deny' for name in world.dead)
    mine = "\n".join(f'  local-zone: "{name}" nodefault' for name in UNBLOCKED)
    (folder / "unbound.conf").write_text(f"""
server:
  interface: 127.0.0.1@{port}
  num-threads: 1
  username: ""
  chroot: ""
  directory: "{folder}"
  pidfile: "{folder}/unbound.pid"
  use-syslog: no
  do-daemonize: no
  so-rcvbuf: 1m
  minimal-responses: yes
  module-config: "iterator"
  access-control: 127.0.0.0/8 allow
{mine}
{silent}
remote-control:
  control-enable: yes
  control-use-cert: no
  control-interface: "{folder}/control"
auth-zone:
  name: "."
  zonefile: "{folder}/root.zone"
  for-downstream: yes
  for-upstream: no
  fallback-enabled: no
""")
    question = dns.message.make_query("_spf.alojamento.example", "TXT")

    def ready():
        try:
            return dns.query.udp(question, "127.0.0.1", port=port, timeout=0.5).answer
        except (OSError, dns.exception.DNSException):
            return False

    command = [needed("unbound", "unbound"), "-d", "-p", "-c", str(folder / "unbound.conf")]
    with running(command, ready, folder / "unbound.log") as process:
        yield NameServer(process, port, folder / "unbound.conf")


@dataclass(frozen=True)
class WebServer:
    """The nginx that runs: the ports of portal and webmail, and the authority to trust."""

    process: subprocess.Popen
    portal: int
    webmail: int
    ca_file: Path


@contextmanager
def web_server(world, folder):
    """A WebServer that is the portal and the webmail of the world."""
    folder, portal, webmail = Path(folder), free_port(), free_port()
    ca_file = world.write_web(folder)
    (folder / "nginx.conf").write_text(f"""
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log error;
worker_processes 1;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  server_tokens off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  types {{ }}
  open_file_cache max=100000 inactive=600s;
  open_file_cache_valid 600s;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{portal} backlog=1024;
    root {folder};
    default_type application/json;
    location ~ ^/api/v1/domains/([^/]+)/(carbonio|nginx|certificate)$ {{
      if ($http_authorization != "Bearer bench-portal-token") {{ return 401; }}
      error_page 404 /missing.json;
      try_files /api/$1/$2 =404;
    }}
  }}
  server {{
    listen {WEB}:{webmail} ssl backlog=1024;
    listen {ELSEWHERE}:{webmail} ssl;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_certificate {folder}/certs/$ssl_server_name.pem;
    ssl_certificate_key {folder}/certs/$ssl_server_name.pem;
    root {folder};
    default_type text/html;
    location / {{
      if (-f {folder}/down/$host) {{ return 502; }}
      try_files /pages/$host /mail.html =404;
    }}
  }}
}}
""")

    def ready():
        try:
            with socket.create_connection((WEB, webmail), 1):
                return True
        except OSError:
            return False

    command = [
        needed("nginx", "nginx"),
        "-e",
        str(folder / "nginx.log"),
        "-c",
        str(folder / "nginx.conf"),
    ]
    with running(command, ready, folder / "nginx.log") as process:
        yield WebServer(process, portal, webmail, ca_file)


@contextmanager
def postgresql(folder):
    """(process, URL) of a PostgreSQL cluster of its own with an empty database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    if not found:
        sys.exit("PostgreSQL is needed (Debian: apt-get install postgresql)")
    programs, folder, port = found[-1], Path(folder) / "postgresql", free_port()
    folder.mkdir()
    who = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        who = {"user": "postgres", "group": "postgres", "extra_groups": ()}
        shutil.chown(folder, "postgres")
        for parent in (folder.parent, folder.parent.parent):
            if parent.stat().st_mode & 0o777 == 0o700:
                parent.chmod(0o711)
    data = folder / "data"
    subprocess.run(
        [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"],
        check=True, cwd=folder, stdout=subprocess.DEVNULL, **who,
    )  # fmt: skip
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    command = [
        str(programs / "postgres"), "-D", str(data), "-p", str(port), "-k", str(folder),
        "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=100",
        "-c", "synchronous_commit=on", "-c", "shared_buffers=256MB",
    ]  # fmt: skip

    def ready():
        import psycopg

        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            return False
        return True

    log = folder.parent / "postgresql.log"
    with running(command, ready, log, user="postgres", end=signal.SIGINT) as process:
        yield process, url
