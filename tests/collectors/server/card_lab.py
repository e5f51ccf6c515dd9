"""Rows of a server card over real DNS, TLS, SMTP and a real portal, all on loopback."""

import asyncio

from collectors.net.session import NetworkClients
from collectors.run import judge_server
from collectors.server.subject import Server
from mock_tenant.dnsserver import DnsServer
from tests.collectors.lab import config, target

GOOD = {
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
    "out.host.test": {"A": ["203.0.113.25"], "AAAA": ["2001:db8::25"]},
    "25.113.0.203.in-addr.arpa": {"PTR": ["out.host.test"]},
    "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa": {
        "PTR": ["out.host.test"]
    },
}
CARBONIO = {
    "json": {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": None}
}
NGINX = {
    "json": {
        "vhost": True,
        "server_names": ["webmail.kunde.test"],
        "tls": True,
        "config_ok": True,
        "running": True,
    }
}


def judge(
    *rows,
    names=None,
    rules=(),
    domains=("kunde.test",),
    suspects=(),
    dnsbls=(),
    smtp_port=None,
    config_changes=None,
    fresh=False,
    **settings,
):
    """({check_id: CheckResult}, DnsServer) of these rows (or all) of a server whose zone differs
    from a good one by `names`."""
    zone = {"names": {**GOOD, **(names or {})}, "rules": list(rules)}
    the_target = target(domains[0] if domains else "", **settings)
    server = Server(the_target, tuple(domains), tuple(suspects), tuple(dnsbls), smtp_port)

    async def main(dns):
        network = NetworkClients(config(dns, **(config_changes or {})))
        try:
            audit = network.server_session(the_target, fresh=fresh)
            return await judge_server(server, audit, rows or None)
        finally:
            await network.close()

    with DnsServer(zone) as dns:
        return asyncio.run(main(dns)), dns


def one(row, **options):
    """The CheckResult of one row."""
    return judge(row, **options)[0][row]


def codes(result):
    return [f.code for f in result.findings]
