"""How the command line shows scorecards: tables for a person, or one JSON array for a program."""

import getpass
import json
from contextlib import contextmanager
from datetime import UTC, datetime

from django.utils.translation import gettext as _
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from audit.reading.scorecard import not_here
from audit.results.translate import status_word

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "cyan"}
MARKS = {"ok": "✓", "warn": "!", "fail": "✗", "unknown": "?"}
NARROW = 70  # columns: below that, no table
DOMAIN_STYLES = {"critical": "bold red", "warning": "yellow", "healthy": "green", "unknown": "cyan"}


class _Console(Console):
    """Rich's console, but a reader that went away (`| head -1`) is the command's affair."""

    def on_broken_pipe(self):
        raise BrokenPipeError


class Report:
    """Collects scorecards and prints them to `stdout` (Django's OutputWrapper).

    Progress goes to `stderr`, on a terminal only.
    """

    def __init__(self, *, stdout, stderr, as_json=False, color=True):
        self.cards, self.as_json = [], as_json
        self.stdout = stdout
        if hasattr(
            stdout._out, "reconfigure"
        ):  # what the terminal's encoding can't show becomes an escape, not an error
            stdout._out.reconfigure(errors="backslashreplace")
        self.utf8 = "utf" in (getattr(stdout._out, "encoding", None) or "utf").lower()
        self.out = _Console(file=stdout._out, no_color=not color or None, highlight=False)
        self.err = Console(file=stderr._out, highlight=False)

    @contextmanager
    def progress(self, total):
        """A progress bar while more than one domain is audited; yields `advance(name)`."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        with Progress(
            *columns, console=self.err, transient=True, disable=not self.err.is_terminal
        ) as bar:
            task = bar.add_task(_("auditing"), total=total)
            yield lambda name: bar.update(task, advance=1, description=name)

    def add(self, card):
        """Take one scorecard."""
        self.cards.append(card)

    def end(self):
        """Print everything, in the order of the domains' names."""
        self.cards.sort(key=lambda c: (c["domain"], (c["tenant"] or {}).get("name", "")))
        if self.as_json:
            self.stdout.write(
                json.dumps(self.cards, default=plain, ensure_ascii=not self.utf8, indent=2)
            )
            return
        for card in self.cards:
            self._card(card)
        if len(self.cards) > 1:
            counts = {s: sum(c["status"] == s for c in self.cards) for s in DOMAIN_STYLES}
            self.out.print(
                ", ".join(f"{n} {status_word(s, n)}" for s, n in counts.items() if n), style="bold"
            )

    def _card(self, card):
        words = {
            "critical": _("critical"),
            "warning": _("warning"),
            "healthy": _("healthy"),
            "unknown": _("unknown"),
        }
        head = Text(card["unicode"], style="bold")
        if card["unicode"] != card["domain"]:
            head.append(f" ({card['domain']})", style="dim")
        tenant = card["tenant"]["name"] if card["tenant"] else _("no tenant")
        head.append(f"  {tenant}", style="dim")
        head.append(f"  {card['score']}/{card['max_score']}  ")
        head.append(words[card["status"]], style=DOMAIN_STYLES[card["status"]])
        self.out.print(head)
        checks = card["checks"] + card["advisory"]
        if self.out.width < NARROW:
            self._list(checks)
        else:
            self._table(checks)
        if said := not_here(card["not_measured_here"]):
            self.out.print(Padding(Text(said, style="dim"), (0, 0, 0, 2)))
        self._fixes(card)
        self.out.print()

    def _table(self, checks):
        table = Table(
            box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim", pad_edge=False
        )
        for title, options in (
            (_("Check"), {"no_wrap": True}),
            (_("Status"), {"no_wrap": True}),
            (_("Message"), {"overflow": "fold"}),
        ):
            table.add_column(title, **options)
        for check, indent in self._under_their_cause(checks):
            table.add_row(
                Text(indent + check["title"]),
                self._status(check["status"]),
                self._messages(check, checks),
            )
        self.out.print(Padding(table, (0, 0, 0, 2)))

    def _list(self, checks):
        """Where three columns have no room: the message below its check."""
        for check, indent in self._under_their_cause(checks):
            self.out.print(
                Text.assemble(indent, self._status(check["status"]), "  ", (check["title"], "bold"))
            )
            self.out.print(Padding(self._messages(check, checks), (0, 0, 0, 4)), overflow="fold")

    def _under_their_cause(self, checks):
        """(check, indent) in their order; where all follows from another check, below that one."""
        causes = {check["check_id"]: _only_cause(check) for check in checks}
        roots = {check_id for check_id, cause in causes.items() if cause not in causes}
        for check in checks:
            if causes[check["check_id"]] in roots:
                continue
            yield check, ""
            for effect in checks:
                if check["check_id"] in roots and causes[effect["check_id"]] == check["check_id"]:
                    yield effect, "↳ " if self.utf8 else "  "

    def _status(self, status):
        words = {"ok": _("ok"), "warn": _("warning"), "fail": _("fails"), "unknown": _("unknown")}
        return Text(
            f"{MARKS[status]} {words[status]}" if self.utf8 else words[status], style=STYLES[status]
        )

    @staticmethod
    def _messages(check, checks):
        """The message, and below it the other findings; behind each what it follows from."""
        titles = {c["check_id"]: c["title"] for c in checks}
        text = Text(check["message"])
        for finding in sorted(check["findings"], key=lambda f: f["message"] != check["message"]):
            if finding["message"] != check["message"]:
                text.append("\n")
                text.append("+ ", style="dim")
                text.append(
                    finding["message"], style="dim" if finding["severity"] == "info" else ""
                )
            if cause := finding.get("because"):
                title = titles.get(cause["check_id"], _("the tenant's settings"))
                text.append(" " + _("(follows from: %(cause)s)") % {"cause": title}, style="dim")
        return text

    def _fixes(self, card):
        """What to do, by who does it, causes before effects.

        Each fix once, with its records, one value a line and never wrapped, ready to be copied.
        """
        owners = {
            "customer": _("customer"),
            "host": _("mail host"),
            "measurement": _("measurement"),
        }
        todo: dict[str, list] = {owner: [] for owner in owners}
        findings = [
            (check["title"], f)
            for check in card["checks"] + card["advisory"]
            for f in check["findings"]
        ]
        for title, finding in sorted(findings, key=lambda found: bool(found[1].get("because"))):
            if (fix := finding["fix"]) and all(
                fix != known for fixes in todo.values() for _title, known in fixes
            ):
                todo[finding["owner"]].append((title, fix))
        for owner, fixes in todo.items():
            if fixes:
                self.out.print()
                head = _("What to do (%(owner)s)") % {"owner": owners[owner]}
                self.out.print(Text(f"  {head}", style="bold"))
            for title, fix in fixes:
                self._fix(title, fix)

    def _fix(self, title, fix):
        actions = {"add": _("add"), "replace": _("replace"), "remove": _("remove")}
        self.out.print(Padding(Text.assemble((f"{title}: ", "bold"), fix["text"]), (0, 0, 0, 2)))
        for record in fix["records"]:
            self._line(f"    {actions[record['action']]} {record['type']} {record['name']}", "bold")
            if record["current"] is not None and record["action"] != "remove":
                self._line(f"      - {record['current']}", "red")
            sign, style = ("-", "red") if record["action"] == "remove" else ("+", "green")
            self._line(f"      {sign} {record['value']}", style)

    def _line(self, text, style):
        self.out.print(Text(text, style=style), soft_wrap=True)


def _only_cause(check):
    """The id of the check that everything follows from which this one has found; else None."""
    counted = [f.get("because") for f in check["findings"] if f["severity"] != "info"]
    causes = {cause["check_id"] if cause else None for cause in counted}
    return causes.pop() if len(causes) == 1 else None


def system_user():
    """Who uses the command line, by the system's name; '' where it has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def plain(item):
    """For json.dumps: times as ISO 8601 UTC, `2026-11-24T02:31:05.123Z`."""
    if isinstance(item, datetime):
        return item.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(item).__name__} is not JSON")
