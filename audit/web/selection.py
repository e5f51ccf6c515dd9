"""What a person has selected in the list: some of its domains, or all that match."""

from django.utils.translation import gettext as _

from audit.models import AuditDomain
from audit.reading.filters import Domains, select
from audit.web.permissions import PageRequest
from audit.web.query import MAX_ID, MAX_PAGE, filters_of, number

MOST = 1000  # domains that one person marks or makes links for at once


class NothingSelected(Exception):
    """No domain that is audited, or too many; the text says which, and what to do."""


def is_all(request: PageRequest) -> bool:
    """Whether everything that matches the query string is meant."""
    return "all" in request.POST


def selected(request: PageRequest, *, most: int | None = None) -> Domains:
    """The active domains whose ids are posted as `domain`, at most a page of them, or with `all`
    those that match the query string. Raises NothingSelected; `most`: also where they are more.
    """
    active = AuditDomain.objects.active()
    if is_all(request):
        found: Domains = select(active, filters_of(request.GET))
    else:
        texts = request.POST.getlist("domain")
        ids = {pk for text in texts if (pk := number(text, highest=MAX_ID))}
        if len(ids) > (most or MAX_PAGE):
            raise NothingSelected(
                _("Select at most %(most)s domains; nothing was done.") % {"most": most or MAX_PAGE}
            )
        found = active.filter(pk__in=ids)
    ids_found = list(found.order_by().values_list("pk", flat=True)[: (most or 0) + 1])
    if not ids_found:
        raise NothingSelected(_("No domain that can be audited was selected; nothing was started."))
    if most and len(ids_found) > most:
        raise NothingSelected(
            _("That is more than %(most)s domains. Narrow the list; nothing was done.")
            % {"most": most}
        )
    return found
