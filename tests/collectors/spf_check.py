"""Run dns_spf for kunde.test over a real DNS server on loopback, for the tests of the check."""

from tests.collectors.lab import codes, look, target

HOST = {"_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]}}
FAR = {f"h{i}.test": {"A": ["198.51.100.1"], "AAAA": ["2001:db8:ffff::1"]} for i in range(12)}
GOOD = "v=spf1 include:_spf.host.test -all"


def spf(*records, names=None, rules=None, config_changes=None, **changes):
    """(result, server) of dns_spf for kunde.test with these TXT records."""
    zone = {
        "names": {**HOST, **FAR, "kunde.test": {"TXT": list(records)}, **(names or {})},
        "rules": rules or [],
    }
    if not records:
        zone["names"]["kunde.test"] = (names or {}).get(
            "kunde.test", {"MX": [[10, "mx1.host.test"]]}
        )
    # Of our own names only the include matters here.
    the_target = target(**{"mail_hosts": (), "dmarc_rua": "", **changes})
    return look("dns_spf", zone, the_target, config_changes=config_changes)


def asked(server):
    """The queries that the check was charged with: all but those that judge our own names."""
    return [q for q in server.queries if "host.test" not in q["name"]]


def found(*records, **changes):
    return codes(spf(*records, **changes)[0])


def finding(result, code):
    return next(f for f in result.findings if f.code == code)


def values(result, code):
    """The (action, value) pairs of a finding's fix."""
    fix = finding(result, code).fix
    return [(str(r.action), r.value) for r in fix.records] if fix else None
