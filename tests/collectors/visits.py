"""Visits to a hostile web server through the whole check: real DNS, real TLS, real sockets."""

import pytest

from collectors.net import connection
from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.lab import codes, look, target

SECONDS, BRIEF = 6.0, 1.0  # for a whole check; BRIEF where it is to end in a time-out


def visit(
    server,
    path="/",
    *,
    host="good.test",
    names=None,
    rules=(),
    seconds=SECONDS,
    domain="kunde.test",
    beside=(),
    settings=None,
    **config,
):
    """The CheckResult of webmail_http for `https://host:port/path`.

    Every name in `names` (or just the host) is on loopback. `settings`: of the target; `beside`:
    checks that run along.
    """
    zone = {
        "names": names if names is not None else {host: {"A": ["127.0.0.1"]}},
        "rules": list(rules),
    }
    changes = {"ca_file": certificates().ca_file, "check_seconds": seconds, **config}
    url = f"https://{host}:{server.port}{path}"
    the_target = target(domain, webmail_url=url, **(settings or {}))
    return look("webmail_http", zone, the_target, config_changes=changes, beside=beside)[0]


def verdict(result):
    """(status, the codes that decide): what a test compares."""
    return str(result.status), [
        code for code in codes(result) if code not in ("webmail_no_hsts", "webmail_address_down")
    ]


@pytest.fixture(scope="module")
def hostile():
    with Hostile(certificates()) as server:
        yield server


@pytest.fixture
def dialled(monkeypatch):
    """Every (address, port) that was connected to, or tried."""
    seen, connect = [], connection._connect

    async def record(address, port, reachable):
        seen.append((address, port))
        return await connect(address, port, reachable)

    monkeypatch.setattr(connection, "_connect", record)
    return seen
