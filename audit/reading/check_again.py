"""What a report says after *Check again*: how each name server of the zone stands to each record.

A name server that could not be asked is never taken for one that is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.models import AuditDomain, ServersAsked
from audit.reading.report_shapes import Record
from collectors.authoritative import Answers, Seen, Server, State, Trouble, Verdict, published

SHOWN = timedelta(minutes=15)  # for how long a look is of use
FOLLOWED = timedelta(minutes=3)  # for how long a page waits for the audit that was asked for
VALUE = 300  # characters of a value that are shown


@dataclass(frozen=True)
class ServerLine:
    """One name server and a record: `server` as people call it, `name` the whole; `is_right`: what
    is to stand there does; `is_heard`: it answered."""

    server: str
    name: str
    words: str
    values: tuple[str, ...]
    is_right: bool
    is_heard: bool


@dataclass(frozen=True)
class RecordSeen:
    """A record on all name servers. `state`: "all" (of them have it), "some", "none" or "unknown"
    (none of them could be asked). `until`: how long the old may be seen elsewhere, seconds."""

    state: str
    lines: tuple[ServerLine, ...]
    until: int


@dataclass(frozen=True)
class CheckedAgain:
    """The newest look. `is_open`: the audit that was asked for with it is not in yet, and the page
    may wait for it; `is_late`: it waits no more. `records`: by the key of a record of the report.
    `servers`: where there is none, whether each name server answers."""

    asked_at: datetime
    is_open: bool
    is_late: bool
    trouble: str
    servers: tuple[str, ...]
    of_all: str
    records: dict[str, RecordSeen]

    @property
    def right(self) -> int:
        """How many records stand on all name servers."""
        return sum(seen.state == "all" for seen in self.records.values())

    @property
    def headline(self) -> str:
        """What came of it, in a sentence."""
        if self.trouble:
            return self.trouble
        if not self.records:
            return _("Your name servers:") if self.servers else ""
        number = len(self.records)
        return ngettext(
            "%(right)s of %(n)s record is right on all your name servers.",
            "%(right)s of %(n)s records are right on all your name servers.",
            number,
        ) % {"right": self.right, "n": number}


def checked_again(row: AuditDomain, records: Sequence[Record]) -> CheckedAgain | None:
    """What was seen of these records when the report was last checked again, in the language that
    is active; None where that is too long ago to be of use."""
    now = timezone.now()
    asked = ServersAsked.objects.select_related("run").filter(domain=row).first()
    if asked is None or not now - SHOWN < asked.asked_at <= now + timedelta(minutes=1):
        return None
    answers = _answers(asked)
    names = _short_names(answers.servers)
    found = {r.key: seen for r in records if (seen := _of_record(r, answers, names))}
    waits = asked.run is not None and asked.run.finished_at is None
    return CheckedAgain(
        asked_at=asked.asked_at,
        is_open=waits and now - asked.asked_at < FOLLOWED,
        is_late=waits and now - asked.asked_at >= FOLLOWED,
        trouble=_trouble(answers),
        servers=() if found else tuple(_lines(answers, names)),
        of_all=_of_all(answers),
        records=found,
    )


def _answers(asked: ServersAsked) -> Answers:
    """What they said; nothing while they are asked, or where another version kept it."""
    try:
        return Answers.from_json(asked.answers) if asked.answers else Answers()
    except (KeyError, TypeError, ValueError):
        return Answers()


def _lines(answers: Answers, names: dict[str, str]) -> Iterator[str]:
    """Each name server, and whether it answers at all."""
    heard = {s.server: s.state for s in answers.said}
    for server in answers.servers:
        state = heard.get(server.name, server.state)
        yield f"{names[server.name]} {_state(state)}"


def _of_record(record: Record, answers: Answers, names: dict[str, str]) -> RecordSeen | None:
    seen = published(record, answers)
    if not seen:
        return None
    right = [s.verdict.is_right for s in seen]
    heard = [s for s in seen if s.state == State.ANSWERED]
    state = "all" if all(right) else "some" if any(right) else "none" if heard else "unknown"
    lines = tuple(
        ServerLine(
            server=names[s.server.name],
            name=s.server.name,
            words=_words(record, s),
            values=tuple(v if len(v) <= VALUE else f"{v[:VALUE]}…" for v in s.values[:3]),
            is_right=s.verdict.is_right,
            is_heard=s.state == State.ANSWERED,
        )
        for s in seen
    )
    return RecordSeen(state, lines, max((s.ttl for s in heard), default=0))


def _words(record: Record, seen: Seen) -> str:
    """How a name server stands to a record; its name stands before it."""
    removes = record.action == "remove"
    match seen.verdict:
        case Verdict.HAS:
            return _("no longer has it") if removes else _("has it")
        case Verdict.OLD:
            return _("still has it") if removes else _("not yet, it has an old value:")
        case Verdict.NONE:
            return _("not yet, it has no such record")
        case Verdict.BOTH:
            return _("has it, and what is to be taken out as well:")
        case Verdict.SAME:
            return _("has what the alias leads to; that counts as well")
        case Verdict.NOWHERE:
            return _("has it; what it points to is with us, and not there yet")
    return _state(seen.state)


def _state(state: State) -> str:
    """What kept us from an answer; the server's name stands before it."""
    return {
        State.SILENT: _("does not answer"),
        State.REFUSED: _("refuses to answer for the domain"),
        State.FAILED: _("answers with an error"),
        State.LAME: _("knows nothing of the domain"),
        State.ELSEWHERE: _("refers to other servers for this name"),
        State.LOOP: _("leads in a circle for this name"),
        State.UNREADABLE: _("answers what cannot be read"),
        State.UNREACHABLE: _("cannot be reached from here"),
        State.NOT_PUBLIC: _("was not asked: its address is not public"),
        State.NO_ADDRESS: _("has no address"),
        State.NOT_FOUND: _("has no address that could be found out"),
        State.NOT_ASKED: _("was not asked this time"),
        State.ANSWERED: _("answers"),
    }[state]


def _trouble(answers: Answers) -> str:
    match answers.trouble:
        case Trouble.NO_SERVERS:
            return _(
                "No name servers were found for the domain. Is it registered, and not expired?"
            )
        case Trouble.NOT_FOUND:
            return _(
                "The name servers of the domain could not be found out. Try again in a minute."
            )
        case Trouble.RESOLVER:
            return _("We could not ask: our own DNS does not answer. This is not your fault.")
    return ""


def _of_all(answers: Answers) -> str:
    number = len(answers.servers)
    if answers.of_all <= number:
        return ""
    return _("The domain has %(all)s name servers; %(n)s of them were asked.") % {
        "all": answers.of_all,
        "n": number,
    }


def _short_names(servers: Sequence[Server]) -> dict[str, str]:
    """Each server's first label where that tells them apart, else the whole names."""
    apart = len({s.short for s in servers}) == len(servers)
    return {s.name: s.short if apart else s.name for s in servers}
