"""The server card on the command line: judged now, shown as a table, as JSON or for a monitoring
system."""

import json
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from audit.management.console import MARKS, STYLES, plain
from audit.models import Tenant, server_of
from audit.queue.server_cards import judge_now, rows_to_ask
from audit.reading import server_card
from audit.results.shapes import ServerState


def judged(tenant: Tenant) -> ServerState:
    """The card as it is this moment, in the API's shape; nothing is saved. Rows that were not asked
    (block lists, within the interval) are as they are stored."""
    server = server_of(tenant)
    results = judge_now(server, seconds=settings.AUDIT_DOMAIN_TIMEOUT_SEC, only=rows_to_ask(tenant))
    state = server_card.of_tenant(tenant)
    now = {row["check_id"]: row for row in server_card.of_results(results, server)}
    state["checks"] = [now.get(row["check_id"], row) for row in state["checks"]]
    state["status"] = server_card.worst(row["status"] for row in state["checks"])
    state["last_audit"] = max((r.checked_at for r in results.values()), default=None)
    state["stale"] = False
    return state


def as_json(state: ServerState) -> str:
    """One object, in the API's shape."""
    return json.dumps(state, default=plain, ensure_ascii=True, indent=2)


def as_card(state: ServerState) -> dict[str, Any]:
    """As a scorecard, for `nagios.Plugin`: the rows that are judged decide."""
    rows = [row for row in state["checks"] if not row["off"]]
    return {
        "domain": state["tenant"]["name"],
        "tenant": None,
        "score": sum(row["status"] == "ok" for row in rows),
        "max_score": len(rows),
        "not_measured_here": [],
        "checks": rows,
        "advisory": [],
    }


def show(out: Console, state: ServerState, *, utf8: bool) -> None:
    """A table of the rows, and below it what to do, once each; without `utf8` without marks."""
    words = {"ok": _("ok"), "warn": _("warning"), "fail": _("fails"), "unknown": _("unknown")}
    out.print(Text(state["tenant"]["name"], style="bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, header_style="dim")
    for title in (_("Row"), _("Status"), _("Message")):
        table.add_column(title, overflow="fold")
    for row in state["checks"]:
        status = row["status"]
        said = Text(_("not judged"), style="dim")
        if not row["off"]:
            mark = f"{MARKS[status]} " if utf8 else ""
            said = Text(f"{mark}{words[status]}", style=STYLES[status])
        table.add_row(Text(row["title"]), said, Text(row["message"]))
    out.print(Padding(table, (0, 0, 0, 2)))
    fixes = {
        (row["title"], finding["fix"]["text"]): None
        for row in state["checks"]
        for finding in row["findings"]
        if finding["fix"] and not row["off"]
    }
    if fixes:
        out.print()
        out.print(Text("  " + _("What to do"), style="bold"))
    for title, text in fixes:
        out.print(Padding(Text.assemble((f"{title}: ", "bold"), text), (0, 0, 0, 2)))
