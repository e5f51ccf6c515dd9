"""The command line's way of showing scorecards: progress and tables for a person, or one JSON array for a program."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime

from django.utils.translation import gettext as _
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from .sentences import status_word

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red", "unknown": "cyan"}
MARKS = {"ok": "✓", "warn": "!", "fail": "✗", "unknown": "?"}
DOMAIN_STYLES = {"critical": "bold red", "warning": "yellow", "healthy": "green", "unknown": "cyan"}


class Report:
    """Collects scorecards and prints them to `stdout` (Django's OutputWrapper); progress goes to `stderr`, on a terminal only."""

    def __init__(self, *, stdout, stderr, as_json=False, color=True):
        self.cards, self.as_json = [], as_json
        self.stdout = stdout
        self.out = Console(file=stdout._out, no_color=not color or None, highlight=False)
        self.err = Console(file=stderr._out, highlight=False)

    @contextmanager
    def progress(self, total):
        """A progress bar while more than one domain is audited; yields `advance(name)`."""
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        with Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal) as bar:
            task = bar.add_task(_("auditing"), total=total)
            yield lambda name: bar.update(task, advance=1, description=name)

    def add(self, card):
        """Take one scorecard."""
        self.cards.append(card)

    def end(self):
        """Print everything, in the order of the domains' names."""
        if self.as_json:
            self.stdout.write(json.dumps(self.cards, default=plain, ensure_ascii=False, indent=2))
            return
        for card in sorted(self.cards, key=lambda c: (c["domain"], (c["tenant"] or {}).get("name", ""))):
            self._card(card)
        if len(self.cards) > 1:
            counts = {s: sum(c["status"] == s for c in self.cards) for s in DOMAIN_STYLES}
            self.out.print(", ".join(f"{n} {status_word(s, n)}" for s, n in counts.items() if n), style="bold")

    def _card(self, card):
        words = {"critical": _("critical"), "warning": _("warning"), "healthy": _("healthy"), "unknown": _("unknown")}
        head = Text(card["unicode"], style="bold")
        if card["unicode"] != card["domain"]:
            head.append(f" ({card['domain']})", style="dim")
        head.append(f"  {(card['tenant'] or {}).get('name') or _('no tenant')}", style="dim")
        head.append(f"  {card['score']}/{card['max_score']}  ")
        head.append(words[card["status"]], style=DOMAIN_STYLES[card["status"]])
        self.out.print(head)
        table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim", pad_edge=False)
        for title, options in ((_("Check"), {"no_wrap": True}), (_("Status"), {"no_wrap": True}), (_("Message"), {"overflow": "fold"})):
            table.add_column(title, **options)
        for check in card["checks"] + card["advisory"]:
            table.add_row(Text(check["title"]), self._status(check["status"]), self._messages(check))
        self.out.print(Padding(table, (0, 0, 0, 2)))
        self._fixes(card)
        self.out.print()

    @staticmethod
    def _status(status):
        words = {"ok": _("ok"), "warn": _("warning"), "fail": _("fails"), "unknown": _("unknown")}
        return Text(f"{MARKS[status]} {words[status]}", style=STYLES[status])

    @staticmethod
    def _messages(check):
        """The message, and below it the other findings."""
        text = Text(check["message"])
        for finding in check["findings"]:
            if finding["message"] != check["message"]:
                text.append("\n")
                text.append("+ ", style="dim")
                text.append(finding["message"], style="dim" if finding["severity"] == "info" else "")
        return text

    def _fixes(self, card):
        """What to do: each fix with its records, one value a line and never wrapped, ready to be copied."""
        owners = {"customer": _("customer"), "host": _("mail host"), "measurement": _("measurement")}
        actions = {"add": _("add"), "replace": _("replace"), "remove": _("remove")}
        seen = []
        for check in card["checks"] + card["advisory"]:
            for finding in check["findings"]:
                fix = finding["fix"]
                if not fix or fix in seen:
                    continue
                seen.append(fix)
                if len(seen) == 1:
                    self.out.print(Text("  " + _("What to do"), style="bold"))
                who = Text.assemble((f"{check['title']} ", "bold"), (f"({owners[finding['owner']]}) ", "dim"), fix["text"])
                self.out.print(Padding(who, (0, 0, 0, 2)))
                for record in fix["records"]:
                    self._line(f"    {actions[record['action']]} {record['type']} {record['name']}", "bold")
                    if record["current"] is not None and record["action"] != "remove":
                        self._line(f"      - {record['current']}", "red")
                    sign, style = ("-", "red") if record["action"] == "remove" else ("+", "green")
                    self._line(f"      {sign} {record['value']}", style)

    def _line(self, text, style):
        self.out.print(Text(text, style=style), soft_wrap=True)


def plain(item):
    """For json.dumps: times as ISO 8601 UTC, `2026-11-24T02:31:05.123Z`."""
    if isinstance(item, datetime):
        return item.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    raise TypeError(f"{type(item).__name__} is not JSON")
