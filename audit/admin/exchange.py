"""Import and export of domains as CSV and XLSX."""

import csv
import io

import tablib
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from import_export import fields, resources, widgets
from import_export.formats.base_formats import CSV, XLSX
from import_export.forms import ConfirmImportForm, ImportForm

from audit.models import AuditDomain, Tenant
from audit.validators import selector_list
from collectors.names import DomainError, normalize_domain

FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value):
    """A cell that no spreadsheet takes for a formula: a leading apostrophe before what could start one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


class SpreadsheetCSV(CSV):
    """CSV as spreadsheets in Portugal write and read it: `;` and a byte order mark on export; `,` `;` and tab on import."""

    def get_title(self):
        return "csv"

    def create_dataset(self, in_stream, **kwargs):
        text = in_stream.decode("utf-8-sig") if isinstance(in_stream, bytes) else in_stream.removeprefix("\ufeff")
        head = text.splitlines()[0] if text.strip() else ""
        delimiter = max(";,\t", key=head.count)
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(cell.strip() for cell in row)]
        if not rows:
            return tablib.Dataset(headers=["domain"])
        headers = [cell.strip().lower() for cell in rows[0]]
        if "domain" not in headers:  # a bare list of names
            headers, rows = ["domain", *(f"column {n}" for n in range(2, len(rows[0]) + 1))], [[], *rows]
        width = len(headers)
        return tablib.Dataset(*[(row + [""] * width)[:width] for row in rows[1:]], headers=headers)

    def export_data(self, dataset, **kwargs):
        return "\ufeff" + super().export_data(dataset, delimiter=";", **kwargs)


FORMATS = [SpreadsheetCSV, XLSX]


class ImportTenantForm(ImportForm):
    tenant = forms.ModelChoiceField(
        Tenant.objects.all(),
        required=False,
        label=gettext_lazy("Tenant"),
        help_text=gettext_lazy("For lines without a tenant of their own."),
    )


class ConfirmTenantForm(ConfirmImportForm):
    tenant = forms.ModelChoiceField(Tenant.objects.all(), required=False, widget=forms.HiddenInput())


class SelectorsWidget(widgets.Widget):
    """Selectors separated by blanks."""

    def clean(self, value, row=None, **kwargs):
        selectors = str(value or "").replace(",", " ").split()
        selector_list(selectors)
        return selectors

    def render(self, value, obj=None, **kwargs):
        return " ".join(value or [])


class DomainResource(resources.ModelResource):
    """Columns: domain (needed), tenant (its name), dkim_selectors, enabled; the rest is export only."""

    tenant = fields.Field("tenant", "tenant", widgets.ForeignKeyWidget(Tenant, "name"))
    dkim_selectors = fields.Field("dkim_selectors", "dkim_selectors", SelectorsWidget())
    enabled = fields.Field("enabled", "enabled", widgets.BooleanWidget(), default=True)
    unicode = fields.Field("unicode", "unicode", readonly=True)

    class Meta:
        model = AuditDomain
        fields = ["tenant", "domain", "unicode", "dkim_selectors", "enabled", "source", "score", "status", "last_audit_at"]
        import_id_fields = ["tenant", "domain"]
        skip_unchanged = True
        report_skipped = True
        use_transactions = True
        clean_model_instances = True

    def __init__(self, tenant=None):
        super().__init__()
        self.default_tenant = tenant

    def get_import_fields(self):
        return [f for f in super().get_import_fields() if f.column_name in ("tenant", "domain", "dkim_selectors", "enabled")]

    def before_import(self, dataset, **kwargs):
        """A single tenant needs no naming; a file without the optional columns is as good."""
        if self.default_tenant is None and Tenant.objects.count() == 1:
            self.default_tenant = Tenant.objects.get()
        for name, value in (("tenant", ""), ("dkim_selectors", None), ("enabled", None)):
            if name not in (dataset.headers or []) and len(dataset):
                dataset.append_col([value] * len(dataset), header=name)

    def before_import_row(self, row, **kwargs):
        """Names in their stored form, so that the same domain in another spelling is the same row."""
        try:
            row["domain"] = normalize_domain(str(row.get("domain") or "").strip().removeprefix("'"))
        except DomainError as error:
            raise ValidationError({"domain": str(error)}) from None
        if not str(row.get("tenant") or "").strip():
            if self.default_tenant is None:
                raise ValidationError({"tenant": _("No tenant: name one in the file, or choose one above.")})
            row["tenant"] = self.default_tenant.name
        if not Tenant.objects.filter(name=row["tenant"]).exists():
            raise ValidationError({"tenant": _("There is no tenant “%(name)s”.") % {"name": str(row["tenant"])[:100]}})

    def import_instance(self, instance, row, **kwargs):
        kept = {k: v for k, v in row.items() if v is not None}  # a column that is not in the file changes nothing
        super().import_instance(instance, kept, **kwargs)
        if instance._state.adding:
            instance.source = AuditDomain.Source.IMPORT

    def export_field(self, field, instance, **kwargs):
        return safe_cell(super().export_field(field, instance, **kwargs))

    def get_queryset(self):
        return super().get_queryset().select_related("tenant")
