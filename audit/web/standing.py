"""The numbers of domains by status, as pages show them: the same words count the same domains on
each, and each number is as long as the list that its link leads to.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from audit.models.domains import DomainStatus
from audit.reading.filters import ONBOARDING, Filters
from audit.reading.overview import new_domains
from audit.results.shapes import TenantCounts
from audit.results.translate import status_word
from audit.web.query import PAGE, query_of

BAR = (DomainStatus.CRITICAL, DomainStatus.WARNING, DomainStatus.UNKNOWN, DomainStatus.HEALTHY)


def set_apart(tenants: Iterable[TenantCounts]) -> None:
    """Count new domains in no status: they are in onboarding until their grace ends. One query,
    none where nothing is in onboarding."""
    tenants = list(tenants)
    some = settings.AUDIT_GRACE_DAYS and any(t["groups"][ONBOARDING] for t in tenants)
    apart = new_domains(tenants[0]["id"] if len(tenants) == 1 else None) if some else {}
    for tenant in tenants:
        for status, n in apart.get(tenant["id"], {}).items():
            tenant[status] -= n  # type: ignore[literal-required] # a status


def standing_of(counts: Mapping[str, Any]) -> dict[str, int]:
    """`{status, or onboarding: how many domains}` of counts that are set apart; they add up to all,
    and a status that is empty is there, too."""
    found = {str(status): counts[status] for status in BAR}
    return found | {ONBOARDING: counts["domains"] - sum(found.values())}


def item(filters: Filters, n: int, *, limit: int = PAGE, view: str = "") -> dict[str, Any]:
    """A number with its word and the address of its list; `filters` has the status."""
    status = str(filters["status"])
    word = _("in onboarding") if status == ONBOARDING else status_word(status, n)
    url = reverse("overview") + query_of(filters, limit, view=view)
    return {"status": status, "n": n, "word": word, "url": url}


def items_of(counts: TenantCounts) -> list[dict[str, Any]]:
    """The numbers of a tenant, without those that are nought."""
    standing = standing_of(counts)
    tenant = counts["id"]
    return [item(Filters(tenant=tenant, status=s), n) for s, n in standing.items() if n > 0]
