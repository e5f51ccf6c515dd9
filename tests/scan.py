"""What a stranger finds who scans a running site: `python -m tests.scan https://audit.example.com`.

    --connect HOST:PORT   where it really listens (else what the URL says)
    --ca FILE             what its certificate is verified with
    --probe URL           where /healthz is asked for by address (else the URL)
    --header "A: b"       sent along, such as X-Forwarded-Proto: https where no proxy is in front
    --cookie A=b          the session of a superuser, to look at the administration's lists too
    --alone               no proxy stands in front: nothing is asked that only one can hold

Prints a line for each question, and each finding; exit status 1 where there is one. It signs in
wrongly some dozens of times, and changes nothing.
"""

import argparse
import contextlib
import re
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

EVIL = "evil.example"
LEAKS = re.compile(
    r"Traceback \(most recent|File &?q?u?o?t?;?\"?/\w|DEBUG = True"
    r"|django\.(db|core|http)\.\w+\.\w+:|SECRET_KEY|root:x:0"
    r"|BEGIN [A-Z ]*PRIVATE KEY|sqlite3\.\w+Error"
)
PRIVATE = ("/admin/", "/domains/", "/board/", "/progress/")
HELD = 12  # half requests at the same time
BOUND = 5.0  # seconds that others may wait meanwhile


@dataclass
class Answer:
    """An answer: `status` 0 where none came; header names in lower case, each with its values."""

    status: int
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name):
        return ", ".join(self.headers.get(name.lower(), []))


class Site:
    """A site to scan, at the bytes."""

    def __init__(self, url, *, connect=None, context=None, probe=None, headers=(), cookie=""):
        parts = urlsplit(url)
        self.tls, self.host = parts.scheme == "https", parts.netloc
        port = parts.port or (443 if self.tls else 80)
        self.peer = connect or (parts.hostname, port)
        self.name, self.context = parts.hostname, context
        self.headers, self.cookie = list(headers), cookie
        self.secure = self.tls or any("proto: https" in h.lower() for h in self.headers)
        probe_parts = urlsplit(probe or url)
        self.probe_tls = probe_parts.scheme == "https"
        self.probe_peer = self.peer
        if probe:
            self.probe_peer = probe_parts.hostname, probe_parts.port or 80

    def connect(self, *, probe=False):
        peer, tls = (self.probe_peer, self.probe_tls) if probe else (self.peer, self.tls)
        raw = socket.create_connection(peer, timeout=30)
        if not tls:
            return raw
        context = self.context or ssl.create_default_context()
        return context.wrap_socket(raw, server_hostname=self.name)

    def send(self, raw, *, probe=False):
        """All bytes that come back for these, until the end."""
        answer = b""
        with contextlib.suppress(OSError), self.connect(probe=probe) as connection:
            connection.sendall(raw)
            while part := connection.recv(65536):
                answer += part
        return answer

    def request(self, path, *, method="GET", host=None, headers=(), body=b"", version="1.1"):
        """The bytes of a request."""
        lines = [f"{method} {path} HTTP/{version}"]
        lines += [f"Host: {self.host if host is None else host}"] if host != "" else []
        lines += ["Connection: close", *self.headers, *headers]
        if body or method in ("POST", "PUT", "PATCH"):
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + body

    def ask(self, path, *, probe=False, **request):
        """The Answer to one request."""
        return parse(self.send(self.request(path, **request), probe=probe))

    def ask_as_administrator(self, path):
        return self.ask(path, headers=[f"Cookie: {self.cookie}"])


