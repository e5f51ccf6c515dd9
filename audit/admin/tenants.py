"""Tenants: portal access, and what is expected of their domains."""

from django import forms
from django.contrib import admin
from django.db.models import Count
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.models import ApiToken, AuditCheck, AuditDomain, AuditRun, CheckTransition, Tenant, WebhookEvent

from .parts import SECRETS, DeletesWithCounts, SavesWhatChanged, SecretInput, one_a_line


class TenantForm(forms.ModelForm):
    """Secrets are written and never shown; lists have one entry a line."""

    mail_hosts = one_a_line(Tenant, "mail_hosts", _("Names that MX records must point to, one a line."))
    sending_ips = one_a_line(Tenant, "sending_ips", _("Each must pass SPF; one a line."))
    dkim_selectors = one_a_line(Tenant, "dkim_selectors", _("One a line; used where the portal names none."))
    remove_portal_token = forms.BooleanField(required=False, label=_("Remove the stored portal token"))
    remove_webhook_secret = forms.BooleanField(required=False, label=_("Remove the stored webhook secret"))

    class Meta:
        model = Tenant
        fields: list[str] = []  # those of the fieldsets below
        widgets = {name: SecretInput() for name in SECRETS}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in set(SECRETS) & set(self.fields):
            self.fields[name].has_changed = lambda _stored, typed: bool(typed)  # empty: kept
            if getattr(self.instance, name):
                self.fields[name].help_text = _("Stored; leave empty to keep it.")
            else:
                self.fields[name].help_text = _("Not set.")
                del self.fields[f"remove_{name}"]
        if "webhook_secret" in self.fields and not self.instance.webhook_secret:
            self.fields["webhook_secret"].help_text = _("Not set. A new one: echo whsec_$(openssl rand -base64 32)")

    def clean(self):
        cleaned = super().clean()
        for name in SECRETS:
            if cleaned.get(f"remove_{name}"):
                cleaned[name] = ""
            elif name in cleaned and not cleaned[name]:
                cleaned[name] = getattr(self.instance, name)
        return cleaned

    @property
    def also_changed(self):
        """Ticking “remove” changes the secret, not the box."""
        return [name for name in SECRETS if self.cleaned_data.get(f"remove_{name}")]


@admin.register(Tenant)
class TenantAdmin(SavesWhatChanged, DeletesWithCounts, admin.ModelAdmin):
    form = TenantForm
    list_display = ["name", "portal_url", "domain_count", "language", "enabled"]
    list_filter = ["enabled"]
    search_fields = ["name"]
    readonly_fields = ["webhook_address", "domain_count"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(number=Count("domains"))

    def get_fieldsets(self, request, obj=None):
        """Only who may change a tenant gets the fields of secrets, and a box to remove one only where one is stored."""
        writes = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        secret = {name: [name, *([f"remove_{name}"] if obj and getattr(obj, name) else [])] if writes else [] for name in SECRETS}
        first = ["name", "enabled", "language", *(["domain_count"] if obj else [])]
        events = ["webhook_address", *secret["webhook_secret"]] if obj else secret["webhook_secret"]
        expected = ["mail_hosts", "sending_ips", "spf_include", "dkim_selectors", "webmail_url", "dmarc_rua"]
        return [
            (None, {"fields": first}),
            (_("Portal"), {"fields": ["portal_url", *secret["portal_token"]]}),
            (_("Onboarding events"), {"fields": events}),
            (_("What is expected of its domains"), {"fields": expected, "description": _("What is left empty is not compared.")}),
        ]

    def belongings(self, objs):
        keys = [o.pk for o in objs]
        of_domains = [rows.objects.filter(domain__tenant__in=keys) for rows in (AuditCheck, CheckTransition)]
        return [AuditDomain.objects.filter(tenant__in=keys), *of_domains] + [
            rows.objects.filter(tenant__in=keys) for rows in (WebhookEvent, AuditRun, ApiToken)
        ]

    @admin.display(description=_("domains"), ordering="number")
    def domain_count(self, tenant):
        return tenant.number

    @admin.display(description=_("address for events"))
    def webhook_address(self, tenant):
        return format_html("<code>/api/v1/webhooks/{}</code>", tenant.pk)
