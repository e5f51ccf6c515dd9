"""The world's tenant as collectors want it, and what they found as `World` judges it."""

from ipaddress import ip_network

from bench.zones import SELECTOR, TENANT, WEB
from collectors.base import Target
from collectors.net.session import NetConfig

LOOPBACK = (ip_network("127.0.0.0/8"),)


def target(customer, *, portal=0, webmail=0):
    """What is audited; without a portal where its port is 0."""
    return Target(
        domain=customer.name,
        tenant=TENANT["name"],
        portal_url=f"http://{WEB}:{portal}" if portal else "",
        portal_token=TENANT["portal_token"],
        mail_hosts=tuple(TENANT["mail_hosts"]),
        sending_ips=tuple(TENANT["sending_ips"]),
        spf_include=TENANT["spf_include"],
        tenant_dkim_selectors=(SELECTOR,),
        dmarc_rua=TENANT["dmarc_rua"],
        webmail_addresses=tuple(TENANT["webmail_addresses"]),
        webmail_url=f"https://webmail.{{domain}}:{webmail}/",
    )


def config(dns_port, ca_file="", check_seconds=5.0):
    """How the collectors look at the world."""
    return NetConfig(
        dns_servers=(("127.0.0.1", dns_port),),
        allowed_networks=LOOPBACK,
        ca_file=str(ca_file),
        check_seconds=check_seconds,
    )


def seen(results):
    """Results of an audit as `World.wrong` takes them."""
    return {c: (str(r.status), {f.code for f in r.findings}) for c, r in results.items()}