def parse(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    found = re.match(r"HTTP/1\.[01] (\d{3})", first)
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    return Answer(int(found[1]) if found else 0, headers, body)


# -- questions: each yields what is wrong, in a sentence


def headers(site):
    """Every address, also those that do not exist, has the headers that browsers keep to."""
    from tests.addresses import addresses

    wrong = ["/nothing", "/admin/nothing/", "/api/v1/nothing", "/static/nothing.css", "/report/x/"]
    for path in [*addresses(), *wrong, "/static/css/base.css", "/static/admin/css/base.css"]:
        answer = site.ask(path)
        yield from _headers_of(site, path, answer)
        if site.cookie and path.startswith(PRIVATE) and path != "/admin/jsi18n/":
            answer = site.ask_as_administrator(path)
            yield from _headers_of(site, path, answer)
            kept = answer.header("cache-control")
            if answer.status == 200 and not {"no-store", "private", "no-cache"} & set(
                re.split(r"[,\s]+", kept)
            ):
                yield f"{path}: a cache may keep the page of somebody who is signed in"


def _headers_of(site, path, answer):
    if answer.status == 0 or (answer.status >= 500 and path != "/readyz"):
        yield f"{path}: status {answer.status}"
    demanded = {
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "content-security-policy": "frame-ancestors 'none'",
    }
    if site.secure:
        demanded["strict-transport-security"] = "max-age="
    for name, value in demanded.items():
        if value not in answer.header(name):
            yield f"{path} ({answer.status}): no {name}: {value}"
    if "unsafe" in answer.header("content-security-policy"):
        yield f"{path}: an unsafe policy"
    for name in answer.headers:
        if name.startswith("access-control-") or name in ("x-powered-by", "x-aspnet-version"):
            yield f"{path}: {name}"
    if re.search(r"\d", answer.header("server")):
        yield f"{path}: the server tells its version: {answer.header('server')}"
    if found := LEAKS.search(answer.body.decode("utf-8", "replace")):
        yield f"{path}: the body tells {found[0]!r}"
    for cookie in answer.headers.get("set-cookie", []):
        flags = {part.strip().lower() for part in cookie.split(";")[1:]}
        name = cookie.partition("=")[0]
        if site.secure and "secure" not in flags:
            yield f"{path}: the cookie {name} is not Secure"
        if not any(flag.startswith("samesite=") and "none" not in flag for flag in flags):
            yield f"{path}: the cookie {name} has no SameSite"
        if "csrf" not in name and "language" not in name and "httponly" not in flags:
            yield f"{path}: the cookie {name} is not HttpOnly"
        if any(flag.startswith("domain=") for flag in flags):
            yield f"{path}: the cookie {name} is for other hosts too"


def methods(site):
    """No method but the few that are meant; TRACE echoes nothing."""
    paths = [
        "/",
        "/login/",
        "/healthz",
        "/admin/",
        "/api/v1/audit/overview",
        "/static/css/base.css",
    ]
    for path in paths:
        for method in ("TRACE", "TRACK", "PUT", "DELETE", "PATCH", "PROPFIND", "DEBUG", "get"):
            answer = site.ask(path, method=method, headers=["X-Marker: echo-of-a-stranger"])
            if 200 <= answer.status < 300 or answer.status >= 502 or answer.status == 500:
                yield f"{method} {path}: status {answer.status}"
            if b"echo-of-a-stranger" in answer.body:
                yield f"{method} {path}: it echoes"
        answer = site.ask(path, method="OPTIONS", headers=[f"Origin: https://{EVIL}"])
        if answer.status >= 500 or answer.header("access-control-allow-origin"):
            yield f"OPTIONS {path}: {answer.status}"


def hosts(site):
    """Another Host gets nothing, and is written nowhere; only a probe is answered."""
    for path in ("/", "/login/", "/admin/", "/static/css/base.css", "/api/v1/docs", "/nothing"):
        for request in (
            site.request(path, host=EVIL),
            site.request(path, host=f"{site.host}@{EVIL}"),
            site.request(path, host=f"{site.name}.{EVIL}"),
            site.request(path, host="127.0.0.1"),
            site.request(path, headers=[f"Host: {EVIL}"]),
        ):
            answer = parse(site.send(request))
            if answer.status not in (0, 400, 421, 444) or EVIL.encode() in answer.body:
                yield f"{request.split(b'Connection')[0]!r}: status {answer.status}"
        names = ("X-Forwarded-Host", "X-Host", "X-Original-URL", "X-Rewrite-URL")
        believed = [site.request(path, headers=[f"{name}: {EVIL}"]) for name in names]
        believed.append(site.request(path, headers=[f"Forwarded: host={EVIL}"]))
        believed.append(site.request(f"http://{EVIL}{path}"))
        for request in believed:
            answer = parse(site.send(request))
            if EVIL in str(answer.headers) or EVIL.encode() in answer.body:
                yield f"{request.split(b'Connection')[0]!r}: is believed"
    for host in ("127.0.0.1", EVIL, "10.0.0.7:8000", ""):
        for path in ("/healthz", "/readyz"):
            version = "1.1" if host else "1.0"
            answer = site.ask(path, host=host, probe=True, version=version)
            good = (200,) if path == "/healthz" else (200, 503)
            if answer.status not in good or "no-store" not in answer.header("cache-control"):
                yield f"{path} for {host!r}: status {answer.status}"
            if answer.headers.get("set-cookie"):
                yield f"{path}: sets a cookie"


def redirects(site):
    """Nothing leads to another host, and no line break gets into a header."""
    paths = [
        f"//{EVIL}/admin", f"//{EVIL}/%2e%2e", f"/\\{EVIL}", f"/%5c{EVIL}/..", f"/admin//{EVIL}",
        f"///{EVIL}", f"/.{EVIL}", f"/@{EVIL}", f"/%2f{EVIL}/", "/%0d%0aX-Broken:1",
        "/login%0d%0aX-Broken:1/",
    ]  # fmt: skip
    targets = [
        f"//{EVIL}/", f"https://{EVIL}/", f"/\\{EVIL}", f"\\\\{EVIL}", f"https:{EVIL}",
        f"http:///{EVIL}", f"javascript:alert(1)//{EVIL}", f" //{EVIL}", f"\t//{EVIL}",
        f"/%09/{EVIL}",
        f"https://{site.host}@{EVIL}/", f"https://{site.host}.{EVIL}/", "x\r\nX-Broken: 1",
    ]  # fmt: skip
    answers = [(path, site.ask(path)) for path in paths]
    page = site.ask("/login/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    cookies = "; ".join(c.partition(";")[0] for c in page.headers.get("set-cookie", []))
    origin = [f"Origin: {'https' if site.secure else 'http'}://{site.host}", f"Cookie: {cookies}"]
    origin += [f"Referer: {'https' if site.secure else 'http'}://{site.host}/login/"]
    origin += ["Content-Type: application/x-www-form-urlencoded"]
    for target in targets:
        for path in ("/login/", "/admin/login/", "/admin/", "/"):
            asked = f"{path}?next={quote(target, safe='')}"
            answers.append((asked, site.ask(asked)))
        if token:
            body = f"csrfmiddlewaretoken={token[1].decode()}&language=en&next={quote(target)}"
            for path in ("/i18n/setlang/", "/logout/"):
                answer = site.ask(path, method="POST", headers=origin, body=body.encode())
                answers.append((f"{path} to {target!r}", answer))
    if token is None:
        yield "/login/ has no form"
    for asked, answer in answers:
        location = answer.header("location").replace("\\", "/").strip()
        host = urlsplit(location).netloc
        if location and host not in ("", site.host, site.name):
            yield f"{asked}: leads to {location}"
        if "x-broken" in answer.headers or location.startswith("javascript:"):
            yield f"{asked}: breaks out of its header"
        if answer.status >= 500:
            yield f"{asked}: status {answer.status}"


def files(site):
    """No file but those that are meant for everybody."""
    up = [
        "../",
        "%2e%2e/",
        "..%2f",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "....//",
        "%252e%252e%252f",
        "..;/",
    ]
    wanted = ["ligbox/settings.py", ".env", "data/secret_key", "etc/passwd", "manage.py"]
    paths = [f"/static/{u * n}{name}" for u in up for n in (1, 2, 7) for name in wanted]
    paths += [f"/static/css/{u * 8}etc/passwd" for u in up]
    paths += ["/.env", "/.git/HEAD", "/.git/config", "/data/secret_key", "/manage.py", "/static/"]
    paths += [
        "/static//etc/passwd",
        "/static/%00",
        "/static/css/base.css%00.html",
        "/server-status",
    ]
    paths += ["/admin/django_q/schedule/", "/static/css/", "/staticfiles.json", "/phpinfo.php"]
    for path in paths:
        answer = site.ask(path)
        if (
            answer.status == 200
            or answer.status >= 500
            or LEAKS.search(answer.body.decode("latin-1"))
        ):
            yield f"{path}: status {answer.status}"


def oddities(site):
    """What is no proper request is refused, shortly, and tells nothing."""
    base = site.request("/")
    for raw in (
        site.request("/" + "a" * 20_000),
        site.request("/?" + "a" * 20_000),
        site.request("/", headers=["X: " + "a" * 100_000]),
        site.request("/", headers=[f"X-{n}: 1" for n in range(400)]),
        site.request("/%ff%fe%00"),
        site.request("/\udcff\udcfe"),
        site.request("/", headers=["Cookie: " + "a=b; " * 1000]),
        site.request("/?" + "&".join(f"{n}=" for n in range(700))),
        base.replace(b"HTTP/1.1", b"HTTP/9.9"),
        base.replace(b" HTTP/1.1", b""),
        base.replace(b"Host:", b"Host"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 100 + b"\r\n\r\n",
        site.request(
            "/login/", method="POST", headers=["Content-Type: multipart/form-data"], body=b"x"
        ),
        site.request(
            "/login/",
            method="POST",
            headers=["Content-Type: multipart/form-data; boundary=\0"],
            body=b"x",
        ),
        site.request(
            "/api/v1/webhooks/1", method="POST", headers=["Content-Type: text/xml"], body=b"<x/>"
        ),
        site.request("/api/v1/audit/overview", headers=["Authorization: Bearer \xff"]),
    ):
        answer = parse(site.send(raw))
        what = f"{raw[:40]!r}…"
        if answer.status >= 500 and answer.status not in (501, 505):
            yield f"{what}: status {answer.status}"
        if LEAKS.search(answer.body.decode("latin-1")) or len(answer.body) > 50_000:
            yield f"{what}: tells too much"


def smuggling(site):
    """A request with two ends, or an unclear one, is refused or closed: nobody reads a second."""
    second = f"GET /smuggled HTTP/1.1\r\nHost: {site.host}\r\n\r\n"
    proxy = "".join(f"{line}\r\n" for line in site.headers)
    head = f"POST /login/ HTTP/1.1\r\nHost: {site.host}\r\n{proxy}"
    shapes = [
        f"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{second}",
        f"Content-Length: 5\r\nContent-Length: 0\r\n\r\n{second}",
        f"Content-Length: 0, 5\r\n\r\n{second}",
        f"Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{second}",
        f"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{second}",
        f"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n{second}",
        f"Transfer-Encoding:\x0bchunked\r\nContent-Length: 0\r\n\r\n{second}",
        f"Content-Length: +0\r\n\r\n{second}",
        f"Content-Length: -1\r\n\r\n{second}",
        f"Content-Length: 0x0\r\n\r\n{second}",
        f"X: a\r\n Content-Length: 9\r\n\r\n{second}",
        f"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{second}",
    ]
    for shape in shapes:
        raw = site.send((head + shape).encode("latin-1") + b"\r\n" * 2)
        answers = re.findall(rb"HTTP/1\.[01] (\d{3})", raw)
        first = int(answers[0]) if answers else 0
        if len(answers) > 1 and answers[1] != b"400":
            yield f"{shape[:60]!r}: two answers, {answers}"
        elif first and not 400 <= first < 600:
            yield f"{shape[:60]!r}: status {first}"


def log_ins(site):
    """A name is one name, however it is spelled: the tries of one address are counted."""
    name = "operator"
    wide = "".join(chr(ord(c) + 0xFEE0) for c in name)
    bold = "".join(chr(0x1D41A + ord(c) - ord("a")) for c in name)
    spellings = [
        name,
        f" {name}",
        f"{name} ",
        f"\t{name}\u3000",
        wide,
        bold,
        f"\u00a0{name}",
        f"{name}\n",
    ]
    page = site.ask("/login/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
    cookies = "; ".join(c.partition(";")[0] for c in page.headers.get("set-cookie", []))
    origin = f"{'https' if site.secure else 'http'}://{site.host}"
    sent = [f"Origin: {origin}", f"Referer: {origin}/login/", f"Cookie: {cookies}"]
    sent += ["Content-Type: application/x-www-form-urlencoded"]
    seen = []
    for number in range(40):
        spelled = quote(spellings[number % len(spellings)])
        fields = f"username={spelled}&password=wrong{number}"
        body = f"csrfmiddlewaretoken={token[1].decode()}&{fields}"
        seen.append(site.ask("/login/", method="POST", headers=sent, body=body.encode()).status)
        if seen[-1] == 429:
            return
    yield f"forty spelled tries, and none was refused: {sorted(set(seen))}"


def look_ups(site):
    """A list of the administration takes no look-up that it does not offer."""
    lists = ["audit/auditdomain", "audit/auditcheck", "audit/checktransition", "audit/tenant"]
    lists += ["audit/webhookevent", "audit/apitoken", "auth/user", "auth/group", "audit/auditrun"]
    queries = ["message__regex=(a%2B)%2B%24", "domain__regex=[", "password__startswith=a"]
    queries += ["id__regex=x", "tenant__portal_token__startswith=a", "_to_field=password"]
    for name in lists:
        for query in queries:
            status = site.ask_as_administrator(f"/admin/{name}/?{query}").status
            if status != 400:
                yield f"/admin/{name}/?{query}: status {status}"


def metrics(site):
    """The numbers are for who has a token: whatever a stranger says of where he is."""
    claims = [
        *(f"X-Forwarded-For: {a}" for a in ("127.0.0.1", "::1", "127.0.0.1, 127.0.0.1", "")),
        "Forwarded: for=127.0.0.1;host=localhost",
        "X-Real-IP: 127.0.0.1",
        "Authorization: Bearer lbx_guessed",
        *([f"Cookie: {site.cookie}"] if site.cookie else []),
        "X: y",
    ]
    for claim in claims:
        for host in (site.host, "localhost", "127.0.0.1:8000"):
            answer = site.ask("/metrics", headers=[claim], host=host)
            if answer.status == 200 or b"ligbox_domains" in answer.body:
                yield f"/metrics with {claim!r} for {host}: status {answer.status}"
            if answer.headers.get("set-cookie"):
                yield "/metrics: sets a cookie"


def half_requests(site):
    """Requests that never end hold nobody up."""
    length = f"POST /login/ HTTP/1.1\r\nHost: {site.host}\r\nContent-Length: 100\r\n"
    with contextlib.ExitStack() as held:
        for number in range(2 * HELD):
            connection = held.enter_context(contextlib.closing(site.connect()))
            connection.sendall((f"{length}\r\nhalf" if number % 2 else length).encode())
        for path in ("/healthz", "/login/"):
            begun = time.monotonic()
            answer = site.ask(path)
            if answer.status != 200 or time.monotonic() - begun > BOUND:
                yield f"{path}: {answer.status} after {time.monotonic() - begun:.1f} s"


QUESTIONS = [headers, methods, hosts, redirects, files, oddities, smuggling, log_ins, metrics]
ONLY_BEHIND_A_PROXY = [half_requests]
ONLY_WITH_A_SESSION = [look_ups]


def questions(*, alone, session):
    """Those that can be asked."""
    behind = [] if alone else ONLY_BEHIND_A_PROXY
    return [*QUESTIONS, *behind, *(ONLY_WITH_A_SESSION if session else [])]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("url")
    parser.add_argument("--connect", default="")
    parser.add_argument("--ca")
    parser.add_argument("--probe")
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--cookie", default="")
    parser.add_argument("--alone", action="store_true")
    options = parser.parse_args()
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ligbox.settings")
    django.setup()
    host, _, port = options.connect.rpartition(":")
    site = Site(
        options.url,
        connect=(host, int(port)) if port else None,
        context=ssl.create_default_context(cafile=options.ca),
        probe=options.probe,
        headers=options.header,
        cookie=options.cookie,
    )
    wrong = 0
    for question in questions(alone=options.alone, session=options.cookie):
        findings = list(question(site))
        wrong += len(findings)
        print(f"{'ok   ' if not findings else 'FOUND'} {question.__doc__}")
        for finding in findings:
            print(f"      {finding}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
