"""A net on loopback for tests of collectors: a DNS server with a zone, and one way to run a check against it."""

import asyncio
from ipaddress import ip_network

from collectors.base import Target
from collectors.catalogue import CHECKS
from collectors.net import NetConfig, Network
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
    return NetConfig(**{"dns_servers": ((server.host, server.port),), "allowed_networks": LOOPBACK, **changes})


def look(check_id, zone, the_target=None, *, config_changes=None, portal=None):
    """Run one check over real DNS: (CheckResult, DnsServer with its `queries`). `zone` is a dict as dnsserver takes it."""
    with DnsServer(zone) as server:
        result = asyncio.run(_look(check_id, config(server, **(config_changes or {})), the_target or target(), portal))
    return result, server


async def _look(check_id, net_config, the_target, portal):
    from collectors.base import run

    network = Network(net_config)
    if portal:
        network.portal = portal
    try:
        return (await run(the_target, network.audit(the_target), only={check_id}))[check_id]
    finally:
        await network.close()


def codes(result):
    """The codes of a result's findings."""
    return [f.code for f in result.findings]


__all__ = ["CHECKS", "codes", "config", "look", "target"]
