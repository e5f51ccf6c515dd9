"""A process that audits domains, to be stopped and starved: reads what to do from stdin as JSON.

    python -m tests.collectors.starving < {"domains": [...], "dns": [host, port], "target": {...}}

It prints a line when it begins, and then {"found": {domain: {check_id: [status, codes]}} of the
audits, and of one more that follows them, "cpu": seconds of the processor's that they took}.
"""

import asyncio
import json
import sys
import time
from ipaddress import ip_network

from collectors.base import Target
from collectors.net.session import NetConfig, NetworkClients
from collectors.run import run

LOOPBACK = (ip_network("127.0.0.0/8"),)


async def main(order):
    network = NetworkClients(
        NetConfig(
            dns_servers=(tuple(order["dns"]),),
            allowed_networks=LOOPBACK,
            ca_file=order["ca_file"],
            check_seconds=order["seconds"],
        )
    )
    began = time.process_time()
    try:
        print("looking", flush=True)
        found = await asyncio.gather(*(audit(network, d, order) for d in order["domains"]))
        found.append(await audit(network, order["after"], order))
    finally:
        await network.close()
    print(json.dumps({"found": dict(found), "cpu": time.process_time() - began}))


async def audit(network, domain, order):
    goal = Target(
        domain=domain,
        **{k: tuple(v) if isinstance(v, list) else v for k, v in order["target"].items()},
    )
    results = await run(goal, network.audit_session(goal))
    return domain, {
        check_id: [str(r.status), sorted(f.code for f in r.findings)]
        for check_id, r in results.items()
    }


if __name__ == "__main__":
    asyncio.run(main(json.load(sys.stdin)))
