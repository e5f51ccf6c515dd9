"""A web server on loopback that misbehaves on purpose.

A path for each way, a name (SNI) for each certificate. `PATHS` says what a path does as a list of
steps: bytes are sent, a number is a pause in seconds, CLOSE, RESET and WAIT (until the client goes,
at most) end it. `Hostile(mode=…)` misbehaves below HTTP: plain (HTTP where TLS should be), ssh,
mute (no handshake), drop, reset; mode http serves the paths without TLS. `connections` and
`requests` are what it saw; everything ends when the `with` block does.
"""

import atexit
import datetime as dt
import itertools
import shutil
import socket
import ssl
import struct
import tempfile
import threading
import zlib
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOSE, RESET, WAIT = "close", "reset", "wait"
LONGEST = 8.0  # seconds one connection may last
PEM = serialization.Encoding.PEM


def answer(body=b"<title>Carbonio Login</title>", status="200 OK", **headers):
    """A proper response; `headers` with underscores for hyphens."""
    lines = [f"HTTP/1.1 {status}".encode(), b"Content-Length: %d" % len(body), b"Connection: close"]
    lines += [
        name.replace("_", "-").encode() + b": " + (v if isinstance(v, bytes) else v.encode())
        for name, v in headers.items()
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(chunks, **headers):
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    yield f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n{head}\r\n".encode()
    for chunk in chunks:
        yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    yield b"0\r\n\r\n"


def gzip_bomb(mebibytes=1024):
    """About a kilobyte for each mebibyte of zeros: the same flushed block again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    return itertools.chain([first], itertools.repeat(block, mebibytes - 1))


def drip(data, pause=0.05):
    for byte in data:
        yield bytes([byte])
        yield pause


def gzipped(data, wbits=31):
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return packer.compress(data) + packer.flush()


LOGIN = b"<html><title>Carbonio Login</title></html>"
OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"

PATHS = {
    "/": lambda: [answer(Strict_Transport_Security="max-age=31536000")],
    "/no-hsts": lambda: [answer()],
    "/hsts-off": lambda: [answer(Strict_Transport_Security="max-age=0; includeSubDomains")],
    "/late": lambda: [0.4, answer()],
    "/status/404": lambda: [answer(status="404 Not Found")],
    "/status/500": lambda: [answer(status="500 Oops")],
    "/status/502": lambda: [answer(status="502 Bad Gateway")],
    "/status/304": lambda: [answer(b"", status="304 Not Modified")],
    "/no-location": lambda: [answer(status="302 Found")],
    "/two-locations": lambda: [
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"
    ],
    "/cookie-wall": lambda: [
        answer(status="302 Found", Location="/cookie-wall", Set_Cookie="seen=1")
    ],
    "/cookie-never": lambda: [
        answer(status="302 Found", Location="/cookies-required", Set_Cookie="test=1; Path=/")
    ],
    "/cookies-required": lambda: [
        answer(b"<title>Cookies required</title>", status="403 Forbidden")
    ],
    "/loop": lambda: [answer(status="302 Found", Location="/loop")],
    "/pingpong": lambda: [answer(status="302 Found", Location="/pongping")],
    "/pongping": lambda: [answer(status="302 Found", Location="/pingpong")],
    "/redirect-with-endless-body": lambda: itertools.chain(
        [b"HTTP/1.1 302 Found\r\nLocation: /\r\nTransfer-Encoding: chunked\r\n\r\n"],
        itertools.repeat(b"1000\r\n" + b"x" * 4096 + b"\r\n", 500),
        [WAIT],
    ),
    "/location-crlf": lambda: [
        b"HTTP/1.1 302 Found\r\nLocation: /a\rSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    ],
    "/location-1mb": lambda: [answer(status="302 Found", Location="/" + "a" * 1_000_000)],
    "/location-long": lambda: [answer(status="302 Found", Location="/" + "a" * 20_000)],
    "/location-bytes": lambda: [
        answer(status="302 Found", Location=b"https://b\xfccher.test/\xff")
    ],
    "/slow-headers": lambda: drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100),
    "/slow-body": lambda: itertools.chain(
        [OK_HEAD + b"Content-Length: 100\r\n\r\n"], drip(b"x" * 100)
    ),
    "/stall": lambda: [OK_HEAD + b"Content-Length: 100\r\n\r\nabc", WAIT],
    "/silent": lambda: [WAIT],
    "/huge": lambda: itertools.chain(
        [OK_HEAD + b"Content-Length: 1073741824\r\n\r\n" + LOGIN],
        itertools.repeat(b"x" * 65536, 16384),
    ),
    "/endless": lambda: chunked(itertools.chain([LOGIN], itertools.repeat(b"x" * 65536, 4000))),
    "/tiny-chunks": lambda: chunked(itertools.chain([LOGIN], itertools.repeat(b"x", 200_000))),
    "/gzip": lambda: [answer(gzipped(LOGIN), Content_Encoding="gzip")],
    "/deflate": lambda: [answer(gzipped(LOGIN, 15), Content_Encoding="deflate")],
    "/deflate-raw": lambda: [answer(gzipped(LOGIN, -15), Content_Encoding="deflate")],
    "/brotli": lambda: [answer(b"\x0b\x02\x80abc\x03", Content_Encoding="br")],
    "/gzip-broken": lambda: [answer(b"this is not gzip", Content_Encoding="gzip")],
    "/gzip-cut": lambda: [answer(gzipped(bytes(range(256)) * 9)[:40], Content_Encoding="gzip")],
    "/gzip-bomb": lambda: chunked(gzip_bomb(), Content_Encoding="gzip"),
    "/deflate-nested": lambda: [answer(gzipped(gzipped(LOGIN)), Content_Encoding="gzip, gzip")],
    "/many-headers": lambda: [
        b"HTTP/1.1 200 OK\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"v" * 20) for n in range(10_000))
        + b"\r\n",
        WAIT,
    ],
    "/long-header": lambda: [b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 300_000 + b"\r\n\r\n", WAIT],
    "/long-status": lambda: [b"HTTP/1.1 200 " + b"O" * 300_000 + b"K\r\n\r\n", WAIT],
    "/cookies": lambda: [
        b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=bbbbbbbbbbbbbbbbbbbbbbbbbb\r\n" * 8000 + b"\r\n",
        WAIT,
    ],
    "/close": lambda: [CLOSE],
    "/reset": lambda: [RESET],
    "/half": lambda: [OK_HEAD + b"Content-Length: 1000\r\n\r\nhalf", CLOSE],
    "/half-headers": lambda: [b"HTTP/1.1 200 OK\r\nContent-Ty", CLOSE],
    "/reset-in-body": lambda: [OK_HEAD + b"Content-Length: 1000\r\n\r\nhalf", 0.05, RESET],
    "/bad-length": lambda: [OK_HEAD + b"Content-Length: abc\r\n\r\nabc"],
    "/two-lengths": lambda: [OK_HEAD + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"],
    "/bad-chunk": lambda: [OK_HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"],
    "/endless-1xx": lambda: itertools.chain.from_iterable(
        (b"HTTP/1.1 103 Early Hints\r\n\r\n", 0.02) for _ in range(1000)
    ),
    "/flood-1xx": lambda: itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500, 1000),
    "/switch": lambda: [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        WAIT,
    ],
    "/garbage": lambda: [bytes(range(256)) * 4],
    "/garbage-then-quiet": lambda: [b"220 mail.test ESMTP\r\n\r\n", WAIT],
    "/http09": lambda: [b"<html>hello</html>"],
    "/status-abc": lambda: [b"HTTP/1.1 abc OK\r\n\r\n"],
    "/status-999": lambda: [b"HTTP/1.1 999 Strange\r\nContent-Length: 0\r\n\r\n"],
    "/nul-header": lambda: [answer(X_A=b"a\0b")],
    "/latin1-header": lambda: [answer(Server=b"caf\xe9 \xff")],
    "/body-utf16": lambda: [answer("\ufeff<title>Olá</title>".encode("utf-16-le"))],
    "/charset-unknown": lambda: [
        answer("<title>Olá</title>".encode(), Content_Type="text/html; charset=x-nothing")
    ],
    "/charset-punycode": lambda: [
        answer(b"<title>" + b"a" * 60_000 + b"</title>", Content_Type="text/html; charset=punycode")
    ],
    "/charset-latin1": lambda: [
        answer("<title>Olá</title>".encode("latin-1"), Content_Type="text/html; charset=ISO-8859-1")
    ],
    "/xss": lambda: [
        answer(
            b"<title>&lt;script&gt;alert(1)&lt;/script&gt; \xe2\x80\xae</title>",
            Server="<script>alert(2)</script>",
        )
    ],
    "/charset-meta": lambda: [
        answer(
            "<meta charset=ISO-8859-1><title>Olá</title>".encode("latin-1"),
            Content_Type="text/html",
        )
    ],
    "/nginx-with-location": lambda: [answer(b"<title>Welcome to nginx!</title>", Location="/")],
    "/nginx": lambda: [
        answer(
            b"<html><head><title>Welcome to nginx!</title></head>"
            b"<body><h1>Welcome to nginx!</h1></body></html>"
        )
    ],
    "/apache": lambda: [answer(b"<html><body><h1>It works!</h1></body></html>\n")],
    "/debian": lambda: [answer(b"<title>Apache2 Debian Default Page: It works</title>")],
    "/parked": lambda: [
        answer(
            b"<html data-adblockkey=\"MFwwDQ\"><script src='https://img.sedoparking.com/x.js'></script></html>"
        )
    ],
    "/mentions-nginx": lambda: [
        answer(
            b"<title>Webmail</title>"
            b"<p>Welcome to nginx! It works! Powered by Apache. sedoparking.com</p>"
        )
    ],
}


def steps_for(target, cookie=None):
    """The steps for a request target; /redirect/N, /to?u=… and the like carry their parameter."""
    parts = urlsplit(target)
    if parts.path == "/cookie-gate":
        if cookie == "seen=1":
            return [answer()]
        return [answer(status="302 Found", Location="/cookie-gate", Set_Cookie="seen=1; Path=/")]
    if parts.path.startswith("/cookie-count/"):
        left = int(parts.path.rsplit("/", 1)[1])
        to = f"/cookie-count/{left - 1}" if left else "/"
        return [answer(status="302 Found", Location=to, Set_Cookie="probe=1; path=/")]
    if parts.path.startswith("/redirect/"):
        left = int(parts.path.rsplit("/", 1)[1])
        return [answer(status="302 Found", Location=f"/redirect/{left - 1}" if left > 1 else "/")]
    url = parse_qs(parts.query).get("u", [""])[0]
    if parts.path == "/cookie-to":
        return [answer(status="302 Found", Location=url, Set_Cookie="seen=1; Path=/")]
    if parts.path == "/to":
        return [answer(status="302 Found", Location=url)]
    if parts.path == "/refresh":
        return [
            answer(
                f'<meta http-equiv="refresh" content="0; url={url}"><title>Login</title>'.encode()
            )
        ]
    return PATHS.get(parts.path, PATHS["/status/404"])()


class Hostile:
    """One listening port. `certs` is a `Certificates`; `mode` says how it misbehaves below HTTP."""

    def __init__(self, certs=None, *, mode="tls", host="127.0.0.1", port=0, paths=None):
        self.paths = paths or {}  # path -> steps, before those of PATHS
        self.certs, self.mode, self.host, self.port = certs, mode, host, port
        self.connections, self.requests = [], []  # (peer address), (host header, target, headers)
        self.bytes_sent = 0
        self.hung_up = threading.Event()  # a client went while it was kept waiting
        self._stop = threading.Event()
        self._open = set()

    def __enter__(self):
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.listener = socket.create_server((self.host, self.port), family=family, backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in list(self._open):
            sock.close()

    def _accept(self):
        while not self._stop.is_set():
            try:
                sock, peer = self.listener.accept()
            except OSError:
                return
            self.connections.append(peer[0])
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.settimeout(LONGEST)
        self._open.add(sock)
        try:
            if self.mode == "tls":
                sock = self.certs.server_context.wrap_socket(
                    sock, server_side=True, do_handshake_on_connect=False
                )
                self._open.add(sock)
                self._shake(sock)
            self._play(sock)
        except (OSError, ValueError) as error:
            if not isinstance(error, TimeoutError):
                self.hung_up.set()
        finally:
            sock.close()
            self._open -= {sock}

    @staticmethod
    def _shake(sock):
        """The handshake; an alert of ours is let arrive, as a reset could overtake it."""
        try:
            sock.do_handshake()
        except OSError:
            while socket.socket.recv(sock, 4096):
                pass
            raise

    def _play(self, sock):
        if self.mode == "mute":
            self._perform(sock, [WAIT])
        elif self.mode == "reset":
            self._perform(sock, [RESET])
        elif self.mode == "ssh":
            self._perform(sock, [b"SSH-2.0-OpenSSH_9.2\r\n", WAIT])
        elif self.mode == "plain":
            sock.recv(4096)
            self._perform(sock, [answer(status="400 Bad Request")])
        elif self.mode != "drop":
            self._perform(sock, self._request(sock))

    def _request(self, sock):
        data = b""
        while b"\r\n\r\n" not in data and len(data) < 65536:
            piece = sock.recv(4096)
            if not piece:
                return []
            data += piece
        first, *lines = data.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines]
        self.requests.append((dict(headers).get("Host", ""), first, headers))
        target = first.split(" ")[1]
        if target in self.paths:
            return self.paths[target]
        return steps_for(target, dict(headers).get("Cookie"))

    def _perform(self, sock, steps):
        for step in steps:
            if self._stop.is_set() or step == CLOSE:
                return
            if step == RESET:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if step == WAIT:
                while sock.recv(65536):
                    pass
                self.hung_up.set()
            elif isinstance(step, bytes):
                sock.sendall(step)
                self.bytes_sent += len(step)
            else:
                self._stop.wait(step)


class Full:
    """A port whose queue is full: the kernel drops what comes, as a filter does."""

    def __init__(self, port=0):
        self.port = port

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.port))
            self.fillers.append(filler)
        return self

    def __exit__(self, *exc):
        for sock in [*self.fillers, self.listener]:
            sock.close()


# name: what is special about its certificate. unknown.test is not here: its handshake is refused
SITES = {
    "good.test": {},
    "webmail.customer.test": {"names": ["webmail.other.test"]},
    "expired.test": {"days": (-90, -1)},
    "future.test": {"days": (1, 90)},
    "selfsigned.test": {"issuer": "self"},
    "untrusted.test": {"issuer": "rogue"},
    "bare.test": {"bare": True},
    "wrongname.test": {"names": ["www.elsewhere.test"]},
    "nosan.test": {"names": []},
    "weak.test": {"bits": 1024},
    "notca.test": {"issuer": "leaf"},
    "manynames.test": {"names": [f"n{n}.manynames.test" for n in range(10_000)]},
    "script.test": {"subject": "<script>alert(1)</script>"},
}


class Certificates:
    """An authority with an intermediate, leaves for SITES and any other name, picked by SNI."""

    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="hostile-"))
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        self.root_key, self.root = _certificate("Hostile Root", ca=True)
        self.key, self.intermediate = _certificate(
            "Hostile CA 1", ca=True, issuer=(self.root_key, self.root)
        )
        self.rogue = _certificate("Rogue Root", ca=True)
        self.end_entity = _certificate(
            "end.test", names=["end.test"], issuer=(self.key, self.intermediate)
        )
        self.ca_file = str(self.dir / "ca.pem")
        Path(self.ca_file).write_bytes(self.root.public_bytes(PEM))
        self._contexts = {}
        self.server_context = self.prepare("good.test")
        self.server_context.sni_callback = self._choose

    def _choose(self, sock, name, _context):
        if name == "unknown.test":
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if name and name != "good.test":
            sock.context = self.prepare(name)
        return None

    def prepare(self, name):
        """The context for a name, made when it is first asked for."""
        if name not in self._contexts:
            self._contexts[name] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.load_cert_chain(self._write(name, dict(SITES.get(name, {}))))
        return self._contexts[name]

    def _write(self, name, site):
        issuer, bare = site.pop("issuer", ""), site.pop("bare", False)
        pairs = {
            "": (self.key, self.intermediate),
            "self": None,
            "rogue": self.rogue,
            "leaf": self.end_entity,
        }
        behind = {"": [self.intermediate], "leaf": [self.end_entity[1], self.intermediate]}.get(
            issuer, []
        )
        site.setdefault("names", [name])
        key, leaf = _certificate(site.pop("subject", name), issuer=pairs[issuer], **site)
        path = self.dir / f"{name}.pem"
        chain = b"".join(c.public_bytes(PEM) for c in ([leaf] if bare else [leaf, *behind]))
        path.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + chain
        )
        return path


def _certificate(subject, *, names=(), issuer=None, ca=False, days=(-30, 60), bits=0):
    """(key, certificate); `issuer` is such a pair, None for self-signed; `bits` of an RSA key."""
    key = (
        rsa.generate_private_key(public_exponent=65537, key_size=bits)
        if bits
        else ec.generate_private_key(ec.SECP256R1())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer, parent = issuer or (key, None)
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(parent.subject if parent else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if ca:
        builder = builder.add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False),
            critical=True,
        )
    else:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False
        )
    return key, builder.sign(signer, hashes.SHA256())


@cache
def certificates():
    """The `Certificates` that all tests share."""
    return Certificates()
