"""The real worker from due to stored: processor time a domain, domains a second, memory.

    .venv/bin/python -m bench.end_to_end [--quick] [--domains N] [--rounds N] [--audits N]
        [sqlite] [postgres] [two] [dead] [naive]

`manage.py worker` on SQLite and on PostgreSQL, DNS, portal and webmail over TLS on loopback. Each
round is a new database: all domains are audited once ("first": every result is new) and again
("again": nothing has changed, which is what a worker does all day; their DNS records are no longer
remembered). Then with two workers, without dead domains, and against one task a domain.
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from bench.load import proof
from bench.measure import Row, at_least, at_most, cpu_seconds, options, spread, tell, void
from bench.servers import name_server, postgresql, web_server
from bench.site import WARM_UP, Site, memory_mb
from bench.zones import World

MEMORY_MB = 200  # of one worker command in all
FLAT_MB = 8  # what memory may grow by, in the second half of all audits
WRITTEN = ("transactions", "rows", "log")
BESIDES = {
    "wall": ("domains a second on the clock", ""),
    "asked": ("questions a domain at the name server", ""),
    "dns": ("CPU a domain of the name server", " ms"),
    "web": ("CPU a domain of portal and webmail", " ms"),
    "database": ("CPU a domain of PostgreSQL", " ms"),
    "transactions": ("transactions a domain in PostgreSQL", ""),
    "rows": ("rows written a domain in PostgreSQL", ""),
    "log": ("bytes a domain of PostgreSQL's log", ""),
}
NAIVE = """
import json
from bench.naive import audit_all
json.dump(audit_all(), open(PATH, "w"))
"""
NAIVE_PART = 8  # one task a domain is measured on one of so many domains


class Bench:
    """One call: what was measured under each name."""

    def __init__(self, found):
        self.found, self.values, self.wrong = found, defaultdict(list), []
        self.proofs, self.repeated = [], 0
        self.patience = {"AUDIT_CHECK_TIMEOUT_SEC": "4"} if found.quick else {}

    def round(self, name, *, hosts=1, database="SQLite", dead=0.02, again=True, audits=0, **env):
        """Audit all domains of a new world and database, and again; keep what it took as `name`."""
        count = self.found.domains
        world = World(WARM_UP + count, dead=dead, ttl=1)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(name_server(world, folder))
            web = stack.enter_context(web_server(world, folder))
            process, url = None, ""
            if database == "PostgreSQL":
                process, url = stack.enter_context(postgresql(folder))
            env |= self.patience
            site = Site(folder, world, dns_port=server.port, web=web, url=url, **env)
            workers = [stack.enter_context(site.worker()) for _n in range(hosts)]
            site.audit(workers, 0, WARM_UP)
            self.values[name, "", "idle"].append(self._idle(workers))
            servers = [p.pid for p in (server.process, web.process, process) if p]
            for turn in ("first", "again") if again else ("first",):
                wrote = site.written() if url else ()
                asked, busy = server.asked(), [cpu_seconds(pid) for pid in servers]
                wall, cpu = site.audit(workers, WARM_UP, WARM_UP + count)
                busy = [cpu_seconds(pid) - was for pid, was in zip(servers, busy, strict=True)]
                said = [f"{turn} {1000 * cpu / count:.2f} ms, {count / wall:.0f}/s"]
                said += [f"{1000 * seconds / count:.2f}" for seconds in busy]
                print(f"  {name}: {', '.join(said)}", file=sys.stderr, flush=True)
                self.values[name, turn, "cpu"].append(1000 * cpu / count)
                self.values[name, turn, "core"].append(count / cpu)
                self.values[name, turn, "wall"].append(count / wall)
                for kind, seconds in zip(("dns", "web", "database"), busy, strict=False):
                    self.values[name, turn, kind].append(1000 * seconds / count)
                asked = server.asked() - asked
                self.values[name, turn, "asked"].append(asked / count)
                self.proofs.append(asked / max(wall, 0.001))
                if url:
                    for kind, was, now in zip(WRITTEN, wrote, site.written(), strict=True):
                        self.values[name, turn, kind].append((now - was) / count)
            self.wrong += site.wrong()
            self.repeated += site.repeated()
            self.values[name, "", "memory"].append(memory_mb(workers))
            if audits:
                self._flat(name, site, workers, count, audits)
                self.wrong += site.wrong()
            self.proof = proof(server, world, max(self.proofs))

    def _idle(self, workers):
        """Processor time of workers that have nothing to do, in ms a second."""
        seconds, began = 2 if self.found.quick else 10, cpu_seconds(workers[0].pid)
        time.sleep(seconds)
        return (cpu_seconds(workers[0].pid) - began) / seconds * 1000

    def _flat(self, name, site, workers, count, audits):
        """Go on until there were so many audits, and keep the memory after each turn."""
        for _turn in range(max(2, audits // count)):
            site.audit(workers, WARM_UP, WARM_UP + count)
            self.values[name, "", "flat"].append(memory_mb(workers))

    def naive(self, name):
        """One task a domain, each with new clients."""
        count = max(8, self.found.domains // NAIVE_PART)
        world = World(count, ttl=1)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server = stack.enter_context(name_server(world, folder))
            web = stack.enter_context(web_server(world, folder))
            site = Site(folder, world, dns_port=server.port, web=web, **self.patience)
            for turn in ("first", "again"):
                cpu = site.shell(NAIVE)
                self.values[name, turn, "cpu"].append(1000 * cpu / count)
            self.wrong += site.wrong()

    def middle(self, *key):
        return statistics.median(self.values[key])

    def said(self, *key, unit=""):
        return spread(self.values[key], unit)


# -- what is measured; each gives rows


def more_of(bench, name, turn):
    """What was measured besides, a row each."""
    for kind, (what, unit) in BESIDES.items():
        if bench.values[name, turn, kind]:
            yield Row(f"{name}, {turn}: {what}", bench.said(name, turn, kind, unit=unit))


def sqlite(bench):
    """One worker on SQLite, with its memory."""
    name = "one worker, SQLite"
    for turn in range(bench.found.rounds):
        bench.round(name, audits=bench.found.audits if turn == 0 else 0)
    for turn in ("again", "first"):
        cpu, rate = (bench.middle(name, turn, kind) for kind in ("cpu", "core"))
        what, said = f"{name}, {turn}: CPU a domain", bench.said(name, turn, "cpu", unit=" ms")
        yield at_most(what, said, cpu, 5, " ms")
        what, said = f"{name}, {turn}: domains a second of CPU", bench.said(name, turn, "core")
        yield at_least(what, said, rate, 200)
        yield from more_of(bench, name, turn)
    yield Row("CPU a second of a worker without work", bench.said(name, "", "idle", unit=" ms"))
    flat = bench.values[name, "", "flat"]
    most = max(bench.values[name, "", "memory"] + flat)
    what = "one worker command, memory (PSS) in all"
    yield at_most(what, f"{most:.0f} MB", most, MEMORY_MB, " MB")
    if flat:
        half = len(flat) // 2
        growth = max(flat[half:]) - max(flat[:half])
        what = f"memory over {len(flat) * bench.found.domains:,} audits, second half against first"
        yield at_most(what, f"{growth:+.1f} MB", growth, FLAT_MB, " MB")


def postgres(bench):
    """One worker on PostgreSQL."""
    name = "one worker, PostgreSQL"
    for _turn in range(bench.found.rounds):
        bench.round(name, database="PostgreSQL")
    for turn in ("again", "first"):
        said = bench.said(name, turn, "cpu", unit=" ms")
        yield Row(f"{name}, {turn}: CPU a domain", said)
        yield from more_of(bench, name, turn)


def two(bench):
    """Two workers against one."""
    ways = (
        ("two processes, SQLite", "one worker, SQLite", {"AUDIT_WORKERS": "2"}),
        (
            "two processes, PostgreSQL",
            "one worker, PostgreSQL",
            {"AUDIT_WORKERS": "2", "database": "PostgreSQL"},
        ),
        ("two hosts, PostgreSQL", "one worker, PostgreSQL", {"hosts": 2, "database": "PostgreSQL"}),
    )
    if bench.found.quick:
        ways = ways[::2]
    for _turn in range(bench.found.rounds):
        for name, one, how in ways:
            if not bench.values[one, "first", "wall"]:
                bench.round(one, database=how.get("database", "SQLite"))
            bench.round(name, **how)
    for name, one, _how in ways:
        for turn in ("first", "again"):
            ratio = bench.middle(name, turn, "wall") / bench.middle(one, turn, "wall")
            what = f"{name} / {one}, {turn}: domains a second"
            yield at_least(what, bench.said(name, turn, "wall"), ratio, 1.8)
            ratio = bench.middle(name, turn, "cpu") / bench.middle(one, turn, "cpu")
            yield Row(
                f"{name} / {one}, {turn}: CPU a domain",
                bench.said(name, turn, "cpu", unit=" ms"),
                ratio,
            )


def dead(bench):
    """2 % dead domains against none."""
    for _turn in range(bench.found.rounds):
        bench.round("2 % dead", again=False)
        bench.round("none dead", dead=0, again=False)
    names = ("2 % dead", "none dead")
    some, none = (bench.middle(name, "first", "wall") for name in names)
    said = " against ".join(bench.said(name, "first", "wall", unit="/s") for name in names)
    yield at_least(
        f"2 % dead domains / none, {bench.found.domains} domains", said, some / none, 0.9
    )


def naive(bench):
    """Against one task a domain with new clients each."""
    name = "one task a domain with new clients"
    for _turn in range(bench.found.rounds):
        bench.naive(name)
        if not bench.values["one worker, SQLite", "first", "cpu"]:
            bench.round("one worker, SQLite")
    for turn in ("again", "first"):
        yield Row(f"{name}, {turn}: CPU a domain", bench.said(name, turn, "cpu", unit=" ms"))
        ratio = bench.middle(name, turn, "cpu") / bench.middle("one worker, SQLite", turn, "cpu")
        yield at_least(f"{name} / one worker, {turn}: CPU", f"{ratio:.1f} times", ratio, 10)


PARTS = {part.__name__: part for part in (sqlite, postgres, two, dead, naive)}


def main():
    found = options(__doc__, tuple(PARTS), domains=(2000, 40), rounds=(3, 1), audits=(20000, 0))
    bench, rows = Bench(found), []
    for name in found.parts:
        rows += PARTS[name](bench)
    void(bench.wrong)
    said = f"{bench.repeated}; where there are many, this machine was too busy to measure on"
    rows.append(Row("audits made again, as the worker had stood still", said))
    rows.append(Row("name server of the worker", bench.proof[0], None, "no limit", bench.proof[1]))
    tell(rows, found)


if __name__ == "__main__":
    main()
