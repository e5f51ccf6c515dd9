"""How many round trips of one audit wait for each other: no more than hang on each other.

With L a round trip of DNS and H one of HTTP, no audit is faster than max(4L, L + 3H): SPF has four
levels here, and the page needs the address, TCP, TLS and the request.
"""

import asyncio
import contextlib
import json
from dataclasses import replace

import pytest

from collectors.base import PortalFacts
from collectors.net.session import NetworkClients
from collectors.run import run
from mock_tenant.dnsserver import DnsServer
from tests.collectors.certificate_maker import authority, now, server_context
from tests.collectors.dkim_keys import spki
from tests.collectors.lab import config, target
from tests.collectors.portal_server import TOKEN
from tests.collectors.vm112.portal_checks import CARBONIO, NGINX
from tests.collectors.waves import HOST, Waves

SELECTOR, KEY = "s2026", spki()
DOMAINS = "eins.test", "kunde.test"
BY_CHECK = {  # (with a portal that was asked before, in a new process)
    "carbonio": (1, 3),
    "nginx_vhost": (1, 3),
    "cert_le": (3, 3),
    "dns_mx": (2, 2),
    "dns_spf": (4, 4),
    "dns_dkim": (2, 4),  # the portal says which selector it is
    "dns_dmarc": (2, 2),
    "webmail_http": (4, 4),
}


def names():
    zone = {
        "mx1.host.test": {"A": ["127.0.0.1"]},
        "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"]},
        "_spf.crm.test": {"TXT": ["v=spf1 include:_net.crm.test ~all"]},
        "_net.crm.test": {"TXT": ["v=spf1 include:_a.crm.test ~all"]},
        "_a.crm.test": {"TXT": ["v=spf1 ip4:198.51.100.1 ~all"]},
        "*._report._dmarc.host.test": {"TXT": ["v=DMARC1"]},
    }
    for domain in DOMAINS:
        zone |= {
            domain: {
                "MX": ["10 mx1.host.test."],
                "TXT": ["v=spf1 include:_spf.host.test include:_spf.crm.test -all"],
            },
            f"_dmarc.{domain}": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]},
            f"{SELECTOR}._domainkey.{domain}": {"TXT": [f"v=DKIM1; k=rsa; p={KEY}"]},
            f"webmail.{domain}": {"A": ["127.0.0.1"]},
        }
    return zone


def web_server(answers):
    """A portal, or a webmail; `answers`: by the end of the path."""

    async def converse(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                what = head.split()[1].decode().rpartition("/")[2]
                body = answers.get(what, b"<title>Carbonio</title>Log in")
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n"
                    b"Strict-Transport-Security: max-age=9\r\n\r\n%s" % (len(body), body)
                )
        writer.close()

    return converse


def trips(tmp_path, *, only=None, warm=False, remembered=False):
    """Waves that one audit takes; everything is well, or this fails."""
    leaf, portal_leaf = authority().leaf([f"webmail.{DOMAINS[1]}"]), authority().leaf([HOST])
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(authority().root_pem)
    key = {"selector": SELECTOR, "public_key": KEY}
    said = {
        "carbonio": {**CARBONIO, "dkim": key},
        "nginx": {**NGINX, "server_names": [f"webmail.{DOMAINS[1]}"]},
        "certificate": {"pem": leaf.pem},
    }
    answers = {what: json.dumps(answer).encode() for what, answer in said.items()}

    async def main(dns):
        async with Waves() as net:
            webmail = await net.serve(web_server({}), server_context(tmp_path, leaf))
            portal = await net.serve(web_server(answers), server_context(tmp_path, portal_leaf))
            asked = config(dns, ca_file=str(ca_file), check_seconds=20)
            asked = replace(asked, dns_servers=((HOST, await net.datagrams(to=dns.port)),))
            network = NetworkClients(asked)
            assert network.ssl_context  # else it is made meanwhile, in a thread
            facts = PortalFacts(dkim=key, dkim_at=now()) if remembered else PortalFacts()
            first, second = (
                target(
                    domain,
                    portal_url=f"https://{HOST}:{portal}",
                    portal_token=TOKEN,
                    webmail_url=f"https://webmail.{{domain}}:{webmail}/",
                    webmail_addresses=("127.0.0.1",),
                    tenant_dkim_selectors=(),
                    portal_facts=facts,
                )
                for domain in DOMAINS
            )
            try:
                if warm:
                    await run(first, network.audit_session(first), only)
                before = net.count
                results = await run(second, network.audit_session(second), only=only)
                said = {r.check_id: [f.code for f in r.findings] for r in results.values()}
                assert set(map(str, {r.status for r in results.values()})) == {"ok"}, said
                return net.count - before
            finally:
                await network.close()

    with DnsServer({"names": names(), "ttl": 0}) as dns:
        return asyncio.run(main(dns))


@pytest.mark.parametrize("warm", [True, False])
def test_an_audit_takes_no_more_round_trips_than_its_bound(tmp_path, warm):
    assert trips(tmp_path, warm=warm) == 4


@pytest.mark.parametrize("check_id", BY_CHECK)
@pytest.mark.parametrize("warm", [True, False])
def test_each_check_asks_as_early_as_it_can(tmp_path, check_id, warm):
    expected = BY_CHECK[check_id][0 if warm else 1]
    assert trips(tmp_path, only={check_id}, warm=warm) == expected


@pytest.mark.parametrize(("warm", "expected"), [(True, 1), (False, 3)])
def test_a_remembered_selector_is_looked_up_while_the_portal_is_asked(tmp_path, warm, expected):
    assert trips(tmp_path, only={"dns_dkim"}, warm=warm, remembered=True) == expected
