"""Domains: add, import a list, export, and audit now."""

import hashlib

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit import tasks
from audit.admin import lists, registering
from audit.admin.parts import (
    SECRETS,
    DeletesInParts,
    ReadOnly,
    SavesWhatChanged,
    log_change,
    one_a_line,
)
from audit.models import AuditCheck, AuditDomain, AuditRun, CheckTransition, Tenant
from audit.reading.causes import cause_title
from audit.reading.filters import containing
from audit.results import trail
from audit.results.trail import Actor
from audit.results.translate import translate
from collectors.names import is_mixed_script

EXPORTS = {"csv": lists.csv_response, "xlsx": lists.xlsx_response}


def only_tenant() -> Tenant | None:
    """The tenant, where there is a single one: it needs no naming."""
    tenants = Tenant.objects.defer(*SECRETS)[:2]
    return tenants[0] if len(tenants) == 1 else None


class DomainForm(forms.ModelForm):
    dkim_selectors = one_a_line(
        AuditDomain, "dkim_selectors", gettext_lazy("One a line; instead of the tenant's.")
    )

    class Meta:
        model = AuditDomain
        fields = ["tenant", "domain", "dkim_selectors", "enabled"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "tenant" in self.fields:
            self.fields["tenant"].initial = only_tenant()
        name = self.fields.get("domain")
        if isinstance(name, forms.CharField):
            name.strip = False  # what is invisible is shown, as at every door


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
    column = forms.IntegerField(
        required=False,
        label=gettext_lazy("Column of the domains"),
        widget=forms.HiddenInput(),  # asked for where the heading does not say
    )
    lines = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("or paste"),
        widget=forms.Textarea(
            attrs={"rows": 12, "cols": 70, "spellcheck": "false", "class": "vLargeTextField"}
        ),
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput())

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["lines"].validators = []  # a NUL is a fault of its line, which says so
        self.only = only_tenant()
        self.fields["tenant"].initial = self.only

    def clean(self):
        super().clean()
        cleaned = self.cleaned_data
        cleaned["tenant"] = cleaned.get("tenant") or self.only
        upload = cleaned.get("file")
        source = lists.Source(cleaned.get("lines") or "")
        try:
            if upload:
                source = lists.text_of(upload)
            if (column := cleaned.get("column")) is not None:
                source.text = lists.with_heading(source.text, column)
            cleaned["text"] = source.text.replace("\r\n", "\n")
            cleaned["rows"], notes = lists.rows_of(source.text)
        except lists.ListError as error:
            self.add_error("file" if upload else "lines", str(error))
            if isinstance(error, lists.HeadingNeeded):
                self._ask_for_the_column(error, source.text)
        else:
            guess = [lists.note_on_encoding(cleaned["rows"])] if source.guessed else []
            cleaned["notes"] = [*guess, *source.notes, *notes]
        return cleaned

    def _ask_for_the_column(self, needed: lists.HeadingNeeded, text: str) -> None:
        """Have the form shown again with the list in it, and its columns to choose from."""
        given = {name: self[name].data for name in ("tenant", "seen")}
        self.data = {**given, "lines": text, "column": ""}
        heading = _("Line %(number)d:") % {"number": needed.line}
        choices = [(n, f"{heading} {name}") for n, name in needed.columns]
        self.fields["column"].widget = forms.Select(choices=[("", "–"), *choices])

    def digest(self):
        """Stands for what the preview was made of, so that nothing else is ever registered."""
        tenant = self.cleaned_data["tenant"]
        return hashlib.sha256(
            f"{tenant.pk if tenant else ''}\n{self.cleaned_data['text']}".encode()
        ).hexdigest()


class CheckInline(ReadOnly, admin.TabularInline):
    model = AuditCheck
    fields = ["check_id", "status", "said", "checked", "since"]
    readonly_fields = fields
    ordering = ["id"]
    extra = 0
    can_delete = False
    show_change_link = True

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("domain").defer("evidence")

    @admin.display(description=gettext_lazy("checked"))
    def checked(self, check):
        return check.at_present(check.domain.checked).checked_at

    @admin.display(description=gettext_lazy("message"))
    def said(self, check):
        """The message, and of what follows from another check's finding that check."""
        said = translate(check.message_source, check.message)
        causes = {f["because"]["check_id"] for f in check.findings if f.get("because")}
        titles = ", ".join(cause_title(check_id) for check_id in sorted(causes))
        return f"{said} " + _("(follows from: %(cause)s)") % {"cause": titles} if causes else said


