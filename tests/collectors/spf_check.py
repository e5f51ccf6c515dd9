"""Run dns_spf for kunde.test over a real DNS server on loopback, for the tests of the check."""

from .lab import codes, look, target

HOST = {"_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]}}
FAR = {f"h{i}.test": {"A": ["198.51.100.1"], "AAAA": ["2001:db8:ffff::1"]} for i in range(12)}
GOOD = "v=spf1 include:_spf.host.test -all"


def spf(*records, names=None, rules=None, config_changes=None, **changes):
    """(result, server) of dns_spf for kunde.test with these TXT records."""
    zone = {"names": {**HOST, **FAR, "kunde.test": {"TXT": list(records)}, **(names or {})}, "rules": rules or []}
    if not records:
        zone["names"]["kunde.test"] = (names or {}).get("kunde.test", {"MX": [[10, "mx1.host.test"]]})
    return look("dns_spf", zone, target(**changes), config_changes=config_changes)


def found(*records, **changes):
    return codes(spf(*records, **changes)[0])


def finding(result, code):
    return next(f for f in result.findings if f.code == code)


def values(result, code):
    """The (action, value) pairs of a finding's fix."""
    fix = finding(result, code).fix
    return [(str(r.action), r.value) for r in fix.records] if fix else None
