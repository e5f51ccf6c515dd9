"""dns_dmarc over real DNS: the zone around a domain, and what is said of it."""

from tests.collectors import dkim_keys as keys
from tests.collectors.lab import look, target

NAME = "_dmarc.kunde.test"
GOOD = "v=DMARC1; p=quarantine; rua=mailto:dmarc@host.test"
FIRST = "v=DMARC1; p=none; rua=mailto:dmarc@host.test"
TAKES_REPORTS = {"*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]}}
OTHERS = ("dns_spf", "dns_dkim")
SPF = "v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"
KEY = f"v=DKIM1; k=rsa; p={keys.spki()}"


def check(*texts, names=None, rules=(), domain="kunde.test", beside=(), **fields):
    """(result, server) of the check with these TXT records at `_dmarc.<domain>`.

    `beside` OTHERS: SPF and DKIM are checked in the same audit, and ok unless `names` differ.
    """
    own = {f"_dmarc.{domain}": {"TXT": list(texts)}} if texts else {}
    sound = {domain: {"TXT": [SPF]}, f"s1._domainkey.{domain}": {"TXT": [KEY]}} if beside else {}
    zone = {
        "names": {
            domain: {"MX": [[10, "mx1.host.test"]]},
            **TAKES_REPORTS,
            **sound,
            "_spf.host.test": {"TXT": [SPF]},
            **own,
            **(names or {}),
        },
        "rules": list(rules),
    }
    return look("dns_dmarc", zone, target(domain, **fields), beside=beside)


def finding(result, code):
    """The first finding with this code."""
    return next(f for f in result.findings if f.code == code)


def records(result, code):
    """[(action, name, value, current)] of a finding's fix."""
    return [(str(r.action), r.name, r.value, r.current) for r in finding(result, code).fix.records]


def asked(server, rdtype="TXT"):
    """The names that were asked for, in their order."""
    return [q["name"].rstrip(".") for q in server.queries if q["type"] == rdtype]
