"""A net on loopback for tests of collectors: a DNS server, and a way to run a check on it."""

import asyncio
from ipaddress import ip_network

from collectors.base import Target
from collectors.net.session import NetConfig, NetworkClients
from collectors.registry import CHECKS
from collectors.run import run
from mock_tenant.dnsserver import DnsServer

LOOPBACK = (ip_network("127.0.0.0/8"),)


def target(domain="kunde.test", **changes):
    """A target whose tenant is host.test."""
    fields = {
        "tenant": "VM112",
        "mail_hosts": ("mx1.host.test",),
        "sending_ips": ("203.0.113.25", "2001:db8::25"),
        "spf_include": "_spf.host.test",
        "tenant_dkim_selectors": ("s1",),
        "dmarc_rua": "dmarc@host.test",
    }
    return Target(domain=domain, **{**fields, **changes})


def config(server, **changes):
    """A NetConfig that asks `server` and may reach loopback."""
    return NetConfig(
        **{"dns_servers": ((server.host, server.port),), "allowed_networks": LOOPBACK, **changes}
    )


def look(check_id, zone, the_target=None, *, config_changes=None, portal=None, beside=()):
    """Run one check over real DNS: (CheckResult, DnsServer with its `queries`).

    `zone` is a dict as dnsserver takes it; `beside`: checks of the same audit that run along.
    """
    with DnsServer(zone) as server:
        net_config = config(server, **(config_changes or {}))
        results = asyncio.run(
            _look({check_id, *beside}, net_config, the_target or target(), portal)
        )
    return results[check_id], server


def look_at_all(zone, the_target, only, portal=None):
    """{check id: CheckResult} of several checks in one audit over real DNS."""
    with DnsServer(zone) as server:
        return asyncio.run(_look(only, config(server), the_target, portal))


async def _look(only, net_config, the_target, portal):
    network = NetworkClients(net_config)
    if portal:
        network.portal = portal
    try:
        return await run(the_target, network.audit_session(the_target), only=only)
    finally:
        await network.close()


def codes(result):
    """The codes of a result's findings."""
    return [f.code for f in result.findings]


__all__ = ["CHECKS", "codes", "config", "look", "look_at_all", "target"]
