"""A portal that goes up, down and up again changes no verdict: what it decided stays decided."""

import asyncio
from dataclasses import replace

import pytest

from collectors.base import PortalFacts
from collectors.net.session import NetworkClients
from collectors.run import run
from mock_tenant.dnsserver import DnsServer
from tests.collectors.dkim_keys import spki
from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.lab import codes, config, target
from tests.collectors.portal_server import TOKEN, PortalServer

SILENT = {
    "drops": {"drop": True},
    "silent": {"silent": True},
    "error": {"status": 502, "body": b"<h1>Bad Gateway</h1>"},
    "refuses": {"status": 401},
    "another server": {"body": b"<html>It works!</html>"},
}
NAMES = {
    "good.test": {"A": ["127.0.0.1"]},
    "s1._domainkey.kunde.test": {"TXT": [f"v=DKIM1; k=rsa; p={spki()}"]},
    "s2._domainkey.kunde.test": {"TXT": [f"v=DKIM1; k=rsa; p={spki(name='other')}"]},
}
DECIDED_BY_THE_PORTAL = ("dns_dkim", "cert_le")


def pem(name):
    certificates().prepare(name)
    text = (certificates().dir / f"{name}.pem").read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]


def portal_says(key, certificate):
    carbonio = {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": key}
    return {
        "carbonio": {"json": carbonio},
        "certificate": {"json": {"pem": certificate}},
        "nginx": {"json": {"vhost": False}},
    }


def remembered(results):
    """What a store would hand to the next audit."""
    facts = [(r.facts, r.checked_at) for r in results.values()]
    changes = {}
    for said, at in facts:
        for name, value in said.items():
            changes |= {name: value, f"{name}_at": at}
    return PortalFacts(**changes)


def up_down_up(answers, silence):
    """The results of three audits: the portal answers, is silent, answers again."""

    async def main(dns, web, portal):
        network = NetworkClients(
            config(dns, ca_file=certificates().ca_file, check_seconds=4, dns_cache_seconds=0)
        )
        goal = target(
            portal_url=portal.url, portal_token=TOKEN, webmail_url=f"https://good.test:{web.port}/"
        )
        found = []
        try:
            for answering in (True, False, True):
                what = answers if answering else dict.fromkeys(answers, silence)
                portal.answers = what
                results = await run(goal, network.audit_session(goal))
                found.append(results)
                if facts := [r for r in results.values() if r.facts]:
                    goal = replace(goal, portal_facts=remembered({r.check_id: r for r in facts}))
        finally:
            await network.close()
        return found

    with (
        DnsServer({"names": NAMES}) as dns,
        Hostile(certificates()) as web,
        PortalServer(answers) as portal,
    ):
        return asyncio.run(main(dns, web, portal))


@pytest.mark.parametrize("silence", SILENT)
@pytest.mark.parametrize(
    ("key", "certificate", "status"),
    [
        ({"selector": "s1", "public_key": spki()}, "good.test", "good"),
        ({"selector": "s2", "public_key": spki()}, "expired.test", "bad"),
        ({"selector": "s3", "public_key": spki()}, "good.test", "missing"),
        (None, "good.test", "no key"),
    ],
)
def test_up_down_and_up_again_a_portal_changes_no_verdict(key, certificate, status, silence):
    """Case 187."""
    answers = portal_says(key, pem(certificate))
    up, down, again = up_down_up(answers, SILENT[silence])
    for check_id in DECIDED_BY_THE_PORTAL:
        seen = [(r[check_id].status, codes(r[check_id])) for r in (up, down, again)]
        assert seen == [seen[0]] * 3, check_id
    if status == "bad":
        assert "dkim_key_mismatch" in codes(up["dns_dkim"])
        assert "cert_served_differs" in codes(up["cert_le"])
    assert {down[c].status for c in ("carbonio", "nginx_vhost")} == {"unknown"}


def test_what_was_never_said_is_not_made_up_by_silence():
    answers = dict.fromkeys(("carbonio", "certificate", "nginx"), SILENT["drops"])
    for results in up_down_up(answers, SILENT["drops"]):
        assert not any(result.facts for result in results.values())
        assert {results[c].status for c in ("carbonio", "nginx_vhost")} == {"unknown"}
