"""The tree of an SPF record with what each include costs, from the evidence of `dns_spf`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from audit.results.evidence import dicts_of
from collectors.stored import Evidence
from collectors.text import clean

LONGEST = 300  # characters of a term or record
MAX_NODES = 200
MAX_DEPTH = 20  # of the rows; ten includes are the limit of a working record
_NAMES = ("include:", "redirect=")


@dataclass
class Node:
    """A term that costs lookups, with all that is behind it.

    `lookups`: with its subtree; `without`: how many the whole record would cost without it, None
    below the first level. `voids`: how many of its own lookups found nothing. `record`: what stands
    at the name that it leads to; `problem`: why it has none.
    """

    term: str
    lookups: int
    without: int | None = None
    voids: int = 0
    record: str = ""
    problem: str = ""
    terms: list["Node"] = field(default_factory=list)


@dataclass(frozen=True)
class Tree:
    """The terms of a record that cost lookups, in its order; `is_cut`: there are more."""

    lookups: int
    limit: int
    terms: list[Node]
    is_cut: bool


def tree_of(evidence: Evidence) -> Tree | None:
    """The tree of the one record in this evidence of `dns_spf`; None without an include."""
    costs, rows = evidence.get("dns_lookups"), evidence.get("tree")
    if not isinstance(costs, dict) or not isinstance(rows, list):
        return None
    total, limit = _number(costs.get("count")), _number(costs.get("limit"))
    shown = [row for row in rows[:MAX_NODES] if isinstance(row, dict)]
    nodes = _nodes(shown, total, _voids(evidence))
    if not any(node.term.lower().lstrip("+-~?").startswith(_NAMES) for node in nodes):
        return None
    return Tree(total, limit, nodes, len(shown) < len(rows))


def _nodes(rows: list[dict[str, Any]], total: int, voids: dict[tuple[str, str], int]) -> list[Node]:
    """Rows with depths as a tree: a record's terms stand one below it, and what a term leads to one
    below that."""
    top: list[Node] = []
    above: dict[int, Node] = {}
    for row in rows:
        depth, term = row.get("depth"), row.get("term")
        if type(depth) is not int or not 0 < depth <= MAX_DEPTH:
            continue
        if term is None:
            if node := above.get(depth - 1):
                node.record = clean(str(row.get("record", "")), LONGEST)
                node.problem = clean(str(row.get("problem", "")), LONGEST)
            continue
        place = str(row.get("domain", "")), str(term)
        node = Node(clean(str(term), LONGEST), _number(row.get("lookups")))
        node.voids = voids.get(place, 0)
        above = {n: kept for n, kept in above.items() if n < depth}
        above[depth] = node
        if depth == 1:
            node.without = max(0, total - node.lookups)
            top.append(node)
        elif parent := above.get(depth - 2):
            parent.terms.append(node)
    return top


def _voids(evidence: Evidence) -> dict[tuple[str, str], int]:
    """{(domain, term): how many of its lookups found nothing}, of any sending address."""
    found: dict[tuple[str, str], int] = {}
    for step in _steps(evidence):
        if number := _number(step.get("void_lookups")):
            place = str(step.get("domain", "")), str(step.get("term", ""))
            found[place] = max(number, found.get(place, 0))
    return found


def _steps(evidence: Evidence) -> Iterator[dict[str, Any]]:
    for address in dicts_of(evidence.get("addresses")):
        yield from dicts_of(address.get("steps"))


def _number(value: object) -> int:
    return value if type(value) is int else 0
