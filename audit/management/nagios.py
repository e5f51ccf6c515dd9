"""How the command line answers a monitoring system: one line with performance data, what is wrong
below it, and an exit status (Monitoring Plugins Development Guidelines, 2.1 to 2.6)."""

import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from django.utils.translation import gettext as _

from audit.reading.scorecard import not_here
from collectors.base import Status

WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")  # by exit status
OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORST_FIRST = (CRITICAL, WARNING, UNKNOWN, OK)
OF_DOMAIN = {"healthy": OK, "warning": WARNING, "critical": CRITICAL, "unknown": UNKNOWN}
OF_CHECK = {Status.OK: OK, Status.WARN: WARNING, Status.FAIL: CRITICAL, Status.UNKNOWN: UNKNOWN}
NAMED = 5  # domains in the first line
LINE = 200  # characters of its text
OUTPUT = 4000  # bytes in all: less than what transports between plugin and monitoring take
Card = Mapping[str, Any]


class Plugin:
    """Collects scorecards and answers with them; the same use as `console.Report`.

    `only`: the checks that were asked for; then these decide, and not the domain's status.
    """

    def __init__(self, stdout: Any, only: Collection[str] | None) -> None:
        self.cards: list[Card] = []
        self._stdout, self._only, self._begun = stdout, only, time.monotonic()
        if hasattr(stdout._out, "reconfigure"):
            stdout._out.reconfigure(errors="backslashreplace")

    @contextmanager
    def progress(self, _total: int) -> Iterator[Callable[[str], None]]:
        """Nobody looks on."""
        yield lambda _name: None

    def add(self, card: Card) -> None:
        """Take one scorecard."""
        self.cards.append(card)

    def end(self) -> None:
        """All is said in `answer`."""

    def answer(self) -> NoReturn:
        """Print it, and exit with its status."""
        if not self.cards:
            unknown(self._stdout, _("no domain was audited"))
        judged = sorted(
            ((self._state(card), card) for card in self.cards),
            key=lambda found: (WORST_FIRST.index(found[0]), _share(found[1]), found[1]["domain"]),
        )
        worst = judged[0][0]
        text = self._one(judged[0][1]) if len(judged) == 1 else self._many(judged)
        first = f"{WORDS[worst]} - {cut(text)} | {self._numbers(judged)}"
        self._stdout.write(_bounded([first, *self._details(judged)]))
        self._stdout.flush()
        sys.exit(worst)

    def _checks(self, card: Card) -> list[Card]:
        return [*card["checks"], *(card["advisory"] if self._only else [])]

    def _state(self, card: Card) -> int:
        if not self._only:
            return OF_DOMAIN[card["status"]]
        found = {OF_CHECK[Status(check["status"])] for check in self._checks(card)}
        return next((state for state in WORST_FIRST if state in found), UNKNOWN)

    def _one(self, card: Card) -> str:
        words = {"warn": _("warning"), "fail": _("fails"), "unknown": _("unknown")}
        wrong = [f"{c['title']} {words[c['status']]}" for c in self._wrong(card)]
        score = "" if self._only else f" {card['score']}/{card['max_score']}"
        return f"{card['domain']}{score}" + (f": {', '.join(wrong)}" if wrong else "")

    def _many(self, judged: list[tuple[int, Card]]) -> str:
        numbers = [
            f"{n} {WORDS[s].lower()}"
            for s in WORST_FIRST
            if (n := sum(state == s for state, _card in judged))
        ]
        bad = [card for state, card in judged if state != OK]
        named = [
            f"{card['domain']} ({', '.join(c['title'] for c in self._wrong(card))})"
            for card in bad[:NAMED]
        ]
        more = [f"+{len(bad) - NAMED}"] if len(bad) > NAMED else []
        return ", ".join(numbers) + (": " if named else "") + ", ".join([*named, *more])

    def _wrong(self, card: Card) -> list[Card]:
        return [check for check in self._checks(card) if check["status"] != Status.OK]

    def _numbers(self, judged: list[tuple[int, Card]]) -> str:
        """'label'=value[UOM];[warn];[crit];[min];[max]"""
        total = len(judged)
        number = {s: sum(state == s for state, _card in judged) for s in WORST_FIRST}
        found = [
            f"critical={number[CRITICAL]};;0;0;{total}",
            f"warning={number[WARNING]};0;;0;{total}",
            f"unknown={number[UNKNOWN]};;;0;{total}",
            f"ok={number[OK]};;;0;{total}",
        ]
        if total == 1 and not self._only:
            card = judged[0][1]
            most = card["max_score"]
            found.insert(0, f"score={card['score']};{most}:;;0;{most}")
        return " ".join([*found, f"time={time.monotonic() - self._begun:.3f}s"])

    def _details(self, judged: list[tuple[int, Card]]) -> Iterator[str]:
        for state, card in judged:
            if state != OK:
                where = f" ({card['tenant']['name']})" if card["tenant"] else ""
                if len(judged) > 1:
                    yield plain(f"{card['domain']}{where}: {WORDS[state]}")
                for check in self._wrong(card):
                    yield plain(f"{check['title']}: {check['message']}")
            if (state != OK or len(judged) == 1) and (said := not_here(card["not_measured_here"])):
                yield plain(said)


def asked_for(arguments: Sequence[str]) -> bool:
    """Whether a command line wants to be answered so, also one that is wrong."""
    pairs = zip(arguments, [*arguments[1:], ""], strict=True)
    return "--format=nagios" in arguments or ("--format", "nagios") in pairs


def unknown(stdout: Any, why: str) -> NoReturn:
    """Say why nothing is known, and exit with 3: anything else would be an alarm about domains."""
    stdout.write(f"{WORDS[UNKNOWN]} - {cut(why)}")
    stdout.flush()
    sys.exit(UNKNOWN)


def plain(text: str) -> str:
    """Text that is one line, and ends no text: performance data begins at “|”."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).replace("|", "/").split())


def cut(text: str) -> str:
    """As `plain`, for the first line."""
    line = plain(text)
    return line if len(line) <= LINE else line[: LINE - 3] + "..."


def _bounded(lines: list[str]) -> str:
    """As many lines as may be, and how many are left out."""
    kept, size = lines[:1], len(lines[0].encode())
    for number, line in enumerate(lines[1:], 1):
        size += len(line.encode()) + 1
        if size > OUTPUT - 20:
            return "\n".join([*kept, f"+{len(lines) - number}"])
        kept.append(line)
    return "\n".join(kept)


def _share(card: Card) -> float:
    """The score as a part of the highest: 6/8 is worse than 5/6."""
    return float(card["score"] / card["max_score"])
