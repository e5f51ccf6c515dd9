"""Domains: add, paste, import, export, and audit now."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export.admin import ImportExportMixin

from audit import events, tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, Tenant
from collectors.names import DomainError, normalize_domain

from .exchange import FORMATS, ConfirmTenantForm, DomainResource, ImportTenantForm
from .parts import ReadOnly, lines

MAX_PASTE = 5000  # lines


class DomainForm(forms.ModelForm):
    dkim_selectors = lines(gettext_lazy("DKIM selectors"), gettext_lazy("One a line; instead of the tenant's."))

    class Meta:
        model = AuditDomain
        fields = ["tenant", "domain", "dkim_selectors", "enabled"]


class PasteForm(forms.Form):
    """A tenant and a list of domains, one a line."""

    tenant = forms.ModelChoiceField(Tenant.objects.all(), label=gettext_lazy("Tenant"))
    domains = forms.CharField(
        label=gettext_lazy("Domains"),
        widget=forms.Textarea(attrs={"rows": 15, "cols": 60}),
        help_text=gettext_lazy("One a line, or separated by commas or blanks."),
    )

    def read(self):
        """(new names, names that are registered already, [(text, why not)])"""
        texts = self.cleaned_data["domains"].replace(",", " ").replace(";", " ").split()[:MAX_PASTE]
        good, bad = {}, []
        for text in texts:
            try:
                good[normalize_domain(text)] = text
            except DomainError as error:
                bad.append((text[:100], str(error)))
        known = set(self.cleaned_data["tenant"].domains.filter(domain__in=list(good)).values_list("domain", flat=True))
        return [name for name in good if name not in known], sorted(known), bad


class CheckInline(ReadOnly, admin.TabularInline):
    model = AuditCheck
    fields = ["check_id", "status", "message", "checked_at", "since"]
    readonly_fields = fields
    extra = 0
    can_delete = False


@admin.register(AuditDomain)
class AuditDomainAdmin(ImportExportMixin, admin.ModelAdmin):
    form = DomainForm
    resource_classes = [DomainResource]
    formats = FORMATS
    import_form_class, confirm_form_class = ImportTenantForm, ConfirmTenantForm
    import_export_change_list_template = "admin/audit/auditdomain/change_list.html"
    list_display = ["unicode", "tenant", "score", "status", "source", "last_audit_at", "next_audit_at", "enabled", "scorecard"]
    list_filter = ["status", "tenant", "source", "enabled", "needs_customer", "needs_host"]
    list_select_related = ["tenant"]
    search_fields = ["domain"]
    date_hierarchy = None
    ordering = ["severity", "score", "id"]
    readonly_fields = ["source", "created_at", "score", "status", "last_audit_at", "next_audit_at", "last_error", "scorecard"]
    actions = ["audit_now", "enable", "disable"]
    inlines = [CheckInline]

    def get_readonly_fields(self, request, obj=None):
        fixed = ["tenant", "domain"] if obj else []  # another name is another domain: its history would be wrong
        return [*fixed, *self.readonly_fields]

    def get_fields(self, request, obj=None):
        fields = ["tenant", "domain", "dkim_selectors", "enabled"]
        return [*fields, *self.readonly_fields] if obj else fields

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def save_model(self, request, obj, form, change):
        if not change:
            obj.source = AuditDomain.Source.MANUAL
        super().save_model(request, obj, form, change)
        if not change:
            tasks.ring()

    @admin.display(description=gettext_lazy("domain"), ordering="domain")
    def unicode(self, domain):
        return domain.unicode

    @admin.display(description=gettext_lazy("scorecard"))
    def scorecard(self, domain):
        return format_html('<a href="{}">{}</a>', reverse("scorecard", args=[domain.tenant_id, domain.domain]), _("open"))

    # -- actions

    def has_run_permission(self, request):
        return request.user.has_perm("audit.run_audit")

    @admin.action(description=gettext_lazy("Audit now"), permissions=["run"])
    def audit_now(self, request, queryset):
        total = 0
        for tenant in Tenant.objects.filter(domains__in=queryset).distinct():
            chosen = AuditDomain.objects.active().filter(tenant=tenant, pk__in=queryset.values("pk"))
            names = list(chosen.values_list("domain", flat=True)[:2])
            scope = names[0] if len(names) == 1 else f"{len(queryset)} chosen"
            run, _already = tasks.request_run(
                tenant=tenant, domains=chosen, trigger=AuditRun.Trigger.MANUAL, by=request.user.get_username(), scope=scope
            )
            total += run.domains
        self.message_user(request, _("Domains that will be audited now: %(count)d.") % {"count": total})

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request, queryset):
        count = queryset.update(enabled=True)
        queryset.request_audit()
        tasks.ring()
        self.message_user(request, _("Enabled: %(count)d.") % {"count": count})

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request, queryset):
        count = queryset.update(enabled=False)
        self.message_user(request, _("Disabled: %(count)d. Their last results stay.") % {"count": count})

    # -- paste

    def get_urls(self):
        return [path("paste/", self.admin_site.admin_view(self.paste), name="audit_auditdomain_paste"), *super().get_urls()]

    def paste(self, request):
        """Register a pasted list: first a preview with a word on every line, then the act."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PasteForm(request.POST or None)
        context = {**self.admin_site.each_context(request), "opts": self.model._meta, "title": _("Paste a list of domains"), "form": form}
        if request.method == "POST" and form.is_valid():
            new, known, bad = form.read()
            if "confirm" in request.POST:
                for name in new:
                    events.register(tenant=form.cleaned_data["tenant"], domain=name, source=AuditDomain.Source.IMPORT)
                tasks.ring()
                messages.success(request, _("Registered: %(count)d. They are audited now.") % {"count": len(new)})
                return redirect("admin:audit_auditdomain_changelist")
            context |= {"preview": True, "new": new, "known": known, "bad": bad}
        return render(request, "admin/audit/auditdomain/paste.html", context)

    # -- import and export

    def has_import_permission(self, request):
        return self.has_add_permission(request)

    def has_export_permission(self, request):
        return self.has_view_permission(request)

    def get_import_resource_kwargs(self, request, *args, **kwargs):
        """The tenant for lines that name none: chosen in the form of either step."""
        form = kwargs.get("form")
        data = getattr(form, "cleaned_data", None) or {}
        return {**super().get_import_resource_kwargs(request, *args, **kwargs), "tenant": data.get("tenant")}

    def get_confirm_form_initial(self, request, import_form):
        initial = super().get_confirm_form_initial(request, import_form)
        tenant = import_form.cleaned_data.get("tenant") if import_form else None
        return {**initial, "tenant": tenant.pk if tenant else None}

    def generate_log_entries(self, result, request):
        super().generate_log_entries(result, request)
        tasks.ring()
