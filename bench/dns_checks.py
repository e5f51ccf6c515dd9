"""The four DNS checks against checkdmarc: processor time a domain, the same zones, the same server.

    .venv/bin/python -m bench.dns_checks [--quick] [--domains N] [--rounds N]

Ours: MX, SPF, DKIM and DMARC through `collectors.run.run`, 32 domains at a time; cold, and again
with what it remembers. Checkdmarc (which reads no DKIM), one domain after the other, as its own
command goes: `get_mx_records` and `get_a_records` of each host, `check_spf`, `check_dmarc`; each
with `nameservers=`, so that it makes its resolvers itself, and once more with one shared
`resolver=`, which is the leanest that it can be called. With its probes: `check_domains` (DNSSEC,
SOA, NS, MTA-STS, TLS-RPT, BIMI besides; no SMTP). Nobody limits rates.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time

from bench.load import proof
from bench.measure import ROOT, Row, at_least, options, spread, tell, void
from bench.servers import name_server
from bench.zones import DNS_CHECKS, INVALID_DMARC, INVALID_SPF, WITHOUT_MX, World

LANES = 32
PROBES_PART = 10  # with its probes, the peer gets one of so many domains: it takes long
PEERS = ("checkdmarc, its own resolvers", "checkdmarc, one resolver", "checkdmarc, with probes")


def ours(world, port):
    """Processor seconds of a cold and a warm pass, and what is wrong."""
    from bench.tenant import config, seen, target
    from collectors.net.session import NetworkClients
    from collectors.run import run

    async def one_pass(network):
        customers, found = iter(world.customers), []

        async def lane():
            for customer in customers:
                wanted = target(customer)
                results = await run(wanted, network.audit_session(wanted), DNS_CHECKS)
                found.append((customer, seen(results)))  # as a worker, which keeps no result

        began = time.process_time()
        await asyncio.gather(*(lane() for _n in range(LANES)))
        took = time.process_time() - began
        wrong = [
            line
            for customer, verdicts in found
            for line in world.wrong(customer, verdicts, _seen_without_portal(customer))
        ]
        return took, wrong

    async def main():
        network = NetworkClients(config(port))
        cold, wrong = await one_pass(network)
        warm, wrong_again = await one_pass(network)
        await network.close()
        return {"cpu": [cold, warm], "wrong": wrong + wrong_again}

    return asyncio.run(main())


def _seen_without_portal(customer):
    """The portal alone knows that a published key is an old one."""
    return [c for c in DNS_CHECKS if (c, customer.kind) != ("dns_dkim", "dkim_old")]


def theirs(world, port, way):
    """Processor seconds of one pass of the peer, called in this way, and what is wrong."""
    import dns.nameserver
    import dns.resolver

    servers = [dns.nameserver.Do53Nameserver("127.0.0.1", port)]
    if way == PEERS[1]:
        resolver = dns.resolver.Resolver(configure=False)
        resolver.nameservers = servers
        how = {"resolver": resolver}
    else:
        how = {"nameservers": servers}
    how["timeout"] = 1.0  # seconds, not two: the dead ones cost waiting alone
    look = _with_probes if way == PEERS[2] else _plain
    found, began = [], time.process_time()
    for customer in world.customers:
        found.append((customer, *look(customer.name, how)))
    took = time.process_time() - began
    wrong = [
        f"{customer.name} ({customer.kind}): {mine}, wanted {wanted}"
        for customer, *mine in found
        if mine != (wanted := _wanted_of_peer(customer.kind))
    ]
    return {"cpu": [took], "wrong": wrong}


def _wanted_of_peer(kind):
    """[an exchange with an address, SPF valid, DMARC valid] as the peer must see them."""
    if kind == "dead":
        return [False, False, False]
    return [kind not in WITHOUT_MX, kind not in INVALID_SPF, kind not in INVALID_DMARC]


def _plain(name, how):
    import checkdmarc.dmarc
    import checkdmarc.spf
    from checkdmarc.utils import DNSException, get_a_records, get_mx_records

    addresses = []
    try:
        for host in get_mx_records(name, **how):
            addresses += get_a_records(host["hostname"], **how)
    except DNSException:
        addresses = []
    spf = checkdmarc.spf.check_spf(name, **how)
    dmarc = checkdmarc.dmarc.check_dmarc(name, **how)
    return bool(addresses), spf["valid"], dmarc["valid"]


def _with_probes(name, how):
    from checkdmarc import check_domains

    found = check_domains([name], **how)
    addresses = [a for host in found["mx"].get("hosts", ()) for a in host["addresses"]]
    return bool(addresses), found["spf"]["valid"], found["dmarc"]["valid"]


def measured(side, count, port):
    """What one side came to, in a process of its own."""
    command = [sys.executable, "-m", "bench.dns_checks", "--side", side, str(count), str(port)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def side_main(side, count, port):
    """The process of one side."""
    world = World(int(count))
    if side == PEERS[2]:
        world.customers = world.customers[::PROBES_PART]
    answer = ours(world, int(port)) if side == "ours" else theirs(world, int(port), side)
    print(json.dumps({**answer, "domains": len(world.customers)}))


def main():
    if sys.argv[1:2] == ["--side"]:
        side_main(*sys.argv[2:])
        return
    found = options(__doc__, domains=(600, 60), rounds=(3, 1))
    world, rows, wrong, asked = World(found.domains), [], [], 0.0
    times = {who: [] for who in ("ours, cold", "ours, warm", *PEERS)}
    with tempfile.TemporaryDirectory() as folder, name_server(world, folder) as server:
        for _round in range(found.rounds):
            before = server.asked()
            one = measured("ours", found.domains, server.port)
            asked = max(asked, (server.asked() - before) / one["cpu"][0])  # had it never waited
            for who, cpu in zip(("ours, cold", "ours, warm"), one["cpu"], strict=True):
                times[who].append(cpu / one["domains"] * 1000)
            wrong += one["wrong"]
            for who in PEERS:
                other = measured(who, found.domains, server.port)
                times[who].append(other["cpu"][0] / other["domains"] * 1000)
                wrong += other["wrong"]
        said, enough = proof(server, world, asked)
    void(wrong)
    middle = {who: statistics.median(values) for who, values in times.items()}
    rows += [Row(f"CPU a domain, {who}", spread(v, " ms")) for who, v in times.items()]
    for who, goal in (("ours, cold", 5), ("ours, warm", 15)):
        for peer in PEERS:
            ratio = middle[peer] / middle[who]
            what, shown = f"{peer} / {who}", f"{ratio:.2f} times"
            rows.append(
                at_least(what, shown, ratio, goal) if peer == PEERS[0] else Row(what, shown, ratio)
            )
    rows.append(Row("name server of the DNS checks", said, None, "no limit", enough))
    tell(rows, found)


if __name__ == "__main__":
    main()
