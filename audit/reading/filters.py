"""The filters of the list of domains, in ONE table. The query string, the API's schema, the selects
and the counts are made from it: a filter more is an entry more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.db.models.lookups import Exact, GreaterThan, GreaterThanOrEqual, LessThan
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.models import AuditDomain, IncidentDomain, stale_before
from audit.models.domains import GROUPS, AuditDomainQuerySet, DomainStatus
from audit.reading.search import FEW, not_ok, understand
from audit.results.seen import EARLIEST
from audit.results.translate import translate
from collectors.base import Owner
from collectors.registry import CHECKS, core_checks

ORDERS = {
    "worst": ["severity", "share", "id"],
    "domain": ["domain", "id"],
    "since": ["-trouble_at", "-id"],  # the newest trouble first, those without any last
    "certificate": ["certificate_ends_at:last", "id"],  # the first that ends
    "last_audit": ["last_audit_at", "id"],  # never audited first
}
NEW = timedelta(hours=24)  # for how long trouble is new
ONBOARDING = "onboarding"  # where those stand that are new, and the group of all that are set up
STATUSES = ("healthy", "warning", "critical", "unknown", "stale")  # what is counted, too
# what a value of the filter `group` is in models.domains.GROUPS; the new ones are told by the time
KEPT_GROUPS = {
    "ours": "needs_host",
    "customer": "needs_customer",
    "unmeasured": "not_measured",
    ONBOARDING: "onboarding",
    "known": "known",
}
HEALTHY = DomainStatus.HEALTHY.rank
Domains = AuditDomainQuerySet


@dataclass(frozen=True)
class Filter:
    """One filter of the list.

    `values`: what may be chosen, each with its `word` for people; without them any text may be, or
    with `kind` int any number. `condition`: what a chosen value asks of a domain; the order asks
    nothing. `anything`: what the select offers for no choice; without it there is no select.
    """

    title: str | Promise
    description: str  # for the API's document
    condition: Callable[[Any], Q | Exact | LessThan] | None = None
    values: tuple[str, ...] = ()
    word: Callable[[str], str] = str
    anything: str | Promise = ""
    default: str = ""
    kind: type[int] | type[str] = str


class Filters(dict[str, int | str]):
    """What was chosen, by the filters' names; what is empty or a default is left out."""

    def __init__(self, **chosen: int | str | None) -> None:
        super().__init__({n: v for n, v in chosen.items() if v and v != FILTERS[n].default})

    def but(self, **changes: int | str | None) -> "Filters":
        """These filters with other values."""
        return Filters(**{**self, **changes})

    @cached_property
    def conditions(self) -> list[Q | Exact | LessThan]:
        """What these filters ask of a domain; what they look up is looked up once."""
        asked = ((entry.condition, self.get(name)) for name, entry in FILTERS.items())
        return [condition(value) for condition, value in asked if condition and value]


def select(domains: Domains, filters: Filters) -> Domains:
    """The domains that match the filters.

    A list is read in its order by an index that holds what the filters ask (`LIST_FILTERS`), until
    the page is full. What stands elsewhere is looked up first, if it is little.
    """
    for condition in filters.conditions:
        domains = domains.filter(condition)
    return domains


def in_status(status: str) -> Q | Exact | LessThan:
    """The condition of being in a status, `stale`, or new and in onboarding."""
    if status == "stale":
        return _stale()
    if status == ONBOARDING:
        few = _keys(_enabled().filter(standing_apart()))
        return Q(pk__in=few) if len(few) <= FEW else _standing_apart_in_order()
    # +0: not to be looked up by, or all that are in that status would be sorted
    return Exact(F("severity") + 0, DomainStatus(status).rank)


def _enabled(**conditions: object) -> Domains:
    return AuditDomain.objects.filter(enabled=True, **conditions).order_by()


def new_since() -> dict[str, object]:
    """The condition of trouble that is new and of the domain's own."""
    return {"trouble_at__gte": timezone.now() - NEW, "known": False}


def _in_group(group: str) -> Q:
    """Few are looked up; of many, the first in any order come soon."""
    conditions = new_since() if group == "new" else GROUPS[KEPT_GROUPS[group]]
    few = _keys(_enabled(**conditions))
    if len(few) <= FEW:
        return Q(pk__in=few)
    if group == "new":  # an expression, not to be looked up by: all that are new would be sorted
        at = Coalesce("trouble_at", Value(EARLIEST))
        return Q(GreaterThanOrEqual(at, conditions["trouble_at__gte"]), known=False)
    return Q(**conditions)


def _touched_by(incident: int) -> Q:
    """Few are looked up; of many, the first in any order come soon."""
    members = IncidentDomain.objects.filter(incident=incident, left_at=None).order_by()
    few = _keys(members, "domain_id")
    return Q(pk__in=few) if len(few) <= FEW else Q(Exists(members.filter(domain=OuterRef("pk"))))


def standing_apart() -> Q:
    """The condition of being new and set up just now, see `triage.in_grace`: what is wrong with it
    is nobody's alarm yet."""
    since = timezone.now() - timedelta(days=settings.AUDIT_GRACE_DAYS)
    return Q(**GROUPS["onboarding"], covered=False, created_at__gt=since, severity__lt=HEALTHY)


