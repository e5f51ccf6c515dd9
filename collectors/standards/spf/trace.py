"""What check_host() did, term by term: the result with its trace, as objects and as JSON data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.standards.spf.record import SpfSyntaxError
from collectors.text import CleanJson


@dataclass
class TermTrace:
    """One term of one record. `outcome`: match, no match, followed (redirect), or the error.

    `lookups`: 1 if the term counts against the limit of ten; `void_lookups`: how many of its
    queries found nothing; `target`: the name it was about; `seen`: the addresses or names compared;
    `child`: the record that include or redirect led to.
    """

    term: str
    index: int
    offset: int
    outcome: str = ""
    target: str = ""
    lookups: int = 0
    void_lookups: int = 0
    seen: list[str] = field(default_factory=list)
    note: str = ""
    child: "RecordTrace | None" = None

    def to_dict(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"term": self.term, "outcome": self.outcome}
        for key in ("target", "lookups", "void_lookups", "note"):
            if getattr(self, key):
                shown[key] = getattr(self, key)
        if self.seen:
            shown["seen"] = self.seen[:20]
        return shown


@dataclass
class RecordTrace:
    """One domain's record, evaluated: its text (None: no record), its terms, and the result."""

    domain: str
    record: str | None = None
    terms: list[TermTrace] = field(default_factory=list)
    result: str = ""
    note: str = ""
    _steps: dict[int, list[dict[str, Any]]] | None = None  # by depth, once it is shared

    def share(self) -> None:
        """Say that it is complete, so that its JSON form can be made once."""
        if self._steps is None:
            self._steps = {}

    def steps(self, depth: int = 0) -> list[dict[str, Any]]:
        """JSON data: the terms in the order of evaluation as one flat list with depths."""
        if self._steps is not None and depth in self._steps:
            return self._steps[depth]
        found: list[dict[str, Any]] = []
        for term in self.terms:
            step = {"depth": depth, "domain": self.domain, **term.to_dict()}
            found.append(step if self._steps is None else CleanJson(step))
            if term.child:
                found += term.child.steps(depth + 1)
        if self._steps is not None:
            self._steps[depth] = found
        return found

    def records(self) -> "Iterator[RecordTrace]":
        """This record and all that it led to."""
        yield self
        for term in self.terms:
            if term.child:
                yield from term.child.records()

    def walk(self) -> Iterator[tuple[int, str, TermTrace]]:
        """(depth, domain, term) of every term in the order of evaluation."""
        todo = [(0, self.domain, iter(self.terms))]
        while todo:
            depth, domain, terms = todo[-1]
            term = next(terms, None)
            if term is None:
                todo.pop()
                continue
            yield depth, domain, term
            if term.child:
                todo.append((depth + 1, term.child.domain, iter(term.child.terms)))


@dataclass(frozen=True)
class SpfResult:
    """The answer of check_host(). `result`: none neutral pass fail softfail temperror permerror.

    `explanation`: the domain's own text for a fail, else "". On permerror `reason` is one of
    syntax, multiple, too_many_lookups, too_many_void_lookups, too_many_mx, too_many_mx_addresses,
    too_many_queries, include_missing, redirect_missing, loop; on temperror the code of the failed
    lookup (dns_timeout, dns_servfail, …) with the exception in `fault`. `where` is the domain in
    whose record it happened, `term` the term's text, `index` its place (from 1), `offset` its
    character.
    """

    result: str
    explanation: str
    ip: str
    domain: str
    sender: str
    trace: RecordTrace
    reason: str = ""
    subject: str = ""
    where: str = ""
    term: str = ""
    index: int = 0
    offset: int = 0
    syntax: SpfSyntaxError | None = None
    fault: Exception | None = None
    lookups: int = 0
    void_lookups: int = 0
    queries: int = 0
    records: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> list[tuple[str, str]]:
        """The terms that decided, from the domain's own record inwards: [(domain, term)]."""
        decisive, record = [], self.trace
        while record.terms and record.terms[-1].outcome != "no match":
            last = record.terms[-1]
            decisive.append((record.domain, last.term))
            if last.child is None:
                break
            record = last.child
        return decisive

    @property
    def void_names(self) -> list[str]:
        """The names that void lookups were about, in order."""
        return [term.target for _depth, _domain, term in self.trace.walk() if term.void_lookups]

    def to_dict(self) -> dict[str, Any]:
        """JSON data: the result, why, what it cost, and the terms as one flat list with depths."""
        shown: dict[str, Any] = {
            "ip": self.ip,
            "result": self.result,
            "lookups": self.lookups,
            "void_lookups": self.void_lookups,
            "path": [f"{domain}: {term}" for domain, term in self.path],
        }
        for key in ("reason", "subject", "where", "term", "explanation"):
            if getattr(self, key):
                shown[key] = getattr(self, key)
        return {**shown, "steps": self.trace.steps()}


def shown_name(name: str) -> str:
    """A name for a sentence, cut where it is very long."""
    return name if len(name) <= 100 else name[:100] + "…"
