"""Audits of an unchanged world say the same, to the letter, whatever a server makes anew.

Case 191: what did not change is not stored again.
"""

import asyncio
import itertools
import json
import time

import pytest

from collectors.net.session import NetworkClients
from collectors.run import run
from mock_tenant.dnsserver import DnsServer
from tests.collectors.certificate_maker import TlsServer, authority, server_context
from tests.collectors.hostile_http import PATHS, WAIT, answer
from tests.collectors.lab import config, look, target
from tests.collectors.portal_server import TOKEN, PortalServer
from tests.collectors.visits import hostile, visit
from tests.collectors.vm112.portal_checks import CARBONIO, NGINX

__all__ = ["hostile"]
NUMBER = itertools.count(1)
HOST = "webmail.kunde.test"


def kept(result):
    """All that is kept of a result."""
    findings = [(f.code, f.severity, f.owner, f.message.source(), f.fix) for f in result.findings]
    return result.status, result.message.source(), findings, json.dumps(result.evidence)


def page():
    """As servers make it for each visitor."""
    n = next(NUMBER)
    return [
        0.02 * n,
        answer(
            f"<title>Carbonio Login</title><input value='{7**n:x}'>".encode() + b"x" * 3000,
            Date=f"Thu, 26 Nov 2026 08:{n:02}:00 GMT",
            Set_Cookie=f"JSESSIONID=node0{n:032x}; Path=/; Secure; HttpOnly",
            X_Request_Id=f"{n:08x}-e29b-41d4-a716-446655440000",
            ETag=f'"{n:x}"',
            Content_Security_Policy=f"script-src 'nonce-{n:08x}'",
            Server="nginx",
        ),
    ]


def redirect(location):
    n = next(NUMBER)
    return [answer(status="302 Found", Location=f"{location}?id={n:016x}", X_Time=f"{n}")]


@pytest.mark.parametrize(
    ("code", "answers"),
    [
        (None, {"/": page}),
        (None, {"/": lambda: redirect("/there"), "/there": page}),
        ("webmail_redirect_loop", {"/": lambda: redirect("/")}),
        ("webmail_redirect_insecure", {"/": lambda: redirect("http://good.test/")}),
        ("webmail_redirect_blocked", {"/": lambda: redirect("ftp://good.test/")}),
        ("webmail_status", {"/": lambda: [answer(status="503 Away", X_Time=f"{next(NUMBER)}")]}),
        ("webmail_reset", {"/": lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]}),
        ("webmail_timeout", {"/": lambda: [WAIT]}),
    ],
)
def test_of_a_webmail(hostile, monkeypatch, code, answers):
    for place, made in answers.items():
        monkeypatch.setitem(PATHS, place, made)
    # nearly a second may pass before it is asked, and 2 s are said nevertheless
    seconds = 2.2 if code == "webmail_timeout" else 6.0
    first, second = (visit(hostile, seconds=seconds) for _ in range(2))
    assert code is None or code in [f.code for f in first.findings]
    assert kept(first) == kept(second)


@pytest.mark.parametrize(
    "kwargs", [{}, {"end": 9.3}, {"end": -0.1}, {"names": ["other.test"]}], ids=str
)
def test_of_a_certificate(tmp_path, kwargs):
    leaf = authority().leaf(**{"names": [HOST], **kwargs})
    (tmp_path / "ca.pem").write_bytes(authority().root_pem)
    answers = {"certificate": {"json": {"pem": leaf.pem}, "headers": {"Date": "now"}}}
    with TlsServer(server_context(tmp_path, leaf)) as server, PortalServer(answers) as portal:
        changes = {
            "portal_url": portal.url,
            "portal_token": TOKEN,
            "webmail_url": f"https://{{domain}}:{server.port}/".replace("{domain}", HOST),
        }
        results = []
        for _ in range(2):
            zone = {"names": {HOST: {"A": ["127.0.0.1"]}}}
            config = {"ca_file": str(tmp_path / "ca.pem")}
            results.append(look("cert_le", zone, target(**changes), config_changes=config)[0])
            second = int(time.time())
            while int(time.time()) == second:
                time.sleep(0.05)
    assert kept(results[0]) == kept(results[1])


