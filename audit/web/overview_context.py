"""What the overview shows, as data for its templates."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from audit.models import AuditDomain, Incident, ReportLink, Tenant, WorkerHeartbeat
from audit.models.domains import AuditDomainQuerySet, DomainStatus
from audit.reading import trend
from audit.reading.filters import FILTERS, NEW, ONBOARDING, Filters, select
from audit.reading.incidents import ShownIncident, open_shared
from audit.reading.overview import overview
from audit.reading.paging import CursorError
from audit.reading.reason import sentence, short_name
from audit.reading.scorecard import not_here
from audit.reading.search import understand
from audit.reading.trend import Point
from audit.results.shapes import Card, Overview
from audit.results.translate import status_word, translate
from audit.web.query import (
    CARDS,
    FOLDS,
    MAX_ID,
    PAGE,
    TABLE,
    filters_of,
    limit_of,
    narrows,
    number,
    query_of,
    view_of,
)
from audit.web.query import NEW as NEW_FOLD
from audit.web.standing import BAR, item, set_apart, standing_of
from collectors.base import Status
from collectors.names import is_mixed_script
from collectors.registry import CHECKS, core_checks

SOON_DAYS = 10  # of a certificate: its automatic renewal has failed for long
COUNTED = 1_000  # domains that match a check or a text


@dataclass(frozen=True)
class Place:
    """What of the list is shown, and how."""

    filters: Filters
    limit: int
    view: str

    def query(self, *, cursor: str | None = "", page: int = 1, **changes: int | str | None) -> str:
        """The query string of this list, or of one with other filters."""
        filters = self.filters.but(**changes) if changes else self.filters
        return query_of(filters, self.limit, view=self.view, cursor=cursor, page=page)

    def url(self, *, cursor: str | None = "", page: int = 1, **changes: int | str | None) -> str:
        """The address of the overview with this list, or with other filters."""
        return reverse("overview") + self.query(cursor=cursor, page=page, **changes)


def overview_context(request: HttpRequest) -> dict[str, Any]:
    """The context of the overview for this request's query string; few queries, whatever the
    number of domains.
    """
    view = view_of(request)
    place = Place(filters_of(request.GET, view), limit_of(request.GET), view)
    filters, limit, cursor = place.filters, place.limit, request.GET.get("cursor", "")
    page = number(request.GET.get("page"), highest=MAX_ID) or 0  # 0: not known
    domains = AuditDomain.objects.active()
    try:
        data = overview(domains, filters, limit=limit, cursor=cursor)
    except CursorError:
        cursor = ""
        data = overview(domains, filters, limit=limit)
    query, here = place.query(), place.query(cursor=cursor, page=page)
    if not data["previous_cursor"]:
        page = 1
    set_apart(data["tenants"])
    for status in BAR:
        data["summary"][status] = sum(t[status] for t in data["tenants"])  # type: ignore[literal-required] # a status
    counts = _counts(data, filters.get("tenant"))
    matches, exact = _matches(domains, counts, filters, data, first=not data["previous_cursor"])
    links = ReportLink.objects.newest_of(c["id"] for c in data["cards"] if c["has_link"])
    lines = trend.scores({card["id"]: card["known"] for card in data["cards"]})
    fold, groups = filters.get("fold", "none"), counts["groups"]
    context = {
        "filters": filters,
        "limit": limit,
        "view": view,
        "views": _views(place),
        "query": query,
        "saved_query": query if view == TABLE else _with_view(query, view),
        "here": here,
        # it stays in its view, also when another page has chosen another one since
        "board_url": reverse("board") + _with_view("", view),
        "fragment_url": reverse("board") + (here if view == TABLE else _with_view(here, view)),
        "list_url": reverse("overview") + here,
        "searched": understand(str(filters["q"])).words if "q" in filters else "",
        "narrows": bool(filters.but(fold="", sort="")),
        "kept": _kept(place),
        "data": data,
        "worker": data["worker"],
        "strip": _strip(counts, place),
        "groups": _groups(counts, place),
        "bar": _bar(counts),
        "total": counts["domains"],
        "everything": place.url(status=""),
        "cards": [
            _card(card, query, lines.get(card["id"])) | {"link": links.get(card["id"])}
            for card in data["cards"]
        ],
        "columns": _columns(place) if view == TABLE else [],
        "check_names": [
            {"title": translate(CHECKS[c].title), "short": cell_name(c)} for c in core_checks()
        ],
        "group_empty": _nothing_in(filters),
        **_incidents(place),
        "folded": counts["healthy"] if fold == "healthy" else 0,
        "under": groups["covered"] if fold in ("covered", "healthy") else 0,
        "unfold_url": place.url(fold="none"),
        "fold_url": place.url(fold=FOLDS[TABLE]) if view == TABLE and fold == "none" else "",
        "matches": matches,
        "exact": exact,
        "pages": _pages(data, place, page, matches if exact else 0),
        "selects": _selects(data, filters),
        **headline(data["summary"]),
    }
    if not data["summary"]["domains"]:
        context["steps"] = _steps()
    return context


def _kept(place: Place) -> list[tuple[str, Any]]:
    """What the form of the filters has no field for: [(name, value)]."""
    filters = place.filters
    fields = {name: filters.get(name, "") for name in ("group", "incident", "status")}
    fields["view"] = place.view
    if place.limit != PAGE:
        fields["limit"] = place.limit
    return [(name, value) for name, value in fields.items() if value]


def _views(place: Place) -> list[dict[str, Any]]:
    """The ways to show the list."""
    words = {CARDS: _("Cards"), TABLE: _("Table")}
    found = []
    for view, word in words.items():
        query = query_of(place.filters.but(fold=""), place.limit, view=view)
        found.append(
            {
                "name": view,
                "word": word,
                "active": view == place.view,
                "url": reverse("overview") + (query if view == TABLE else _with_view(query, view)),
            }
        )
    return found


def _with_view(query: str, view: str) -> str:
    return f"{query}&view={view}" if query else f"?view={view}"


def _incidents(place: Place) -> dict[str, Any]:
    """The open incidents that several domains share, and how many more there are."""
    tenant = place.filters.get("tenant")
    found, total = open_shared(int(tenant) if tenant else None)
    shown = [
        {
            **incident,
            "domains_url": reverse("overview")
            + query_of(Filters(incident=incident["id"]), place.limit, view=place.view),
            "tenant_url": _card_url(incident),
        }
        for incident in found
    ]
    return {"incidents": shown, "open_incidents": total, "more_incidents": total - len(shown)}


def _card_url(incident: ShownIncident) -> str:
    """The page of a tenant, where its server card is; '' where no card can say more."""
    tenant = incident["tenant_id"]
    if incident["kind"] == Incident.Kind.NAME_SERVER:
        return ""
    try:
        return reverse("tenant", args=[tenant]) if tenant else ""
    except NoReverseMatch:
        return ""


def _nothing_in(filters: Filters) -> str:
    """What it means that a group is empty; '' where it may be the other filters."""
    if filters.but(tenant=None, sort="").keys() != {"group"}:
        return ""
    return {
        "new": _("Nothing new in 24 hours"),
        "ours": _("Nothing for us to do"),
        "customer": _("Nothing for customers to do"),
        "unmeasured": _("Everything could be measured"),
        "onboarding": _("No domain is in onboarding"),
        "known": _("Nothing is marked as known"),
    }[str(filters["group"])]


def cell_name(check_id: str) -> str:
    """A check's name over its column of the table: at most five letters."""
    return {
        "carbonio": pgettext("column", "Carb"),
        "nginx_vhost": pgettext("column", "Vhost"),
        "cert_le": pgettext("column", "Cert"),
        "webmail_http": pgettext("column", "Web"),
    }.get(check_id) or short_name(check_id)


