"""A customer's domain as audits find it, stored: real DNS checks over a zone on loopback."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from django.utils import timezone

from audit.results import store
from collectors.base import Owner
from tests.audit.factories import audit, make_domain, make_result, make_tenant
from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import signs
from tests.collectors.lab import look_at_all, target

DNS = ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc")
HOST = {
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
    "_spf.elsewhere.test": {"TXT": ["v=spf1 ip4:198.51.100.0/24 ~all"]},
    "s1.padaria.pt.dkim.host.test": {"TXT": [f"v=DKIM1; k=rsa; p={keys.spki()}"]},
    "mx.elsewhere.test": {"A": ["127.0.0.9"]},
}
ZONE = {
    "padaria.pt": {
        "A": ["192.0.2.1"],
        "MX": ["10 mx.elsewhere.test"],
        "TXT": ["google-site-verification=abc", "v=spf1 include:_spf.elsewhere.test ~all"],
    },
    "s1._domainkey.padaria.pt": {"TXT": ["v=DKIM1; p="]},
}


def looked_at(names=ZONE, *, domain="padaria.pt", name_servers=(), rules=(), **changes):
    """{check id: CheckResult} of the DNS checks over these names and the host's.

    `rules`: how the server behaves, as `mock_tenant.dnsserver` has them.
    """
    the_target = target(domain=domain, portal_url="http://portal.test", **changes)
    zone = {"names": {**HOST, **names}, "rules": list(rules)}
    with ThreadPoolExecutor(1) as thread:  # a browser's test has a loop of its own
        results = thread.submit(look_at_all, zone, the_target, DNS, signs()).result()
    if name_servers:
        seen = {"zone": domain, "name_servers": sorted(name_servers)}
        mx = results["dns_mx"]
        results["dns_mx"] = replace(mx, evidence={**mx.evidence, **seen})
    return results


def store_domain(names=ZONE, *, domain="padaria.pt", tenant=None, checks=None, **changes):
    """The row of that domain, audited: DNS as it is, the certificate our fault unless `checks` say
    otherwise.
    """
    tenant = tenant or make_tenant("VM112", language="en", contact="support@host.test")
    row = make_domain(domain, tenant, checks={})
    audit(row)
    ours = {"cert_le": make_result("cert_le", "fail", message="OURS", owner=Owner.HOST)}
    results = {**looked_at(names, domain=domain, **changes), **(ours if checks is None else checks)}
    assert store.record(row, results, begun_at=timezone.now())
    row.refresh_from_db()
    return row
