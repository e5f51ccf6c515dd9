"""Domains: add, import a list, export, and audit now."""

import hashlib

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit import tasks
from audit.models import AuditCheck, AuditDomain, AuditRun, CheckTransition, Tenant
from audit.overview import containing
from audit.sentences import say
from collectors.names import is_mixed_script

from . import lists, registering
from .parts import SECRETS, DeletesInParts, ReadOnly, SavesWhatChanged, log_change, one_a_line

EXPORTS = {"csv": lists.csv_response, "xlsx": lists.xlsx_response}


class DomainForm(forms.ModelForm):
    dkim_selectors = one_a_line(AuditDomain, "dkim_selectors", gettext_lazy("One a line; instead of the tenant's."))

    class Meta:
        model = AuditDomain
        fields = ["tenant", "domain", "dkim_selectors", "enabled"]


class ListForm(forms.Form):
    """A list of domains, pasted or as a file; `text` of the cleaned data is whichever was given."""

    tenant = forms.ModelChoiceField(
        Tenant.objects.all(),
        required=False,
        label=gettext_lazy("Tenant"),
        help_text=gettext_lazy("For lines that name no tenant of their own."),
    )
    file = forms.FileField(
        required=False,
        label=gettext_lazy("File"),
        help_text=gettext_lazy("CSV or XLSX."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.xlsx"}),
    )
    lines = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("or paste"),
        widget=forms.Textarea(attrs={"rows": 12, "cols": 70, "spellcheck": "false", "class": "vLargeTextField"}),
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["lines"].validators = []  # a NUL is a fault of its line, which says so
        tenants = self.fields["tenant"].queryset[:2]
        self.only = tenants[0] if len(tenants) == 1 else None  # a single tenant needs no naming
        self.fields["tenant"].initial = self.only

    def clean(self):
        cleaned = super().clean()
        cleaned["tenant"] = cleaned.get("tenant") or self.only
        upload = cleaned.get("file")
        try:
            text = lists.text_of(upload) if upload else cleaned.get("lines") or ""
            cleaned["text"] = text.replace("\r\n", "\n")
            cleaned["rows"] = lists.rows_of(text)
        except lists.ListError as error:
            self.add_error("file" if upload else "lines", str(error))
        return cleaned

    def digest(self):
        """Stands for what the preview was made of, so that nothing else is ever registered."""
        tenant = self.cleaned_data["tenant"]
        return hashlib.sha256(f"{tenant.pk if tenant else ''}\n{self.cleaned_data['text']}".encode()).hexdigest()


class CheckInline(ReadOnly, admin.TabularInline):
    model = AuditCheck
    fields = ["check_id", "status", "said", "checked_at", "since"]
    readonly_fields = fields
    ordering = ["id"]
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request):
        return super().get_queryset(request).defer("evidence", "findings")

    @admin.display(description=gettext_lazy("message"))
    def said(self, check):
        return say(check.message_source, check.message)