def _standing_apart_in_order() -> Q:
    """The same of many, as expressions that are not to be looked up by: all would be sorted."""
    since = timezone.now() - timedelta(days=settings.AUDIT_GRACE_DAYS)
    registered = Coalesce("created_at", Value(EARLIEST))
    own = Q(**GROUPS["onboarding"], covered=False)
    return own & Q(GreaterThan(registered, since)) & Q(LessThan(F("severity") + 0, HEALTHY))


def _unfolded(fold: str) -> Q:
    """Without what is folded. Few are looked up; of many, the first in any order come soon."""
    if fold == "new":
        return ~standing_apart()
    own = Q(covered=False) | Q(known=True)
    if fold == "none":
        return Q()
    if fold == "covered":
        return own
    few = _keys(_enabled(severity__lt=HEALTHY).filter(own))
    return Q(pk__in=few) if len(few) <= FEW else own & Q(LessThan(F("severity") + 0, HEALTHY))


def _stale() -> Q | LessThan:
    """The condition of `AuditDomain.stale`. Few are looked up; of many, the first in any order come
    soon."""
    before = stale_before()
    never, last = Q(last_audit_at=None, created_at__lt=before), Q(last_audit_at__lt=before)
    domains = _enabled()
    few = _keys(domains.filter(never)) + _keys(domains.filter(last))
    if len(few) <= FEW:
        return Q(pk__in=few)
    return LessThan(Coalesce("last_audit_at", "created_at"), before)


def _keys(rows: QuerySet, column: str = "pk") -> list[int]:
    """The keys of these, but no more than tell that they are many."""
    return list(rows.values_list(column, flat=True)[: FEW + 1])


def containing(text: str) -> Q:
    """The condition that a domain is what this search text means."""
    return understand(text).condition


def _check_word(check_id: str) -> str:
    return _("{check} not ok").format(check=translate(CHECKS[check_id].title))


def _owner_word(owner: str) -> str:
    return {Owner.CUSTOMER: _("Waiting for the customer"), Owner.HOST: _("Waiting for us")}[
        Owner(owner)
    ]


def _source_word(source: str) -> str:
    return _("By {source}").format(source=AuditDomain.Source(source).label)


def _order_word(order: str) -> str:
    return {
        "worst": _("Worst first"),
        "domain": _("By name"),
        "since": _("Newest first"),
        "certificate": _("By end of certificate"),
        "last_audit": _("Longest not audited"),
    }[order]


SEARCHED = (
    "Part of the domain name. Or, whole: an e-mail address, URL, IP address, host of mail, SPF "
    "record or webmail, a finding's code, a check's id; then the domains that are meant by it."
)


def _group_word(group: str) -> str:
    return {
        "new": _("New (24 h)"),
        "ours": _("Ours"),
        "customer": _("The customer's"),
        "unmeasured": _("Could not be measured"),
        "onboarding": _("Onboarding"),
        "known": _("Known"),
    }[group]


FILTERS = {
    "group": Filter(
        gettext_lazy("Group"),
        "Only domains of this group: with new trouble of their own (24 h); with something for us, "
        "or for the customer, to do; that could not be measured in full; in onboarding; with "
        "nothing wrong but what somebody marked as known. What is known, or follows from a shared "
        "cause, is in none of the first four.",
        condition=_in_group,
        values=("new", *KEPT_GROUPS),
        word=_group_word,
    ),
    "incident": Filter(
        gettext_lazy("Incident"),
        "Only domains that this incident touches now, by its id.",
        condition=_touched_by,
        kind=int,
    ),
    "tenant": Filter(
        gettext_lazy("Tenant"),
        "Only this tenant.",
        condition=lambda pk: Q(tenant_id=pk),
        anything=gettext_lazy("All tenants"),
        kind=int,
    ),
    "status": Filter(
        gettext_lazy("Filter by status"),
        "Only domains in this status; those that are stale; or those in `onboarding` whose grace "
        "(AUDIT_GRACE_DAYS) has not ended and that are not healthy yet.",
        condition=in_status,
        values=(*DomainStatus.values, "stale", ONBOARDING),
    ),
    "q": Filter(gettext_lazy("Find a domain"), SEARCHED, condition=containing),
    "check": Filter(
        gettext_lazy("Check"),
        "Only domains where this check is not ok.",
        condition=not_ok,
        values=tuple(core_checks()),
        word=_check_word,
        anything=gettext_lazy("Any check"),
    ),
    "owner": Filter(
        gettext_lazy("Who must act"),
        "Only domains that wait for this one to act.",
        condition=lambda owner: Q(**{f"needs_{owner}": True}),
        values=(Owner.CUSTOMER.value, Owner.HOST.value),
        word=_owner_word,
        anything=gettext_lazy("Anybody's turn"),
    ),
    "source": Filter(
        gettext_lazy("Registered by"),
        "Only domains that were registered this way.",
        condition=lambda source: Q(source=source),
        values=tuple(AuditDomain.Source.values),
        word=_source_word,
        anything=gettext_lazy("Any origin"),
    ),
    "fold": Filter(
        gettext_lazy("Folded"),
        "`covered`: without the domains that follow from a shared cause; `healthy`: without the "
        "healthy ones either; `new`: without those whose grace (AUDIT_GRACE_DAYS) has not ended.",
        condition=_unfolded,
        values=("none", "covered", "healthy", "new"),
    ),
    "sort": Filter(
        gettext_lazy("Order"),
        "`worst` first, by name, the newest trouble first, the certificate that ends first, or the "
        "longest not audited first.",
        values=tuple(ORDERS),
        word=_order_word,
        default="worst",
    ),
}