@admin.register(AuditDomain)
class AuditDomainAdmin(SavesWhatChanged, DeletesInParts):
    form = DomainForm
    change_list_template = "admin/audit/auditdomain/change_list.html"
    list_display = [
        "unicode",
        "tenant",
        "score",
        "status",
        "source",
        "last_audit_at",
        "enabled",
        "scorecard",
    ]
    list_filter = ["status", "tenant", "source", "enabled", "needs_customer", "needs_host"]
    list_select_related = ["tenant"]
    search_fields = ["domain"]
    search_help_text = gettext_lazy("Part of a name; one with accents as a whole.")
    ordering = ["severity", "share", "id"]
    readonly_fields = [
        "scorecard",
        "score",
        "status",
        "last_audit_at",
        "next_audit_at",
        "last_error",
        "source",
        "created_at",
    ]
    actions = ["audit_now", "enable", "disable", "delete_selected"]
    inlines = [CheckInline]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related("tenant")
            .defer(*(f"tenant__{name}" for name in SECRETS))
        )

    def get_search_results(self, request, queryset, search_term):
        return (
            queryset.filter(containing(search_term)) if search_term.strip() else queryset
        ), False

    def get_readonly_fields(self, request, obj=None):
        fixed = (
            ["tenant", "domain", "spelling"] if obj else []
        )  # another name is another domain: its history would be wrong
        return [*fixed, *self.readonly_fields]

    def get_fieldsets(self, request, obj=None):
        mine = ["tenant", "domain", "dkim_selectors", "enabled"]
        if obj is None:
            return [(None, {"fields": mine})]
        if obj.unicode != obj.domain:
            mine.insert(2, "spelling")
        return [
            (None, {"fields": mine}),
            (gettext_lazy("What the audits found"), {"fields": self.readonly_fields}),
        ]

    def get_inlines(self, request, obj):
        return self.inlines if obj else []

    def save_model(self, request, obj, form, change):
        if not change:
            obj.source = AuditDomain.Source.MANUAL
        super().save_model(request, obj, form, change)
        if change and form.changed_data:
            AuditDomain.objects.filter(pk=obj.pk, enabled=True).request_audit()
        tasks.enqueue()

    def log_addition(self, request, obj, message):
        """With the tenant too."""
        who = Actor.person(request.user)
        trail.note(who, [obj.tenant], trail.REGISTERED, obj.domain)
        return super().log_addition(request, obj, message)

    def log_deletions(self, request, queryset):
        """With their tenants too, where it can be read once they are gone."""
        of_tenants: dict[int, list[str]] = {}
        for row in queryset:
            of_tenants.setdefault(row.tenant_id, []).append(row.domain)
        for tenant in Tenant.objects.filter(pk__in=of_tenants):
            names = sorted(of_tenants[tenant.pk])
            said = trail.REMOVED if len(names) == 1 else trail.REMOVED_MANY
            trail.note(Actor.person(request.user), [tenant], said, trail.names_of(names))
        return super().log_deletions(request, queryset)

    def belongings(self, objs):
        keys = [o.pk for o in objs]
        return [
            AuditCheck.objects.filter(domain__in=keys),
            CheckTransition.objects.filter(domain__in=keys),
        ]

    @admin.display(description=gettext_lazy("domain"), ordering="domain")
    def unicode(self, domain):
        return domain.unicode

    @admin.display(description=gettext_lazy("in letters"))
    def spelling(self, domain):
        """The U-label form, and a warning where it may be made to look like another name."""
        warning = (
            _("Mixes letters of several scripts: it may be made to look like another name.")
            if is_mixed_script(domain.domain)
            else ""
        )
        return f"{domain.unicode} {warning}".strip()

    @admin.display(description=gettext_lazy("scorecard"))
    def scorecard(self, domain):
        return format_html(
            '<a href="{}">{}</a>',
            reverse("scorecard", args=[domain.tenant_id, domain.domain]),
            _("open"),
        )

    # -- actions

    def has_run_permission(self, request):
        return request.user.has_perm("audit.run_audit")

    @admin.action(description=gettext_lazy("Audit now"), permissions=["run"])
    def audit_now(self, request, queryset):
        """One run a tenant. The same choice asked twice before it has begun is one run; another
        choice is another run.
        """
        chosen: dict[int, dict[int, str]] = {}
        for pk, tenant, name in (
            queryset.active().order_by("pk").values_list("pk", "tenant", "domain")
        ):
            chosen.setdefault(tenant, {})[pk] = name
        for tenant in Tenant.objects.filter(pk__in=chosen):
            keys = chosen[tenant.pk]
            alone = next(iter(keys.values())) if len(keys) == 1 else None
            scope = alone or "?" + hashlib.sha256(repr(list(keys)).encode()).hexdigest()[:32]
            domains = AuditDomain.objects.filter(pk__in=keys)
            tasks.request_run(
                tenant=tenant,
                domains=domains,
                trigger=AuditRun.Trigger.MANUAL,
                by=request.user.get_username(),
                scope=scope,
                who=Actor.person(request.user),
            )
        total = sum(len(keys) for keys in chosen.values())
        if total:
            self.message_user(
                request,
                _("Domains that will be audited now: %(count)s.") % {"count": localize(total)},
            )
        if left := queryset.count() - total:
            text = _("Left out, because they or their tenant are disabled: %(count)s.") % {
                "count": localize(left)
            }
            self.message_user(request, text, messages.WARNING)

    @admin.action(description=gettext_lazy("Enable"), permissions=["change"])
    def enable(self, request, queryset):
        rows = self._switch(request, queryset, enabled=True, entry=gettext_noop("Enabled."))
        AuditDomain.objects.filter(pk__in=rows).request_audit(bulk=len(rows) > 1)
        tasks.enqueue()
        self.message_user(
            request, _("Enabled, to be audited now: %(count)s.") % {"count": localize(len(rows))}
        )

    @admin.action(description=gettext_lazy("Disable"), permissions=["change"])
    def disable(self, request, queryset):
        rows = self._switch(request, queryset, enabled=False, entry=gettext_noop("Disabled."))
        self.message_user(
            request,
            _("Disabled: %(count)s. Their last results stay.") % {"count": localize(len(rows))},
        )

    def _switch(self, request, queryset, *, enabled, entry):
        """The keys of the rows that this changed. They are read first: the queryset may be filtered
        by `enabled` itself.
        """
        rows = list(queryset.exclude(enabled=enabled))
        keys = [row.pk for row in rows]
        AuditDomain.objects.filter(pk__in=keys).update(enabled=enabled)
        log_change(request, rows, entry)
        return keys

    # -- import and export

    def get_urls(self):
        return [
            path(
                "import/",
                self.admin_site.admin_view(self.import_view),
                name="audit_auditdomain_import",
            ),
            path(
                "export/<slug:kind>/",
                self.admin_site.admin_view(self.export_view),
                name="audit_auditdomain_export",
            ),
            *super().get_urls(),
        ]

    def has_import_permission(self, request):
        """A list may add domains and change some."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(
            request,
            {"has_import_permission": self.has_import_permission(request), **(extra_context or {})},
        )

    def import_view(self, request):
        """First a preview with a word on every line, then the act: with bad lines only where
        leaving them out is asked for.
        """
        if not self.has_import_permission(request):
            raise PermissionDenied
        form = ListForm(request.POST or None, request.FILES or None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Import a list of domains"),
            "media": self.media,
        }
        if request.method == "POST" and form.is_valid():
            data = form.cleaned_data
            lines = registering.plan(data["rows"], tenant=data["tenant"])
            bad = [line for line in lines if line.state == registering.BAD]
            agreed = "leave_out" in request.POST if bad else "confirm" in request.POST
            if agreed and data["seen"] == form.digest():
                added, changed = registering.apply(lines, request=request)
                values = {"added": localize(added), "changed": localize(changed)}
                self.message_user(
                    request,
                    _("Registered, to be audited now: %(added)s. Changed: %(changed)s.") % values,
                    messages.SUCCESS,
                )
                return redirect("admin:audit_auditdomain_changelist")
            groups = [
                (label, [line for line in lines if line.state == state])
                for state, label in registering.STATES.items()
            ]
            to_do = any(line.state in (registering.NEW, registering.CHANGE) for line in lines)
            context |= {
                "preview": True,
                "groups": [g for g in groups if g[1]],
                "bad": bad,
                "notes": data["notes"],
                "to_do": to_do,
                "several": Tenant.objects.count() > 1,
            }
            form = ListForm(
                initial={"tenant": data["tenant"], "lines": data["text"], "seen": form.digest()}
            )
        return render(
            request,
            "admin/audit/auditdomain/import.html",
            {**context, "form": form, "most": lists.MAX_LINES},
        )

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
