"""What check_host() did, term by term: the result with its trace, as objects and as JSON data."""

from dataclasses import dataclass, field


@dataclass
class Step:
    """One term of one evaluation. `outcome`: match, no match, followed (redirect), permerror, temperror.

    `lookups`: 1 if the term counts against the limit of ten; `void_lookups`: how many of its queries found nothing;
    `target`: the name it was about; `seen`: the addresses or names compared; `child`: what include or redirect led to.
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
    child: "Evaluation | None" = None

    def to_dict(self):
        shown = {"term": self.term, "outcome": self.outcome}
        for key in ("target", "lookups", "void_lookups", "note"):
            if getattr(self, key):
                shown[key] = getattr(self, key)
        if self.seen:
            shown["seen"] = self.seen[:20]
        return shown


@dataclass
class Evaluation:
    """One domain's record, evaluated: its text (None: no record), the steps taken, and the result."""

    domain: str
    record: str | None = None
    steps: list[Step] = field(default_factory=list)
    result: str = ""
    note: str = ""

    def walk(self):
        """(depth, domain, step) of every step in the order of evaluation."""
        todo = [(0, self, iter(self.steps))]
        while todo:
            depth, evaluation, steps = todo[-1]
            step = next(steps, None)
            if step is None:
                todo.pop()
                continue
            yield depth, evaluation.domain, step
            if step.child:
                todo.append((depth + 1, step.child, iter(step.child.steps)))


@dataclass(frozen=True)
class SpfResult:
    """The answer of check_host(). `result`: none neutral pass fail softfail temperror permerror.

    `explanation`: the domain's own text for a fail, else "". On permerror `reason` is one of syntax, multiple,
    too_many_lookups, too_many_void_lookups, too_many_mx, too_many_queries, include_missing, redirect_missing, loop; on
    temperror the code of the failed lookup (dns_timeout, dns_servfail, …) with the exception in `fault`. `where` is the
    domain in whose record it happened, `term` the term's text, `index` its place (from 1) and `offset` its character.
    """

    result: str
    explanation: str
    ip: str
    domain: str
    sender: str
    reason: str = ""
    subject: str = ""
    where: str = ""
    term: str = ""
    index: int = 0
    offset: int = 0
    syntax: Exception | None = None
    fault: Exception | None = None
    lookups: int = 0
    void_lookups: int = 0
    queries: int = 0
    records: dict[str, str] = field(default_factory=dict)
    trace: Evaluation | None = None

    @property
    def path(self):
        """The terms that decided, from the domain's own record inwards: [(domain, term)]."""
        decisive, evaluation = [], self.trace
        while evaluation and evaluation.steps:
            step = evaluation.steps[-1]
            if step.outcome == "no match":
                break
            decisive.append((evaluation.domain, step.term))
            evaluation = step.child
        return decisive

    @property
    def voids(self):
        """The names that void lookups were about, in order."""
        return [step.target for _depth, _domain, step in self.trace.walk() if step.void_lookups] if self.trace else []

    def to_dict(self):
        """JSON data: the result, why, what it cost, and the steps as one flat list with their depth."""
        shown = {"ip": self.ip, "result": self.result, "lookups": self.lookups, "void_lookups": self.void_lookups}
        shown["path"] = [f"{domain}: {term}" for domain, term in self.path]
        for key in ("reason", "subject", "where", "term", "explanation"):
            if getattr(self, key):
                shown[key] = getattr(self, key)
        steps = [{"depth": d, "domain": domain, **step.to_dict()} for d, domain, step in self.trace.walk()] if self.trace else []
        return {**shown, "steps": steps}


def shown_name(name):
    """A name for a sentence, cut where it is very long."""
    return name if len(name) <= 100 else name[:100] + "…"
