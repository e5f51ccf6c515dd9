"""Visits to a hostile web server through the whole check: real DNS, real TLS, real sockets."""

import pytest

import collectors.net_tls

from .hostile_http import Hostile, certificates
from .lab import codes, look, target

SECONDS, BRIEF = 6.0, 1.0  # for a whole check; BRIEF where it is to end in a time-out


def visit(server, path="/", *, host="good.test", names=None, rules=(), seconds=SECONDS, domain="kunde.test", **config):
    """The CheckResult of webmail_http for `https://host:port/path`; every name in `names` (or just the host) is on loopback."""
    zone = {"names": names if names is not None else {host: {"A": ["127.0.0.1"]}}, "rules": list(rules)}
    changes = {"ca_file": certificates().ca_file, "check_seconds": seconds, **config}
    url = f"https://{host}:{server.port}{path}"
    return look("webmail_http", zone, target(domain, webmail_url=url), config_changes=changes)[0]


def verdict(result):
    """(status, the codes that decide): what a test compares."""
    return str(result.status), [code for code in codes(result) if code not in ("webmail_no_hsts", "webmail_address_down")]


@pytest.fixture(scope="module")
def hostile():
    with Hostile(certificates()) as server:
        yield server


@pytest.fixture
def dialled(monkeypatch):
    """Every (address, port) that was connected to, or tried."""
    seen, connect = [], collectors.net_tls._connect

    async def record(address, port, reachable):
        seen.append((address, port))
        return await connect(address, port, reachable)

    monkeypatch.setattr(collectors.net_tls, "_connect", record)
    return seen
