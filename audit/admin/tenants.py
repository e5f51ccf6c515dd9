"""Tenants: portal access, and what is expected of their domains."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit import tasks
from audit.admin import connection, own_names
from audit.admin.events import clock_sentence
from audit.admin.parts import SECRETS, DeletesWithCounts, SavesWhatChanged, SecretInput, one_a_line
from audit.models import (
    ApiToken,
    AuditCheck,
    AuditDomain,
    AuditRun,
    CheckTransition,
    PortalSync,
    Tenant,
    WebhookEvent,
)


class TenantForm(forms.ModelForm):
    """Secrets are written and never shown; lists have one entry a line."""

    mail_hosts = one_a_line(
        Tenant, "mail_hosts", _("Names that MX records must point to, one a line.")
    )
    sending_ips = one_a_line(Tenant, "sending_ips", _("Each must pass SPF; one a line."))
    dkim_selectors = one_a_line(
        Tenant, "dkim_selectors", _("One a line; used where the portal names none.")
    )
    webmail_addresses = one_a_line(
        Tenant,
        "webmail_addresses",
        _("Addresses that webmail names must lead to, one a line, such as 203.0.113.80."),
    )
    remove_portal_token = forms.BooleanField(
        required=False, label=_("Remove the stored portal token")
    )
    remove_webhook_secret = forms.BooleanField(
        required=False, label=_("Remove the stored webhook secret")
    )

    class Meta:
        model = Tenant
        fields: list[str] = []  # those of the fieldsets below
        widgets = {name: SecretInput() for name in SECRETS}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in set(SECRETS) & set(self.fields):
            self.fields[name].has_changed = lambda _stored, typed: bool(typed)  # empty: kept
            if name in self.instance.unreadable_secrets:
                self.fields[name].help_text = _(
                    "Stored, but no key in ENCRYPTION_KEYS opens it, and it is not used. Bring the "
                    "old key back, or enter it again."
                )
            elif getattr(self.instance, name):
                self.fields[name].help_text = _("Stored; leave empty to keep it.")
            else:
                self.fields[name].help_text = _("Not set.")
                del self.fields[f"remove_{name}"]
        if "webhook_secret" in self.fields and not _is_stored(self.instance, "webhook_secret"):
            self.fields["webhook_secret"].help_text = _(
                "Not set. A new one: echo whsec_$(openssl rand -base64 32)"
            )

    def clean(self):
        super().clean()
        cleaned = self.cleaned_data
        for name in SECRETS:
            if cleaned.get(f"remove_{name}"):
                cleaned[name] = ""
            elif name in cleaned and not cleaned[name]:
                cleaned[name] = getattr(self.instance, name)
                stored = _is_stored(self.instance, name)
                if name == "portal_token" and stored and self._leads_elsewhere():
                    self.add_error(
                        name,
                        _(
                            "The portal address is another one now, for which the stored token "
                            "was not given. Enter its token, or remove the stored one."
                        ),
                    )
        return cleaned

    def _leads_elsewhere(self) -> bool:
        """Whether the stored token's scheme, host or port are left: not by way of no address
        either. Without a portal, on purpose, it lies idle; for which address it was given is not
        known any more when that ends."""
        if "portal_url" not in self.cleaned_data:
            return False  # it is refused anyway
        before, after = self.initial.get("portal_url") or "", self.cleaned_data["portal_url"]
        if not after and self.cleaned_data.get("without_portal"):
            return False
        if not before and self.initial.get("without_portal"):
            return True
        return before != "" and connection.origin(before) != connection.origin(after)

    def _post_clean(self) -> None:
        """The last of the checks: whatever is wrong, a secret that was typed is not shown again."""
        super()._post_clean()  # type: ignore[misc]  # of ModelForm, and not in its stubs
        if self.errors:
            for name in SECRETS:
                typed = name in self.fields and self.data.get(self.add_prefix(name))
                if typed and name not in self.errors:
                    self.add_error(name, _("Not saved yet: enter it again."))

    @property
    def also_changed(self):
        """Ticking “remove” changes the secret, not the box."""
        return [name for name in SECRETS if self.cleaned_data.get(f"remove_{name}")]


def _is_stored(tenant: Tenant, name: str) -> bool:
    """Also a secret that no key opens is there."""
    return bool(getattr(tenant, name)) or name in tenant.unreadable_secrets


def _events_address(request: HttpRequest, pk: int) -> str:
    return request.build_absolute_uri(f"/api/v1/webhooks/{pk}")


@admin.register(Tenant)
class TenantAdmin(SavesWhatChanged, DeletesWithCounts):
    form = TenantForm
    list_display = ["name", "portal_url", "domain_count", "language", "enabled"]
    list_filter = ["enabled"]
    search_fields = ["name"]
    readonly_fields = ["webhook_address", "domain_count", "refused_events"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(number=Count("domains"))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.test_connection)
        return [
            path("test/", view, name="audit_tenant_test_new"),
            path("<int:pk>/test/", view, name="audit_tenant_test"),
            *super().get_urls(),
        ]

    def test_connection(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Judge what the form holds, saved or not, and say what works and what to correct."""
        tenant = self.get_object(request, str(pk)) if pk is not None else None
        allowed = (
            self.has_change_permission(request, tenant)
            if tenant
            else pk is None and self.has_add_permission(request)
        )
        if not allowed:
            raise PermissionDenied
        if request.method != "POST":
            if tenant:
                return redirect("admin:audit_tenant_change", tenant.pk)
            return redirect("admin:audit_tenant_add")
        context = {**self.admin_site.each_context(request), "title": _("Test connection")}
        context["wait"] = wait = connection.wait_for(request)
        if not wait:
            form = self.get_form(request, tenant, change=tenant is not None)
            context |= connection.test(form(request.POST, instance=tenant), tenant)
        response = TemplateResponse(
            request, "admin/audit/tenant/test.html", context, status=429 if wait else 200
        )
        if wait:
            response["Retry-After"] = str(wait)
        return response

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """With the button that tests what the form holds."""
        url = reverse("admin:audit_tenant_test_new")
        if object_id and object_id.isascii() and object_id.isdecimal():
            url = reverse("admin:audit_tenant_test", args=[object_id])
        context = {"test_url": url, **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def get_object(self, request, object_id, from_field=None):
        """With the whole address for its events, which the request knows."""
        tenant = super().get_object(request, object_id, from_field)
        if tenant:
            tenant.events_address = _events_address(request, tenant.pk)
        return tenant

    def get_fieldsets(self, request, obj=None):
        """Only who may change a tenant gets the fields of secrets, and a box to remove one only
        where one is stored.
        """
        writes = (
            self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        )
        secret = {
            name: [name, *([f"remove_{name}"] if obj and _is_stored(obj, name) else [])]
            if writes
            else []
            for name in SECRETS
        }
        first = ["name", "enabled", "language", "contact", *(["domain_count"] if obj else [])]
        refused = ["refused_events"] if obj and obj.clock_off is not None else []
        events = ["webhook_address", *refused, "quota", *secret["webhook_secret"]]
        expected = [
            "mail_hosts",
            "sending_ips",
            "spf_include",
            "dkim_selectors",
            "dkim_cname",
            "webmail_url",
            "webmail_addresses",
            "webmail_target",
            "dmarc_rua",
        ]
        return [
            (None, {"fields": first}),
            (
                _("Portal"),
                {"fields": ["portal_url", "without_portal", *secret["portal_token"], "sync"]},
            ),
            (_("Onboarding events"), {"fields": events}),
            (
                _("What is expected of its domains"),
                {"fields": expected, "description": _("What is left empty is not compared.")},
            ),
        ]

    def save_model(self, request, obj, form, change):
        """Domains are made due by the model; names of ours that do not work are said."""
        super().save_model(request, obj, form, change)
        if not change:
            text = _("The address for its events: %(address)s")
            self.message_user(request, text % {"address": _events_address(request, obj.pk)})
            tasks.enqueue()  # its server card is due
        changed = {*form.changed_data, *form.also_changed}
        if PortalSync.objects.due().filter(pk=obj.pk).exists():
            tasks.enqueue("compare_portals")
        if change and changed & {*Tenant.AUDITED}:
            tasks.enqueue()
            self.message_user(request, _("The domains of this tenant will be audited anew."))
        if changed & own_names.SETTINGS:
            for sentence in own_names.warnings(obj):
                self.message_user(request, sentence, messages.WARNING)

    def belongings(self, objs):
        keys = [o.pk for o in objs]
        of_domains = [
            rows.objects.filter(domain__tenant__in=keys) for rows in (AuditCheck, CheckTransition)
        ]
        return [AuditDomain.objects.filter(tenant__in=keys), *of_domains] + [
            rows.objects.filter(tenant__in=keys) for rows in (WebhookEvent, AuditRun, ApiToken)
        ]

    @admin.display(description=_("domains"), ordering="number")
    def domain_count(self, tenant):
        return tenant.number

    @admin.display(description=_("refused events"))
    def refused_events(self, tenant):
        return clock_sentence(tenant)

    @admin.display(description=_("address for events"))
    def webhook_address(self, tenant):
        address = getattr(tenant, "events_address", "")
        if not address:
            return _("Told as soon as the tenant is saved: its number is part of it.")
        return format_html("<code>{}</code>", address)