def _groups(counts: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
    """The groups as tabs, all of them last; each with its number, unless a search or a filter that
    stays narrows what it leads to."""
    entry = FILTERS["group"]
    numbers = {**{name: counts["groups"][name] for name in entry.values}, "": counts["domains"]}
    chosen = place.filters.get("group", "")
    whole = not narrows(place.filters.but(status="", group="", incident=None))
    return [
        {
            "name": name or "all",
            "word": entry.word(name) if name else _("All"),
            "n": n if whole else None,
            "active": name == chosen,
            "url": place.url(status="", fold="", incident=None, group=name),
        }
        for name, n in numbers.items()
    ]


def _columns(place: Place) -> list[dict[str, Any]]:
    """The columns that the table may be sorted by: {name: (url, whether it is)}."""
    sort = place.filters.get("sort", "worst")
    names = {
        "domain": _("Domain"),
        "worst": _("Score"),
        "since": _("Since"),
        "certificate": _("Certificate"),
        "last_audit": _("Audited"),
    }
    return [
        {
            "name": name,
            "word": word,
            "active": name == sort,
            "direction": "descending" if name == "since" else "ascending",
            "url": place.url(sort=name),
        }
        for name, word in names.items()
    ]


def _pages(data: Overview, place: Place, page: int, matches: int) -> dict[str, Any]:
    """The way to the pages before and after, where this one stands and of how many (0: too many to
    be counted); empty where there is one alone.
    """
    before, after = data["previous_cursor"], data["next_cursor"]
    if not (before or after):
        return {}
    return {
        "first_url": place.url() if before else "",
        "previous_url": place.url(cursor=before, page=page - 1) if before else "",
        "next_url": place.url(cursor=after, page=page + 1) if after else "",
        "page": page,
        "of": (max(page + 1, -(-matches // place.limit)) if after else page) if matches else 0,
        "total": matches,
    }


def headline(summary: Mapping[str, Any]) -> dict[str, Any]:
    """`worst`, `attention` (how many domains are in that state) and `headline`, the counts as a
    sentence, for the tab and for ears.
    """
    worst = next(
        (
            s
            for s in (DomainStatus.CRITICAL, DomainStatus.WARNING, DomainStatus.UNKNOWN)
            if summary[s]
        ),
        DomainStatus.HEALTHY,
    )
    parts = [
        f"{localize(summary[s])} {status_word(s, summary[s])}"
        for s in [*BAR, "stale"]
        if summary[s]
    ]
    attention = summary[worst] if worst in (DomainStatus.CRITICAL, DomainStatus.WARNING) else 0
    return {"worst": str(worst), "attention": attention, "headline": ", ".join(parts)}


def _counts(data: Overview, tenant: int | str | None) -> Mapping[str, Any]:
    everything: dict[str, Any] = {**data["summary"], "groups": data["groups"]}
    if tenant is None:
        return everything
    nothing = {**dict.fromkeys(everything, 0), "groups": dict.fromkeys(data["groups"], 0)}
    return next((t for t in data["tenants"] if t["id"] == tenant), nothing)  # type: ignore[arg-type]


def _strip(counts: Mapping[str, Any], place: Place) -> list[dict[str, Any]]:
    """The numbers of all domains, or of the chosen tenant's: each leads to as many, whatever else
    narrows this list."""
    numbers = {**standing_of(counts), "stale": counts["stale"]}
    tenant, sort = (place.filters.get(name) for name in ("tenant", "sort"))
    items = []
    for status, n in numbers.items():
        active = place.filters.get("status") == status
        if n or active or status in ("critical", "warning", "healthy"):
            filters = Filters(tenant=tenant, status="" if active else status, sort=sort)
            shown = item(Filters(status=status), n)
            url = reverse("overview") + query_of(filters, place.limit, view=place.view)
            items.append({**shown, "active": active, "url": url})
    return items


def _bar(counts: Mapping[str, Any]) -> list[dict[str, str]]:
    """The proportion of each status as SVG lengths."""
    total, at, parts = counts["domains"], 0, []
    for status, n in standing_of(counts).items():
        if n:
            x, width = f"{100 * at / total:.3f}%", f"{100 * n / total:.3f}%"
            parts.append({"status": status, "x": x, "width": width})
            at += n
    return parts


def _matches(
    domains: AuditDomainQuerySet,
    counts: Mapping[str, Any],
    filters: Filters,
    data: Overview,
    *,
    first: bool,
) -> tuple[int, bool]:
    """How many domains match the filters, from the counts that are there already, or the cards,
    where they can tell; and whether they are no more: others are counted no further than COUNTED.
    """
    if first and not data["next_cursor"]:
        return len(data["cards"]), True
    narrowing = filters.but(tenant=None, sort="")
    if narrowing.keys() == {"status", "fold"} and narrowing["fold"] == NEW_FOLD:
        return counts[str(narrowing["status"])], True
    if len(narrowing) > 1 or not narrowing.keys() <= {"status", "group", "fold"}:
        found = select(domains, filters).count_up_to(COUNTED + 1)
        return min(found, COUNTED), found <= COUNTED
    if "group" in narrowing:
        return counts["groups"][narrowing["group"]], True
    fold = narrowing.get("fold", "none")
    hidden = counts["groups"]["covered"] if fold != "none" else 0
    hidden += counts["healthy"] if fold == "healthy" else 0
    if narrowing.get("status") == ONBOARDING:
        return standing_of(counts)[ONBOARDING], True
    return counts[str(narrowing.get("status", "domains"))] - hidden, True


def _card(card: Card, query: str, line: list[Point] | None) -> dict[str, Any]:
    unknown = sum(s == Status.UNKNOWN for s in card["checks"].values())
    trouble, ends = card["trouble_at"], card["certificate_ends"]
    return card | {
        "look": ONBOARDING if card["in_grace"] else card["status"],
        "url": domain_url("scorecard", card) + query,
        "panel_url": domain_url("panel", card) + query,
        "mixed": is_mixed_script(card["domain"]),
        "new": bool(trouble and timezone.now() - trouble < NEW and not card["is_known"]),
        "said": card["reason"] and sentence(card["reason"]),
        # several findings that were marked at once are said once
        "waivers": list({(w["reason"], w["by"], w["until"]): w for w in card["waivers"]}.values()),
        "certificate": ends and _days_left(ends),
        "line": line and _line(line, card["max_score"]),
        "segments": [
            {"title": translate(CHECKS[c].title), "status": card["checks"].get(c, "off")}
            for c in core_checks()
        ],
        "not_here": not_here(card["not_measured_here"]),
        "chips": [{"title": short_name(c), "status": card["checks"][c]} for c in card["failing"]]
        if card["last_audit"]
        else [],
        "unknown": unknown if card["last_audit"] and unknown < len(card["checks"]) else 0,
    }


def _days_left(ends: datetime) -> dict[str, Any]:
    """For how many whole days a certificate is still good, or has been over."""
    left = ends - timezone.now()
    days = abs(left) // timedelta(days=1)
    past = left < timedelta()
    return {
        "ends": ends,
        "days": days,
        "state": "past" if past else "soon" if days < SOON_DAYS else "good",
    }


def _line(points: list[Point], most: int) -> dict[str, Any]:
    """The sparkline of a score in a box of 100 × 20: its points as SVG takes them, and what it says
    in numbers.
    """
    steps, last = [], None
    for x, score in points:
        y = round(18 - 16 * score / most, 1)
        steps += (
            [f"{100 * x:.1f},{y}"]
            if last is None
            else [f"{100 * x:.1f},{last}", f"{100 * x:.1f},{y}"]
        )
        last = y
    return {
        "points": " ".join(steps),
        "first": points[0][1],
        "lowest": min(score for _x, score in points),
        "days": trend.SCORE_DAYS,
    }


def domain_url(name: str, card: Card) -> str:
    """The address of a page of a domain; `card`: a card of the overview."""
    return reverse(name, args=[card["tenant_id"], card["domain"]])


def _selects(data: Overview, filters: Filters) -> list[dict[str, Any]]:
    """The selects of the filter form; the first option of each narrows nothing."""
    tenants: dict[Any, Any] = {t["id"]: t["name"] for t in data["tenants"]}
    if "tenant" in filters:
        gone = _("tenant {id} (not here)").format(id=filters["tenant"])
        tenants.setdefault(filters["tenant"], gone)
    selects = []
    for name, entry in FILTERS.items():
        words = {v: entry.word(v) for v in entry.values}
        options: dict[Any, Any] = tenants if name == "tenant" else words
        if entry.anything:
            options = {"": entry.anything, **options}
        elif not entry.default:
            continue  # it has no select
        chosen = filters.get(name, entry.default)
        marked = [(value, text, value == chosen) for value, text in options.items()]
        on = name in filters
        selects.append({"name": name, "label": entry.title, "is_on": on, "options": marked})
    return selects


def _steps() -> dict[str, bool]:
    """What an installation without domains has already."""
    return {
        "tenants": Tenant.objects.exists(),
        "worker": WorkerHeartbeat.objects.exists(),
        "disabled": AuditDomain.objects.exists(),
    }
