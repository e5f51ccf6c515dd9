"""*Test connection* on a tenant's form: what the form holds is judged at once, saved or not.

A portal token that was typed goes to the portal address typed beside it and nowhere else; the
stored one only to the origin that it was stored with.
"""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audit.access.throttle import Throttle
from audit.models import Tenant, server_of
from audit.queue.server_cards import judge_now, rows_to_ask
from audit.reading import server_card
from audit.results.server_card import DNSBL
from audit.results.shapes import ShownRow
from collectors.server.card import CARD

SECONDS = 8.0  # that a row may take: somebody waits for the page
TRIES = 6  # a minute, of one person


def wait_for(request: HttpRequest) -> int:
    """Count one test: 0, or the seconds until this person may ask for another."""
    limit = Throttle("test-connection", tries=TRIES, seconds=60)
    return limit.hit(str(request.user.pk))


def test(form: forms.ModelForm, stored: Tenant | None) -> dict[str, Any]:
    """What the page shows: `rows`, and `unused`, (label, why) of what the form holds and that was
    not used."""
    form.is_valid()
    tenant, unused = _typed(form, stored)
    server = server_of(tenant)
    rows = rows_to_ask(tenant)
    if DNSBL in rows and server.dnsbls and not _may_ask_lists(server.sending_ips):
        rows.remove(DNSBL)
    shown = server_card.of_results(judge_now(server, seconds=SECONDS, only=rows), server)
    left_out = DNSBL not in rows and not CARD[DNSBL].off(server)
    return {"rows": [_titled(r) for r in shown], "unused": unused, "lists_known": left_out}


def _may_ask_lists(ips: tuple[str, ...]) -> bool:
    """Block lists are asked about an address once an interval, whoever presses the button."""
    limit = Throttle("block-lists", tries=1, seconds=settings.AUDIT_INTERVAL_SEC)
    if any(limit.wait(ip) for ip in ips):
        return False
    for ip in ips:
        limit.hit(ip)
    return True


def _titled(row: ShownRow) -> dict[str, Any]:
    """With what to correct, once each."""
    fixes = dict.fromkeys(f["fix"]["text"] for f in row["findings"] if f["fix"])
    said = dict.fromkeys(f["message"] for f in row["findings"] if f["severity"] != "info")
    return {**row, "said": list(said) or [row["message"]], "fixes": list(fixes)}


def _typed(form: forms.ModelForm, stored: Tenant | None) -> tuple[Tenant, list[tuple[str, str]]]:
    """A tenant of what the form holds and that is valid; nothing of it is saved."""
    tenant = Tenant(pk=stored.pk if stored else None)
    unused = []
    for name, field in form.fields.items():
        if name in ("portal_token", "webhook_secret") or name.startswith("remove_"):
            continue
        if name in form.cleaned_data:
            if hasattr(tenant, name):
                setattr(tenant, name, form.cleaned_data[name])
        elif name in form.errors and name in Tenant.AUDITED:
            unused.append((str(field.label), " ".join(map(str, form.errors[name]))))
    if why := _take_token(tenant, form, stored):
        unused.append((str(Tenant._meta.get_field("portal_token").verbose_name), why))
    return tenant, unused


def _take_token(tenant: Tenant, form: forms.ModelForm, stored: Tenant | None) -> str:
    """Give the tenant the token for its portal address; why none is used, or ''."""
    typed = form.data.get(form.add_prefix("portal_token"), "")
    if "portal_token" not in form.fields:
        return ""  # whoever may not change it does not use it either
    if typed:
        try:
            tenant.portal_token = form.fields["portal_token"].clean(typed)
        except ValidationError as error:
            return " ".join(error.messages)
        return ""
    if form.cleaned_data.get("remove_portal_token") or stored is None:
        return ""
    kept = Tenant.objects.get(pk=stored.pk)  # the form has written into `stored`
    if not kept.portal_token and not kept.unreadable_secrets:
        return ""
    if not tenant.portal_url or origin(kept.portal_url) == origin(tenant.portal_url):
        tenant.portal_token = kept.portal_token
        return ""
    return _("The stored one was given for another address and was not sent; enter it again.")


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
