"""MX, SPF and DMARC of many domains: ours against checkdmarc, the same zones, one core each for client and server.

    .venv/bin/python bench/dns_checks.py [--domains 600] [--rounds 3]

Needs NSD (Debian: nsd) and the development requirements. NSD serves the zones on loopback from the second core; the
clients take turns on the first one. Every verdict is compared with what the zones were made to be: a fast run with a wrong
one is void. At least 5 is wanted cold, 20 warm.
"""

import argparse
import asyncio
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

HOST = """\
. 600 SOA ns.host.test. root.host.test. 1 3600 600 86400 60
. 600 NS ns.host.test.
ns.host.test. 600 A 127.0.0.1
mx1.host.test. 600 A 8.8.8.1
mx.other.test. 600 A 8.8.8.2
_spf.host.test. 600 TXT "v=spf1 include:_a.host.test include:_b.host.test -all"
_a.host.test. 600 TXT "v=spf1 ip4:203.0.113.0/24 -all"
_b.host.test. 600 TXT "v=spf1 ip6:2001:db8::/32 -all"
_spf.mailer.test. 600 TXT "v=spf1 ip4:198.51.100.0/24 -all"
"""
KINDS = 10  # of ten domains seven are perfect


def zone_and_truth(count):
    """(zone text, {domain: {check_id: status}})"""
    lines, truth = [HOST], {}
    for n in range(count):
        name, kind = f"d{n}.test", n % KINDS
        expected = {"dns_mx": "ok", "dns_spf": "ok", "dns_dmarc": "ok"}
        mx, spf, dmarc = "mx1.host.test.", '"v=spf1 include:_spf.mailer.test include:_spf.host.test ~all"', f"p=reject; rua=mailto:d@{name}"
        if kind == 7:
            mx, expected["dns_mx"] = "mx.other.test.", "fail"
        elif kind == 8:
            spf, expected["dns_spf"] = '"v=spf1 include:_spf.mailer.test ~all"', "fail"
        elif kind == 9:
            dmarc, expected["dns_dmarc"] = "p=none; rua=mailto:d@" + name, "warn"
        lines += [f"{name}. 600 MX 10 {mx}", f"{name}. 600 TXT {spf}", f'_dmarc.{name}. 600 TXT "v=DMARC1; {dmarc}"']
        truth[name] = expected
    return "\n".join(lines) + "\n", truth


def ours(port, truth, passes):
    """Seconds of each pass: the first is cold, the second warm."""
    from collectors.base import Target, run
    from collectors.catalogue import CHECKS
    from collectors.net import NetConfig, Network

    assert CHECKS
    only = {"dns_mx", "dns_spf", "dns_dmarc"}

    async def one_pass(network):
        names, begun = iter(truth), time.perf_counter()

        async def lane():
            for name in names:
                target = Target(
                    domain=name, mail_hosts=("mx1.host.test",), sending_ips=("203.0.113.25", "2001:db8::25"), spf_include="_spf.host.test"
                )
                results = await run(target, network.audit(target), only)
                found = {c: str(r.status) for c, r in results.items()}
                assert found == truth[name], f"{name}: {found}, wanted {truth[name]}"

        await asyncio.gather(*(lane() for _n in range(32)))
        return time.perf_counter() - begun

    async def main():
        network = Network(NetConfig(dns_servers=(("127.0.0.1", port),)))
        took = [await one_pass(network) for _n in range(passes)]
        await network.close()
        return took

    return asyncio.run(main())


def theirs(port, truth):
    """Seconds of one pass of checkdmarc, as its own command goes: one domain after the other."""
    import checkdmarc.dmarc
    import checkdmarc.spf
    import dns.resolver
    from checkdmarc.utils import DNS_CACHE, get_a_records, get_mx_records

    DNS_CACHE.clear()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], port
    begun = time.perf_counter()
    for name, expected in truth.items():
        hosts = get_mx_records(name, resolver=resolver)  # without check_mx's DNSSEC and TLS probes, which ours does not make
        assert all(get_a_records(host["hostname"], resolver=resolver) for host in hosts), name
        spf = checkdmarc.spf.check_spf(name, resolver=resolver)
        dmarc = checkdmarc.dmarc.check_dmarc(name, resolver=resolver)
        assert hosts and spf["valid"], name
        assert dmarc["tags"]["p"]["value"] == ("none" if expected["dns_dmarc"] == "warn" else "reject"), name
    return time.perf_counter() - begun


def start_nsd(folder, zone):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "root.zone").write_text(zone)
    (folder / "nsd.conf").write_text(
        f'server:\n ip-address: 127.0.0.1\n port: {port}\n username: ""\n chroot: ""\n zonesdir: "{folder}"\n database: ""\n'
        f' pidfile: "{folder}/pid"\n xfrdfile: "{folder}/xfrd"\n zonelistfile: "{folder}/list"\n server-count: 1\n'
        f'remote-control:\n control-enable: no\nzone:\n name: "."\n zonefile: "root.zone"\n'
    )
    nsd = shutil.which("nsd") or sys.exit("NSD is needed (Debian: apt-get install nsd)")
    process = subprocess.Popen([nsd, "-d", "-c", str(folder / "nsd.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if os.cpu_count() > 1:
        os.sched_setaffinity(process.pid, {1})
    import dns.message
    import dns.query

    for _n in range(100):
        try:
            dns.query.udp(dns.message.make_query("d0.test", "MX"), "127.0.0.1", port=port, timeout=0.2)
            return process, port
        except (OSError, dns.exception.Timeout):
            time.sleep(0.1)
    sys.exit("NSD did not start")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--domains", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    zone, truth = zone_and_truth(options.domains)
    took = {"ours, cold": [], "ours, warm": [], "checkdmarc": []}
    with tempfile.TemporaryDirectory() as folder:
        process, port = start_nsd(Path(folder), zone)
        os.sched_setaffinity(0, {0})
        try:
            for _n in range(options.rounds):
                cold, warm = ours(port, truth, 2)
                took["ours, cold"].append(cold)
                took["ours, warm"].append(warm)
                took["checkdmarc"].append(theirs(port, truth))
        finally:
            process.terminate()
            process.wait(10)
    rates = {who: sorted(options.domains / t for t in times) for who, times in took.items()}
    for who, values in rates.items():
        print(f"{who}: {statistics.median(values):.0f} domains/s ({values[0]:.0f}..{values[-1]:.0f})")
    base = statistics.median(rates["checkdmarc"])
    print(f"cold against checkdmarc: {statistics.median(rates['ours, cold']) / base:.1f}×; ", end="")
    print(f"warm: {statistics.median(rates['ours, warm']) / base:.1f}×")


if __name__ == "__main__":
    main()
