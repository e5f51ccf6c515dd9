"""A process of ours that is stopped, starved or held up blames nobody; 20 healthy domains.

The audits run in a process of their own against servers in this one, which go on.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mock_tenant.dnsserver import DnsServer
from tests.collectors.dkim_keys import spki
from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.net.test_dns_reader import LONG, record
from tests.collectors.portal_server import TOKEN, PortalServer

ROOT = Path(__file__).resolve().parents[2]
HEALTHY = [f"kunde{n}.test" for n in range(20)]
HOSTILE = [f"bomb{n}.test" for n in range(5)]
AFTER = "kunde99.test"
CHECK_SECONDS, STOPPED_SECONDS = 8, 9.0  # of a whole check; more than that
CPU_SECONDS = 8  # the 26 domains take one or two; a general parser takes four for each bomb


def zone():
    names = {
        "mx1.host.test": {"A": ["127.0.0.2"]},
        "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 -all"]},
        "*._report._dmarc.host.test": {"TXT": ["v=DMARC1"]},
        "good.test": {"A": ["127.0.0.1"]},
    }
    for domain in (*HEALTHY, *HOSTILE, AFTER):
        names[domain] = {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 include:_spf.host.test -all"]}
        names[f"s1._domainkey.{domain}"] = {"TXT": [f"v=DKIM1; k=rsa; p={spki()}"]}
        names[f"_dmarc.{domain}"] = {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}
    rules = [{"name": d, "type": "MX", "proto": "udp", "action": "tc"} for d in HOSTILE]
    return {"names": names, "rules": rules}


class Servers(DnsServer):
    """DNS that gives the hostile domains an answer of 64 KB with thousands of compressed names."""

    async def _tcp_answer(self, writer, query, qname, qtype):
        question = query.to_wire()[12:]
        question = question[: len(qname.to_wire()) + 4]
        pointer = struct.pack("!H", 0xC000 | (12 + len(question) + 14))
        records = [record("MX", b"\0\1" + LONG)]
        more = len(record("MX", b"\0\1" + b"\3000" + pointer))
        for n in range(1, (64_000 - len(records[0])) // more + 2):
            records.append(record("MX", b"\0\1" + b"\3%03x" % n + pointer))
        header = struct.pack("!6H", query.id, 0x8180, 1, len(records), 0, 0)
        wire = header + question + b"".join(records)
        writer.write(struct.pack("!H", len(wire)) + wire)
        await writer.drain()
        return True


def carbonio(gate):
    key = {"selector": "s1", "public_key": spki()}
    data = {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": key}
    return {"json": data, "gate": gate}


def nginx(gate):
    names = {"server_names": ["good.test"], "tls": True, "config_ok": True, "running": True}
    return {"json": {"vhost": True, **names}, "gate": gate}


@contextlib.contextmanager
def auditing(domains, *, seconds, gate=None, command=()):
    """(process, dns, portal) while a process of its own looks at the domains."""
    gate = gate or _open_gate()
    leaf = certificates().dir / "good.test.pem"
    with Servers(zone()) as dns, Hostile(certificates()) as web:
        certificates().prepare("good.test")
        pem = leaf.read_text().partition("-----BEGIN CERTIFICATE-----")
        answers = {
            "carbonio": carbonio(gate),
            "nginx": nginx(gate),
            "certificate": {"json": {"pem": pem[1] + pem[2]}, "gate": gate},
        }
        with PortalServer(answers) as portal:
            order = {
                "domains": domains,
                "after": AFTER,
                "dns": [dns.host, dns.port],
                "ca_file": certificates().ca_file,
                "seconds": seconds,
                "target": {
                    "portal_url": portal.url,
                    "portal_token": TOKEN,
                    "mail_hosts": ["mx1.host.test"],
                    "sending_ips": ["203.0.113.25"],
                    "spf_include": "_spf.host.test",
                    "dmarc_rua": "dmarc@host.test",
                    "webmail_url": f"https://good.test:{web.port}/",
                },
            }
            process = subprocess.Popen(
                [*command, sys.executable, "-m", "tests.collectors.starving"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                process.stdin.write(json.dumps(order))
                process.stdin.close()
                assert process.stdout.readline() == "looking\n"
                yield process, dns, portal
            finally:
                process.kill()
                process.wait()


def _open_gate():
    gate = threading.Event()
    gate.set()
    return gate


def results_of(process):
    return json.loads(process.stdout.read())["found"]


@pytest.fixture(scope="module")
def calm():
    """What is said of these domains by a process that nothing holds up."""
    with auditing(HEALTHY[:2], seconds=60) as (process, _dns, _portal):
        results = results_of(process)
    assert {s for r in results.values() for s, _codes in r.values()} <= {"ok", "warn"}, results
    return results[HEALTHY[0]]


def assert_nobody_is_blamed(results, calm):
    for domain in HEALTHY:
        for check_id, (status, codes) in results[domain].items():
            assert status in (calm[check_id][0], "unknown"), (domain, check_id, codes)
            assert "webmail_slow" not in codes, domain
    assert results[AFTER]["carbonio"] == ["ok", []]  # no breaker keeps the portal from being asked


def test_a_process_that_was_stopped_blames_nobody(calm):
    """Case 184: everything was on its way, and every time was over when it woke up."""
    gate = threading.Event()
    with auditing(HEALTHY, seconds=CHECK_SECONDS, gate=gate) as (process, _dns, portal):
        portal._wait(8)  # as many as are with it at once
        os.kill(process.pid, signal.SIGSTOP)
        gate.set()
        time.sleep(STOPPED_SECONDS)
        os.kill(process.pid, signal.SIGCONT)
        results = results_of(process)
    assert_nobody_is_blamed(results, calm)
    answered = [d for d in HEALTHY if results[d]["carbonio"] == ["ok", []]]
    assert answered == HEALTHY  # what had arrived was read


def test_a_process_on_a_busy_core_blames_nobody(calm):
    """Case 184."""
    core = min(os.sched_getaffinity(0))
    burner = f"import os\nos.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with (
        contextlib.ExitStack() as stack,
        auditing(HEALTHY, seconds=10, command=("taskset", "-c", str(core))) as (process, _d, _p),
    ):
        for _n in range(6):
            burning = subprocess.Popen([sys.executable, "-c", burner])
            stack.callback(burning.wait)
            stack.callback(burning.kill)
        results = results_of(process)
    assert_nobody_is_blamed(results, calm)


def test_an_answer_of_64_kb_holds_up_nobody(calm):
    """Case 185."""
    with auditing([*HOSTILE, *HEALTHY], seconds=60) as (process, _dns, _portal):
        said = json.loads(process.stdout.read())
    results = said["found"]
    assert said["cpu"] < CPU_SECONDS
    assert_nobody_is_blamed(results, calm)
    for domain in HEALTHY:
        assert "unknown" not in [status for status, _codes in results[domain].values()], domain
    for domain in HOSTILE:
        assert results[domain]["dns_mx"] == ["unknown", ["dns_bad_response"]]
