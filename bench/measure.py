"""Measuring: processor time and memory of processes, medians, and how a result is told."""

import argparse
import json
import os
import signal
import statistics
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """`pid` and all processes below it, from /proc."""
    found, wave = [], [pid]
    while wave:
        found += wave
        below = []
        for parent in wave:
            for children in Path(f"/proc/{parent}/task").glob("*/children"):
                with suppress(OSError):
                    below += map(int, children.read_text().split())
        wave = below
    return found


def cpu_seconds(pid):
    """Processor seconds of a process, of all below it, and of those of them that have ended."""
    ticks = 0
    for each in tree(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def pss_mb(pid):
    """Proportional memory of a process and all below it, in MB."""
    total = 0
    for each in tree(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def spread(values, unit=""):
    """`median (lowest to highest)` as text."""
    values = sorted(values)
    middle = statistics.median(values)
    return f"{middle:.4g}{unit} ({values[0]:.4g} to {values[-1]:.4g}, n = {len(values)})"


@dataclass(frozen=True)
class Row:
    """A line of the results.

    `measured`: with unit and spread. `ratio`: the number that the goal is about, `wanted` the goal
    in words, `reached` whether it is; None where there is no goal.
    """

    what: str
    measured: str
    ratio: float | None = None
    wanted: str = ""
    reached: bool | None = None

    def __str__(self):
        said = f"{self.what}: {self.measured}"
        if self.ratio is not None:
            said += f"; {self.ratio:.3g}"
        if self.wanted:
            said += f" (wanted: {self.wanted}; {'reached' if self.reached else 'NOT reached'})"
        return said


def at_most(what, measured, value, limit, unit=""):
    """A row whose goal is a value of at most `limit`."""
    return Row(what, measured, value, f"at most {limit:g}{unit}", value <= limit)


def at_least(what, measured, value, limit, unit=""):
    """A row whose goal is a value of at least `limit`."""
    return Row(what, measured, value, f"at least {limit:g}{unit}", value >= limit)


def options(doc, parts=(), quick_parts=(), **numbers):
    """The arguments of a benchmark: `--quick`, `--json`, a number each with its (full, quick)
    default, and which of its `parts` to measure (all; with `--quick` the `quick_parts`)."""
    signal.signal(signal.SIGTERM, lambda *_args: sys.exit(143))  # ends what it has started
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="small: only to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    for name, (full, quick) in numbers.items():
        parser.add_argument(
            f"--{name}", type=int, metavar="N", help=f"default: {full}, with --quick {quick}"
        )
    if parts:
        parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; default: all")
    found = parser.parse_args()
    if parts:
        if unknown := set(found.parts) - set(parts):
            parser.error(f"no such part: {', '.join(unknown)}")
        found.parts = found.parts or list((found.quick and quick_parts) or parts)
    for name, (full, quick) in numbers.items():
        if getattr(found, name) is None:
            setattr(found, name, quick if found.quick else full)
    return found


def tell(rows, found):
    """Print the rows, and write them where `--json` says."""
    for row in rows:
        print(row, flush=True)
    if found.json:
        found.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


def void(wrong):
    """End with status 1 where verdicts are wrong: then no speed counts."""
    if wrong:
        print(f"VOID: {len(wrong)} wrong verdicts", *wrong[:20], sep="\n  ", file=sys.stderr)
        sys.exit(1)
