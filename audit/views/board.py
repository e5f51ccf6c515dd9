"""What the overview shows, as data for its templates."""

from django.urls import reverse
from django.utils.translation import gettext as _

from audit import trend
from audit.models import AuditDomain, Tenant, WorkerHeartbeat
from audit.overview import checks_by_title, overview, select
from audit.paging import CursorError
from audit.scoring import DomainStatus
from audit.sentences import say, status_word
from collectors.base import Status
from collectors.catalogue import CHECKS
from collectors.names import is_mixed_script

from .query import filters_of, limit_of, query_of

BAR = [DomainStatus.CRITICAL, DomainStatus.WARNING, DomainStatus.UNKNOWN, DomainStatus.HEALTHY]


def board(request):
    """The context of the overview for this request's query string; at most six queries, whatever the number of domains."""
    filters, limit, cursor = filters_of(request.GET), limit_of(request.GET), request.GET.get("cursor", "")
    domains = AuditDomain.objects.active()
    try:
        data = overview(domains, filters, limit=limit, cursor=cursor)
    except CursorError:
        cursor = ""
        data = overview(domains, filters, limit=limit)
    query, here = query_of(filters, limit), query_of(filters, limit, cursor=cursor)
    counts = _counts(data, filters.tenant)
    lines = trend.scores({card["id"]: card["known"] for card in data["cards"]})
    context = {
        "filters": filters,
        "limit": limit,
        "query": query,
        "here": here,
        "fragment_url": reverse("board") + here,
        "list_url": reverse("overview") + here,
        "narrowed": bool(filters.query(status="", sort="worst")),
        "data": data,
        "worker": data["worker"],
        "strip": _strip(counts, filters, limit),
        "bar": _bar(counts),
        "total": counts["domains"],
        "everything": reverse("overview") + query_of(filters, limit, status=""),
        "cards": [_card(card, query, lines.get(card["id"])) for card in data["cards"]],
        "matches": _matches(domains, counts, filters),
        "first_url": reverse("overview") + query if cursor else "",
        "next_url": reverse("overview") + query_of(filters, limit, cursor=data["next_cursor"]) if data["next_cursor"] else "",
        "choices": _choices(data, filters),
        **headline(data["summary"]),
    }
    if not data["summary"]["domains"]:
        context["steps"] = _steps()
    return context


def headline(summary):
    """`worst`, `attention` (how many domains are in that state) and `headline`, the counts as a sentence, for the tab and for ears."""
    worst = next((s for s in (DomainStatus.CRITICAL, DomainStatus.WARNING, DomainStatus.UNKNOWN) if summary[s]), DomainStatus.HEALTHY)
    parts = [f"{summary[s]} {status_word(s, summary[s])}" for s in [*BAR, "stale"] if summary[s]]
    attention = summary[worst] if worst in (DomainStatus.CRITICAL, DomainStatus.WARNING) else 0
    return {"worst": str(worst), "attention": attention, "headline": ", ".join(parts)}


def _counts(data, tenant):
    if tenant is None:
        return data["summary"]
    return next((t for t in data["tenants"] if t["id"] == tenant), dict.fromkeys(data["summary"], 0))


def _strip(counts, filters, limit):
    items = []
    for status in [*map(str, BAR), "stale"]:
        active = filters.status == status
        if counts[status] or active or status in ("critical", "warning", "healthy"):
            url = reverse("overview") + query_of(filters, limit, status="" if active else status)
            items.append({"status": status, "n": counts[status], "word": status_word(status, counts[status]), "active": active, "url": url})
    return items


def _bar(counts):
    """The proportion of each status as SVG lengths."""
    total, at, parts = counts["domains"], 0, []
    for status in BAR:
        if counts[status]:
            parts.append({"status": str(status), "x": f"{100 * at / total:.3f}%", "width": f"{100 * counts[status] / total:.3f}%"})
            at += counts[status]
    return parts


def _matches(domains, counts, filters):
    """How many domains match the filters: from the counts that are there already, where they can tell."""
    if filters.q or filters.check or filters.owner or filters.source:
        return select(domains, filters).count()
    return counts[filters.status or "domains"]


def short_title(check_id):
    """A check's name for a chip: the abbreviation that its title gives in brackets, else the title."""
    title = say(CHECKS[check_id].title)
    return title.rpartition("(")[2].removesuffix(")") if title.endswith(")") else title


def _card(card, query, line):
    unknown = sum(s == Status.UNKNOWN for s in card["checks"].values())
    return card | {
        "url": domain_url("scorecard", card) + query,
        "panel_url": domain_url("panel", card) + query,
        "mixed": is_mixed_script(card["domain"]),
        "line": line and _line(line, card["max_score"]),
        "segments": [{"title": say(CHECKS[c].title), "status": s} for c, s in card["checks"].items()],
        "chips": [{"title": short_title(c), "status": card["checks"][c]} for c in card["failing"]] if card["last_audit"] else [],
        "unknown": unknown if card["last_audit"] and unknown < len(card["checks"]) else 0,
    }


def _line(points, most):
    """The sparkline of a score in a box of 100 × 20: its points as SVG takes them, and what it says in numbers."""
    steps, last = [], None
    for x, score in points:
        y = round(18 - 16 * score / most, 1)
        steps += [f"{100 * x:.1f},{y}"] if last is None else [f"{100 * x:.1f},{last}", f"{100 * x:.1f},{y}"]
        last = y
    return {"points": " ".join(steps), "first": points[0][1], "lowest": min(score for _x, score in points), "days": trend.SCORE_DAYS}


def domain_url(name, card):
    """The address of a page of a domain; `card`: anything with `tenant_id` and `domain`."""
    return reverse(name, args=[card["tenant_id"], card["domain"]])


def _choices(data, filters):
    """(name, label, [(value, text, chosen)]) of the selects."""
    tenants = [(t["id"], t["name"]) for t in data["tenants"]]
    if filters.tenant is not None and filters.tenant not in dict(tenants):
        tenants.append((filters.tenant, _("tenant {id} (not here)").format(id=filters.tenant)))
    selects = [
        ("tenant", _("Tenant"), [("", _("All tenants")), *tenants]),
        (
            "check",
            _("Check"),
            [("", _("Any check")), *((c, _("{check} not ok").format(check=say(title))) for c, title in checks_by_title())],
        ),
        (
            "owner",
            _("Who must act"),
            [("", _("Anybody's turn")), ("customer", _("Waiting for the customer")), ("host", _("Waiting for us"))],
        ),
        (
            "source",
            _("Registered by"),
            [("", _("Any origin")), *((v, _("By {source}").format(source=w)) for v, w in AuditDomain.Source.choices)],
        ),
        ("sort", _("Order"), [("worst", _("Worst first")), ("domain", _("By name")), ("last_audit", _("Longest not audited"))]),
    ]
    chosen = {name: getattr(filters, name) or "" for name, _label, _options in selects}
    return [(name, label, [(value, text, value == chosen[name]) for value, text in options]) for name, label, options in selects]


def _steps():
    """What an installation without domains has already."""
    return {"tenants": Tenant.objects.exists(), "worker": WorkerHeartbeat.objects.exists(), "disabled": AuditDomain.objects.exists()}
