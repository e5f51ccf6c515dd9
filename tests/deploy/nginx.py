"""nginx with the site that we ship, on loopback."""

import http.client
import os
import random
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "audit.example.com"
MAIN = """
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 768; }}
http {{
  include /etc/nginx/mime.types;
  ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
  ssl_prefer_server_ciphers on;
  access_log {folder}/access.log;
  gzip on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  set_real_ip_from 127.0.0.0/8;  # so that a test can come from anywhere
  real_ip_header X-Test-Address;
  include {folder}/site.conf;
}}
"""


class Nginx:
    """A running nginx, with `site` (the text of a site's configuration, its paths in place) among
    what Debian's nginx.conf says. `folder` is its own; `certificate` is what clients trust."""

    def __init__(self, folder, site, certificate):
        self.folder, self.site, self.certificate = folder, site, certificate

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        for _attempt in range(20):  # until an address is free
            self.address = "127." + ".".join(str(random.randrange(1, 255)) for _n in range(3))
            self.http, self.https = random.sample(range(20000, 30000), 2)
            text = re.sub(r"^ *listen \[::\].*\n", "", self.site, flags=re.M)
            text = text.replace("listen 80 ", f"listen {self.address}:{self.http} ")
            text = text.replace("listen 443 ", f"listen {self.address}:{self.https} ")
            (self.folder / "site.conf").write_text(text)
            user = "user www-data;" if os.geteuid() == 0 else ""
            main = self.folder / "nginx.conf"
            main.write_text(MAIN.format(folder=self.folder, user=user))
            done = subprocess.run(
                ["nginx", "-c", str(main), "-e", str(self.folder / "error.log")],
                capture_output=True, text=True, timeout=60,
            )  # fmt: skip
            if done.returncode == 0:
                return self
            assert "bind()" in done.stderr, done.stderr
        raise AssertionError("no address was free")

    def __exit__(self, *_exc):
        pid_file = self.folder / "nginx.pid"
        os.kill(int(pid_file.read_text()), 15)
        until = time.monotonic() + 30
        while pid_file.exists() and time.monotonic() < until:  # it takes the file away at its end
            time.sleep(0.05)

    def connect(self, *, tls=True, name=DOMAIN):
        """A connection; the caller closes it."""
        raw = socket.create_connection((self.address, self.https if tls else self.http), timeout=60)
        if not tls:
            return raw
        context = ssl.create_default_context(cafile=self.certificate)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # a self-signed one is not strict
        return context.wrap_socket(raw, server_hostname=name)

    def ask(self, path, data=None, *, method=None, headers=None, tls=True, host=DOMAIN):
        """(status, headers, body) of one request; status 0 where the connection ends without an
        answer."""
        connection = http.client.HTTPConnection(DOMAIN, timeout=60)
        connection.sock = self.connect(tls=tls)
        try:
            connection.putrequest(
                method or ("GET" if data is None else "POST"), path, skip_host=True,
                skip_accept_encoding=True,
            )  # fmt: skip
            all_headers = {"Host": host, **(headers or {})}
            if data is not None:
                all_headers["Content-Length"] = str(len(data))
            for name, value in all_headers.items():
                connection.putheader(name, value)
            connection.endheaders(data)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return 0, {}, b""
        finally:
            connection.close()


def make_certificate(folder):
    """(certificate, key): self-signed, as scripts/install.sh makes one."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "30", "-subj", f"/CN={DOMAIN}",
         "-addext", f"subjectAltName=DNS:{DOMAIN}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return certificate, key


def installed(*programs):
    """True if all of these programs are there (.ci/run installs them)."""
    return all(shutil.which(program) for program in programs)