@pytest.mark.parametrize("check_id", ["carbonio", "nginx_vhost"])
@pytest.mark.parametrize(
    "change", [{}, {"status": 503}, {"status": 404}, {"wire": b"SSH-2.0\r\n\r\n"}], ids=str
)
def test_of_a_portal(check_id, change):
    what, good = {"carbonio": ("carbonio", CARBONIO), "nginx_vhost": ("nginx", NGINX)}[check_id]
    results = []
    for n in range(2):
        made = {"json": good, "headers": {"Date": f"{n}", "Set-Cookie": f"a={n}"}, **change}
        with PortalServer({what: made}) as portal:
            the_target = target(portal_url=portal.url, portal_token=TOKEN)
            results.append(look(check_id, {"names": {}}, the_target)[0])
    assert kept(results[0]) == kept(results[1])


KEYS = ["v=DKIM1; p=", "v=DKIM1; k=ed25519; p=MCowBQYDK2VwAyEA", "unrelated"]
WORLDS = {
    "healthy": {"kunde.test": {"MX": ["10 mx1.host.test"], "TXT": ["v=spf1 a mx -all", "other"]}},
    "faulty": {
        "kunde.test": {
            "MX": ["10 mx.else.test", "20 mx1.host.test", "20 gone.test"],
            "TXT": ["v=spf1 include:a.test include:b.test include:c.test ?all", "v=spf1 mx -all"],
        },
        "a.test": {"TXT": ["v=spf1 include:b.test a mx -all"]},
        "b.test": {"TXT": ["v=spf1 include:c.test include:d.test exists:e.test -all"]},
        "mx.else.test": {"A": ["192.0.2.9", "192.0.2.10", "192.0.2.11"], "AAAA": ["2001:db8::1"]},
        "s1._domainkey.kunde.test": {"TXT": KEYS},
        "_dmarc.kunde.test": {"TXT": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]},
    },
    "deep": {
        "kunde.test": {"TXT": ["v=spf1 " + " ".join(f"include:i{n}.w.test" for n in range(19))]},
        **{f"i{n}.w.test": {"TXT": [f"v=spf1 include:j{n}.w.test -all"]} for n in range(19)},
        "*.w.test": {"TXT": ["v=spf1 mx -all"]},
    },
    "name servers": {
        "kunde.test": {
            "MX": ["10 mx1.host.test"],
            "NS": ["ns2.dns.test", "NS1.dns.test", "ns10.a.test"],
        }
    },
    "wildcard": {"*.kunde.test": {"TXT": ["v=spf1 -all"], "A": ["192.0.2.2", "192.0.2.3"]}},
}


@pytest.mark.parametrize("name", WORLDS)
def test_of_dns(name):
    """Cold, from the cache, with other TTLs, and with all records turned around."""
    host = {"mx1.host.test": {"A": ["127.0.0.1", "127.0.0.2"]}, "kunde.test": {"MX": ["1 a.test"]}}
    names = {**host, **WORLDS[name]}
    turned = {
        name: {rdtype: records[::-1] for rdtype, records in types.items()}
        for name, types in names.items()
    }
    checks = {"dns_mx", "dns_spf", "dns_dkim", "dns_dmarc"}

    async def audits(server, count):
        network, found = NetworkClients(config(server)), []
        for _n in range(count):
            results = await run(target(), network.audit_session(target()), checks)
            found.append({check_id: kept(result) for check_id, result in results.items()})
        await network.close()
        return found

    found = []
    for world, ttl in ((names, 300), (turned, 60), (names, 0)):
        with DnsServer({"names": world, "ttl": ttl}) as server:
            found += asyncio.run(audits(server, 2))
    assert found == [found[0]] * 6
