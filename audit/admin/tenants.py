"""Tenants: portal access, and what is expected of their domains."""

from django import forms
from django.contrib import admin
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from audit.models import Tenant

from .parts import SecretInput, lines

SECRETS = ("portal_token", "webhook_secret")


class TenantForm(forms.ModelForm):
    """Secrets are written and never shown; lists have one entry a line."""

    mail_hosts = lines(_("mail hosts"), _("Names that MX records must point to, one a line."))
    sending_ips = lines(_("sending addresses"), _("Each must pass SPF; one a line."))
    dkim_selectors = lines(_("DKIM selectors"), _("One a line; used where the portal names none."))
    remove_portal_token = forms.BooleanField(required=False, label=_("remove the stored portal token"))
    remove_webhook_secret = forms.BooleanField(required=False, label=_("remove the stored webhook secret"))

    class Meta:
        model = Tenant
        fields = [
            "name", "enabled", "language", "portal_url", "portal_token", "webhook_secret", "mail_hosts", "sending_ips",
            "spf_include", "dkim_selectors", "webmail_url", "dmarc_rua",
        ]  # fmt: skip
        widgets = {name: SecretInput() for name in SECRETS}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in SECRETS:
            stored = bool(getattr(self.instance, name, ""))
            self.fields[name].help_text = _("Stored; leave empty to keep it.") if stored else _("Not set.")

    def clean(self):
        cleaned = super().clean()
        for name in SECRETS:
            if cleaned.get(f"remove_{name}"):
                cleaned[name] = ""
            elif not cleaned.get(name):
                cleaned[name] = getattr(self.instance, name, "")
        return cleaned


@admin.register(Tenant)
class TenantAdmin(admin.ModelAdmin):
    form = TenantForm
    list_display = ["name", "portal_url", "domain_count", "language", "enabled"]
    list_filter = ["enabled"]
    search_fields = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "enabled", "language"]}),
        (_("Portal"), {"fields": ["portal_url", "portal_token", "remove_portal_token"]}),
        (_("Onboarding events"), {"fields": ["webhook_secret", "remove_webhook_secret", "webhook_address"]}),
        (
            _("What is expected of its domains"),
            {"fields": ["mail_hosts", "sending_ips", "spf_include", "dkim_selectors", "webmail_url", "dmarc_rua"]},
        ),
    ]
    readonly_fields = ["webhook_address"]

    def get_queryset(self, request):
        from django.db.models import Count

        return super().get_queryset(request).annotate(number=Count("domains"))

    def get_fieldsets(self, request, obj=None):
        """Who may only look never sees the fields of secrets."""
        if self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        hidden = {*SECRETS, *(f"remove_{name}" for name in SECRETS)}
        return [(title, {"fields": [f for f in options["fields"] if f not in hidden]}) for title, options in self.fieldsets]

    @admin.display(description=_("domains"), ordering="number")
    def domain_count(self, tenant):
        return tenant.number

    @admin.display(description=_("address for events"))
    def webhook_address(self, tenant):
        return format_html("<code>/api/v1/webhooks/{}</code>", tenant.pk) if tenant.pk else _("shown once the tenant is saved")
