"""Where the webmail name leads, held against the tenant's settings."""

import asyncio

from collectors.net.session import NetworkClients
from collectors.server.webmail_place import webmail_place
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, target

NAMES = {
    "webmail.kunde.test": {"A": ["127.0.0.1"]},
    "proxy.host.test": {"A": ["127.0.0.1", "127.0.0.2"]},
    "mx1.host.test": {"A": ["127.0.0.3"]},
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 -all"]},
}


def place(**settings):
    """(the WebmailPlace, the names that were asked for)."""

    async def main(server):
        network = NetworkClients(config(server))
        try:
            audit = network.audit_session(target(**settings))
            session = audit.check_session("webmail_http")
            return await webmail_place(audit.target, session, "webmail.kunde.test")
        finally:
            await network.close()

    with DnsServer({"names": NAMES}) as server:
        found = asyncio.run(main(server))
    return found, {query["name"].removesuffix(".") for query in server.queries}


def test_it_waits_for_what_is_asked_of_the_webmails_own_names_and_no_others():
    for settings, asked in (
        ({}, set()),
        ({"webmail_addresses": ("127.0.0.1",)}, set()),
        ({"webmail_target": "proxy.host.test"}, {"proxy.host.test"}),
    ):
        found, names = place(**settings)
        assert names == {"webmail.kunde.test", *asked}
        assert (found.visited, found.foreign) == (("127.0.0.1",), ())


def test_addresses_that_are_not_ours_are_told():
    found, _names = place(webmail_addresses=("127.0.0.9",))
    assert (found.visited, found.foreign) == ((), ("127.0.0.1",))