@admin.register(AuditDomain)
class AuditDomainAdmin(SavesWhatChanged, DeletesInParts, admin.ModelAdmin):
    form = DomainForm
    change_list_template = "admin/audit/auditdomain/change_list.html"
    list_display = ["unicode", "tenant", "score", "status", "source", "last_audit_at", "enabled", "scorecard"]
    list_filter = ["status", "tenant", "source", "enabled", "needs_customer", "needs_host"]
    list_select_related = ["tenant"]
    search_fields = ["domain"]
    search_help_text = gettext_lazy("Part of a name; one with accents as a whole.")
    ordering = ["severity", "score", "id"]
    readonly_fields = ["scorecard", "score", "status", "last_audit_at", "next_audit_at", "last_error", "source", "created_at"]
    actions = ["audit_now", "enable", "disable", "delete_selected"]
    inlines = [CheckInline]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("tenant").defer(*(f"tenant__{name}" for name in SECRETS))

    def get_search_results(self, request, queryset, search_term):
        return (queryset.filter(containing(search_term)) if search_term.strip() else queryset), False

    def get_readonly_fields(self, request, obj=None):
        fixed = ["tenant", "domain", "spelling"] if obj else []  # another name is another domain: its history would be wrong
        return [*fixed, *self.readonly_fields]

    def get_fieldsets(self, request, obj=None):
        mine = ["tenant", "domain", "dkim_selectors", "enabled"]
        if obj is None:
            return [(None, {"fields": mine})]
        if obj.unicode != obj.domain:
            mine.insert(2, "spelling")
        return [(None, {"fields": mine}), (gettext_lazy("What the audits found"), {"fields": self.readonly_fields})]

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def save_model(self, request, obj, form, change):
        if not change:
            obj.source = AuditDomain.Source.MANUAL
        super().save_model(request, obj, form, change)
        if change and form.changed_data:
            AuditDomain.objects.filter(pk=obj.pk, enabled=True).request_audit()
        tasks.ring()

    def belongings(self, objs):
        keys = [o.pk for o in objs]
        return [AuditCheck.objects.filter(domain__in=keys), CheckTransition.objects.filter(domain__in=keys)]

    @admin.display(description=gettext_lazy("domain"), ordering="domain")
    def unicode(self, domain):
        return domain.unicode

    @admin.display(description=gettext_lazy("in letters"))
    def spelling(self, domain):
        """The U-label form, and a warning where it may be made to look like another name."""
        warning = _("Mixes letters of several scripts: it may be made to look like another name.") if is_mixed_script(domain.domain) else ""
        return f"{domain.unicode} {warning}".strip()

    @admin.display(description=gettext_lazy("scorecard"))
    def scorecard(self, domain):
        return format_html('<a href="{}">{}</a>', reverse("scorecard", args=[domain.tenant_id, domain.domain]), _("open"))

    # -- actions

    def has_run_permission(self, request):
        return request.user.has_perm("audit.run_audit")

    @admin.action(description=gettext_lazy("Audit now"), permissions=["run"])
    def audit_now(self, request, queryset):
        """One run a tenant. The same choice asked twice before it has begun is one run; another choice is another run."""
        chosen = {}
        for pk, tenant, name in queryset.active().order_by("pk").values_list("pk", "tenant", "domain"):
            chosen.setdefault(tenant, {})[pk] = name
        for tenant in Tenant.objects.filter(pk__in=chosen):
            keys = chosen[tenant.pk]
            alone = next(iter(keys.values())) if len(keys) == 1 else None
            scope = alone or "?" + hashlib.sha256(repr(list(keys)).encode()).hexdigest()[:32]
            domains = AuditDomain.objects.filter(pk__in=keys)
            tasks.request_run(tenant=tenant, domains=domains, trigger=AuditRun.Trigger.MANUAL, by=request.user.get_username(), scope=scope)
        total = sum(len(keys) for keys in chosen.values())
        if total:
            self.message_user(request, _("Domains that will be audited now: %(count)d.") % {"count": total})
        if left := queryset.count() - total:
            text = _("Left out, because they or their tenant are disabled: %(count)d.") % {"count": left}
            self.message_user(request, text, messages.WARNING)

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request, queryset):
        rows = self._switch(request, queryset, enabled=True, entry=_("Enabled."))
        AuditDomain.objects.filter(pk__in=rows).request_audit()
        tasks.ring()
        self.message_user(request, _("Enabled, to be audited now: %(count)d.") % {"count": len(rows)})

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request, queryset):
        rows = self._switch(request, queryset, enabled=False, entry=_("Disabled."))
        self.message_user(request, _("Disabled: %(count)d. Their last results stay.") % {"count": len(rows)})

    def _switch(self, request, queryset, *, enabled, entry):
        """The keys of the rows that this changed. They are read first: the queryset may be filtered by `enabled` itself."""
        rows = list(queryset.exclude(enabled=enabled))
        keys = [row.pk for row in rows]
        AuditDomain.objects.filter(pk__in=keys).update(enabled=enabled)
        log_change(request, rows, entry)
        return keys

    # -- import and export

    def get_urls(self):
        return [
            path("import/", self.admin_site.admin_view(self.import_view), name="audit_auditdomain_import"),
            path("export/<slug:kind>/", self.admin_site.admin_view(self.export_view), name="audit_auditdomain_export"),
            *super().get_urls(),
        ]

    def has_import_permission(self, request):
        """A list may add domains and change some."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(request, {"has_import_permission": self.has_import_permission(request), **(extra_context or {})})

    def import_view(self, request):
        """First a preview with a word on every line, then the act: with bad lines only where leaving them out is asked for."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = ListForm(request.POST or None, request.FILES or None)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": _("Import a list of domains"), "media": self.media}
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            lines = registering.plan(data["rows"], tenant=data["tenant"])
            bad = [line for line in lines if line.state == registering.BAD]
            agreed = "leave_out" in request.POST if bad else "confirm" in request.POST
            if agreed and data["seen"] == form.digest():
                added, changed = registering.apply(lines, request=request)
                values = {"added": added, "changed": changed}
                self.message_user(request, _("Registered, to be audited now: %(added)d. Changed: %(changed)d.") % values, messages.SUCCESS)
                return redirect("admin:audit_auditdomain_changelist")
            groups = [(label, [line for line in lines if line.state == state]) for state, label in registering.STATES.items()]
            to_do = any(line.state in (registering.NEW, registering.CHANGE) for line in lines)
            context |= {
                "preview": True,
                "groups": [g for g in groups if g[1]],
                "bad": bad,
                "to_do": to_do,
                "several": Tenant.objects.count() > 1,
            }
            form = ListForm(initial={"tenant": data["tenant"], "lines": data["text"], "seen": form.digest()})
        return render(request, "admin/audit/auditdomain/import.html", {**context, "form": form, "most": lists.MAX_LINES})

    def export_view(self, request, kind):
        """The domains of the list as it is filtered, all pages of it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in EXPORTS:
            raise Http404
        try:
            domains = self.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return redirect("admin:audit_auditdomain_changelist")
        return EXPORTS[kind](domains)
