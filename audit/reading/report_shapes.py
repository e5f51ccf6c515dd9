"""The shapes of a customer's report: what its page and its zone text are made from."""

from dataclasses import dataclass
from datetime import datetime

from audit.results.translate import translate
from collectors.panels import Hint
from collectors.standards.zone_snippet import quoted, strings_of


@dataclass(frozen=True)
class Record:
    """One record to change.

    `key`: the same as long as this is what is to be done, fit for an HTML id. `action`: "add",
    "replace", "remove", or "keep" what stands there. `relative`: the name within the zone, as DNS
    panels want it ("@", "_dmarc"), '' where the zone is not known; `name`: the whole. `value`
    without the priority, which is `priority` (MX alone). `ttl`: seconds. `values_now`: what stands
    there and goes.
    """

    key: str
    action: str
    type: str
    relative: str
    name: str
    value: str
    priority: int | None
    ttl: int
    values_now: tuple[str, ...]

    @property
    def parts(self) -> str:
        """A long TXT value as quoted strings of 255 bytes, for the panels that ask for them; else
        ''.
        """
        long = self.type == "TXT" and len(strings_of(self.value)) > 1
        return quoted(self.value) if long else ""


@dataclass(frozen=True)
class Advice:
    """What is wrong, and what to do about it; `effects`: what is cured with it."""

    message: str
    text: str
    effects: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """What a customer changes for one check.

    `title`, `words`: what it is and what it is for, for somebody who has never seen DNS. `first`:
    what must be done before, or not before. `advice`: the findings. `records`: none where only
    words help, or where an earlier step has them all (`told`).
    """

    check_id: str
    status: str
    title: str
    words: str
    first: tuple[str, ...]
    advice: tuple[Advice, ...]
    records: tuple[Record, ...]
    told: bool = False

    @property
    def count(self) -> int:
        """How many changes it is."""
        return sum(r.action != "keep" for r in self.records) or int(not self.told)


@dataclass(frozen=True)
class Panel:
    """Where DNS is changed: a panel's name, where to click, its traps."""

    name: str
    where: str
    traps: tuple[str, ...]

    @classmethod
    def of(cls, hint: Hint) -> "Panel":
        """A hint in the language that is active."""
        return cls(hint.name, translate(hint.where), tuple(translate(t) for t in hint.traps))


@dataclass(frozen=True)
class Report:
    """All that the page says.

    `state`: "new" (never looked at), "steps", "silent" (the name servers do not answer), "waiting"
    (nothing to do for the customer now, but not all is well), "done" (all is well). `zone`: that it
    lies in, '' where that is not known; `zone_text`: see `zone_of`. `done`: what is in order;
    `ours`: what we see to; `unseen`: what could not be looked at, `silent` because of the domain's
    own name servers; `not_here`: what is not looked at, as our server has no portal on purpose.
    `to_do` of `total` records are to change.
    """

    state: str
    domain: str
    unicode: str
    zone: str
    zone_text: str
    stale: bool
    last_audit: datetime | None
    steps: tuple[Step, ...]
    done: tuple[str, ...]
    records_done: int
    ours: tuple[str, ...]
    silent: tuple[str, ...]
    unseen: tuple[str, ...]
    not_here: tuple[str, ...]
    panels: tuple["Panel", ...]
    usual_panels: tuple["Panel", ...]

    @property
    def to_do(self) -> int:
        """How many records are to change."""
        return sum(step.count for step in self.steps)

    @property
    def total(self) -> int:
        """Those, and what is in order already: one for each step that is done."""
        return self.to_do + self.records_done
