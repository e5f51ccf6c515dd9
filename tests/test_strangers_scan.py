"""Cases 143, 165, 166, 167, 190, 200 and 201: a stranger's scan of the site as it runs."""

import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import scan
from tests.deploy.nginx import Nginx, installed, make_certificate
from tests.installation import ROOT
from tests.web_server import NAME, serve

SESSION = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.create_superuser("root"))
name = settings.SESSION_COOKIE_NAME
print(f"{name}={client.cookies[name].value}")
"""
BAD = r"""
import socketserver
HEAD = "Server: x/1.2\r\nSet-Cookie: a=b\r\nLocation: //evil.example/\r\n"
BODY = "Traceback (most recent call last):\r\n"

class Bad(socketserver.StreamRequestHandler):
    def handle(self):
        head = f"HTTP/1.1 200 OK\r\n{HEAD}Access-Control-Allow-Origin: *\r\n\r\n{BODY}"
        asked = self.request.recv(65536)
        self.wfile.write(head.encode() + asked + b"HTTP/1.1 200 OK\r\n\r\n")

server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Bad)
print(server.server_address[1], flush=True)
server.serve_forever()
"""
pytestmark = pytest.mark.timeout(300)
OF_GUNICORN = scan.questions(alone=True, session=True)
OF_NGINX = scan.questions(alone=False, session=True)


def session_of(server):
    """The cookie of a superuser who is signed in."""
    command = [sys.executable, "manage.py", "shell", "-v0", "-c", SESSION]
    done = subprocess.run(
        command, cwd=ROOT, env=server.env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """gunicorn, with what its proxy would say of https."""
    with serve(tmp_path_factory.mktemp("web"), WEB_HASHER="quick") as server:
        yield scan.Site(
            f"http://{NAME}",
            connect=(server.host, server.port),
            probe=f"http://{server.host}:{server.port}",
            headers=["X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7"],
            cookie=session_of(server),
        )


@pytest.fixture(scope="module")
def behind_nginx():
    """The same behind the site of nginx that we ship."""
    if not installed("nginx", "openssl"):
        pytest.skip("nginx is not installed")
    with tempfile.TemporaryDirectory(prefix="ligbox-scan-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        certificate, _key = make_certificate(folder)
        text = (ROOT / "deploy/nginx-site.conf").read_text()
        for path in ("/etc/ligbox-audit/tls", "/run/ligbox-web", "/var/log/nginx", "/var/www"):
            text = text.replace(path, name)
        web = folder / "web"
        web.mkdir(mode=0o700)
        bind = ("--bind", f"unix:{folder}/web.sock", "--umask", "0")
        with (
            serve(web, *bind, WEB_HASHER="quick") as server,
            Nginx(folder / "nginx", text, certificate) as nginx,
        ):
            context = ssl.create_default_context(cafile=certificate)
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            yield scan.Site(
                f"https://{NAME}",
                connect=(nginx.address, nginx.https),
                context=context,
                probe=f"http://{nginx.address}:{nginx.http}",
                cookie=session_of(server),
            )


@pytest.mark.parametrize("question", OF_GUNICORN, ids=lambda question: question.__name__)
def test_gunicorn_alone_gives_a_stranger_nothing(alone, question):
    assert "\n".join(question(alone)) == ""


@pytest.mark.parametrize("question", OF_NGINX, ids=lambda question: question.__name__)
def test_behind_nginx_it_gives_a_stranger_nothing(behind_nginx, question):
    assert "\n".join(question(behind_nginx)) == ""


def test_the_scan_sees_what_it_looks_for():
    """A server that does all of it wrong."""
    with subprocess.Popen([sys.executable, "-c", BAD], stdout=subprocess.PIPE) as bad:
        site = scan.Site(f"http://127.0.0.1:{int(bad.stdout.readline())}", cookie="a=b")
        try:
            for question in OF_GUNICORN:
                if question is not scan.log_ins:
                    assert list(question(site)), question.__name__
        finally:
            bad.kill()
