"""How long one cold audit takes when the net has round trips of 0, 20 and 80 ms.

    .venv/bin/python -m bench.one_domain [--quick] [--domains N]

DNS, portal and webmail are reached through a relay that delays both ways. Nothing is remembered of
the domain and of the services that it sends through. "warm": as in a worker, which has open
connections to the portal and knows the mail host's own names; "cold": as in a new process, which
knows nothing. The bound: no audit can be faster than max(4L, L + 3H), with L a round trip of DNS
and H one of HTTP: four questions one after the other for SPF; the address, then TCP, TLS and the
page. Both are measured through the relay, as clocks round.
"""

import asyncio
import socket
import statistics
import tempfile
import time
from pathlib import Path

import dns.message
import dns.query

from bench.measure import Row, at_most, options, spread, tell, void
from bench.relay import relay
from bench.servers import name_server, web_server
from bench.tenant import config, seen, target
from bench.zones import World
from collectors.net.session import NetworkClients
from collectors.run import run

GOALS = {"warm": 1.15, "cold": 1.2}  # at a round trip of 20 ms


def round_trips(dns_port, portal_port, times=9):
    """Seconds (L, H) that a question and a request on an open connection take."""
    question, dns_times, web_times = dns.message.make_query("mx1.alojamento.example", "A"), [], []
    with socket.create_connection(("127.0.0.1", portal_port)) as portal:
        for _n in range(times):
            began = time.perf_counter()
            dns.query.udp(question, "127.0.0.1", port=dns_port, timeout=5)
            dns_times.append(time.perf_counter() - began)
            began = time.perf_counter()
            portal.sendall(b"GET /nothing HTTP/1.1\r\nHost: portal\r\n\r\n")
            portal.recv(65536)
            web_times.append(time.perf_counter() - began)
    return statistics.median(dns_times), statistics.median(web_times)


async def audits(world, make_target, settings, *, warm):
    """(wall seconds of each audit, what is wrong)."""
    network, took, wrong = NetworkClients(settings), [], []
    customers = [c for c in world.customers if c.kind == "good"]

    async def one(customer):
        wanted = make_target(customer)
        began = time.perf_counter()
        results = await run(wanted, network.audit_session(wanted))
        took.append(time.perf_counter() - began)
        wrong.extend(world.wrong(customer, seen(results)))

    await one(customers[0])  # loads code, opens connections, learns the host's names
    took.clear()
    for customer in customers[1:]:
        if not warm:
            await network.close()
            network = NetworkClients(settings)
        await one(customer)
    await network.close()
    return took, wrong


def main():
    found = options(__doc__, domains=(21, 4))
    world, rows, wrong = World(found.domains, broken=0, dead=0, ttl=0, services_ttl=0), [], []
    with (
        tempfile.TemporaryDirectory() as name,
        name_server(world, name) as server,
        web_server(world, name) as web,
    ):
        for trip in (0.0, 0.02, 0.08):
            ports = (server.port,), (web.portal, web.webmail)
            with relay(Path(name), trip, udp=ports[0], tcp=ports[1]) as to:
                dns_trip, web_trip = round_trips(to[server.port], to[web.portal])
                bound = max(4 * dns_trip, dns_trip + 3 * web_trip)
                settings = config(to[server.port], web.ca_file)

                def make_target(customer, to=to):
                    return target(customer, portal=to[web.portal], webmail=to[web.webmail])

                for state, goal in GOALS.items():
                    took, bad = asyncio.run(
                        audits(world, make_target, settings, warm=state == "warm")
                    )
                    wrong += bad
                    what = f"one cold domain, {trip * 1000:.0f} ms a round trip, portal {state}"
                    said = spread([seconds * 1000 for seconds in took], " ms")
                    ratio = statistics.median(took) / bound
                    if trip == 0:
                        rows.append(Row(what, said))
                    elif trip == 0.02:
                        said += f", bound {bound * 1000:.0f} ms"
                        rows.append(at_most(what, said, ratio, goal))
                    else:
                        rows.append(Row(what, f"{said}, bound {bound * 1000:.0f} ms", ratio))
    void(wrong)
    tell(rows, found)


if __name__ == "__main__":
    main()
