"""The overview's query string, read with patience (bookmarks outlive names)."""

from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict

from audit.reading.filters import FILTERS, Filter, Filters

PAGE, MAX_PAGE = 60, 200
CARDS, TABLE = VIEWS = ("cards", "table")
MAX_ID = 2**63 - 1
LONGEST = 253  # characters of a text that is looked for
ALARMS, NEW = ("critical", "warning", "unknown"), "new"
FOLDS = {CARDS: "covered", TABLE: "healthy"}  # what a view leaves out of a list of all
_YEAR = 365 * 86400


def filters_of(params: QueryDict, view: str | None = None) -> Filters:
    """What is chosen in a query string; what is not on offer is left out. A list of all has what a
    view (`view`, else the one that the query string says) folds.
    """
    chosen = Filters(**{name: _read(f, params.get(name, "")) for name, f in FILTERS.items()})
    if "fold" in chosen:
        return chosen
    if narrows(chosen):  # new domains stand under onboarding, and under no status
        return chosen.but(fold=NEW) if chosen.get("status") in ALARMS else chosen
    return chosen.but(fold=FOLDS.get(view or params.get("view", ""), FOLDS[CARDS]))


def narrows(filters: Filters) -> bool:
    """Whether more is chosen than a tenant, an order and what is folded."""
    return bool(filters.but(tenant=None, fold="", sort=""))


def unfolded(filters: Filters) -> Filters:
    """The filters without what a view folds by itself: all that is meant by `all`."""
    return filters if filters.get("fold") == NEW else filters.but(fold="")


def view_of(request: HttpRequest) -> str:
    """How the list is shown: as the address says, else as it was last."""
    asked = request.GET.get("view")
    kept = request.COOKIES.get(settings.VIEW_COOKIE_NAME)
    return next((v for v in (asked, kept) if v in VIEWS), CARDS)


def keep_view(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Have the browser remember the view that the address says."""
    asked = request.GET.get("view")
    if asked in VIEWS and asked != request.COOKIES.get(settings.VIEW_COOKIE_NAME):
        response.set_cookie(
            settings.VIEW_COOKIE_NAME,
            asked,
            max_age=_YEAR,
            secure=settings.SESSION_COOKIE_SECURE,
            httponly=True,
            samesite="Lax",
        )
    return response


def _read(entry: Filter, text: str) -> int | str | None:
    if entry.values:
        return text if text in entry.values else ""
    if entry.kind is int:
        return number(text, highest=MAX_ID)
    return text.replace("\0", "").strip()[:LONGEST]


def limit_of(params: QueryDict) -> int:
    """How many cards a page holds."""
    return number(params.get("limit"), highest=MAX_PAGE) or PAGE


def query_of(
    filters: Filters,
    limit: int = PAGE,
    *,
    view: str | None = "",
    cursor: str | None = "",
    page: int = 1,
) -> str:
    """The query string (with its `?`, or empty) of a view of the list; cards are not named."""
    values = {name: filters[name] for name in FILTERS if name in filters}
    if not narrows(filters) and values.get("fold") == FOLDS.get(view or "", FOLDS[CARDS]):
        del values["fold"]  # it goes without saying
    if values.get("fold") == NEW and values.get("status") in ALARMS:
        del values["fold"]  # as above
    more = {
        "view": view if view == TABLE else None,
        "cursor": cursor,
        "page": page if cursor and page > 1 else None,
        "limit": limit if limit != PAGE else None,
    }
    values |= {name: value for name, value in more.items() if value}
    return f"?{urlencode(values)}" if values else ""


def number(text: str | None, *, highest: int) -> int | None:
    """A whole number from 1 to `highest`, or None."""
    if text and text.isascii() and text.isdigit() and len(text) <= 19 and 1 <= int(text) <= highest:
        return int(text)
    return None
