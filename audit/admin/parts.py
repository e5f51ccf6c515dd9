"""Form fields and mixins that the admin's modules share."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

SECRETS = ("portal_token", "webhook_secret")


class LinesField(forms.CharField):
    """A list of texts, one a line. `check` gets the list of one line and raises ValidationError;
    each bad line is named.
    """

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def __init__(self, *, check, **options):
        super().__init__(required=False, strip=False, **options)
        self.check = check

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value):
        return [line.strip() for line in (super().to_python(value) or "").splitlines()]

    def clean(self, value):
        lines = super().clean(value)
        errors = []
        for number, line in enumerate(lines, 1):
            try:
                self.check([line] if line else [])
            except ValidationError as error:
                errors.append(
                    _("Line %(number)d: %(problem)s")
                    % {"number": number, "problem": " ".join(error.messages)}
                )
        if errors:
            raise ValidationError(errors)
        return [line for line in lines if line]

    def run_validators(self, value):
        for line in value:
            super().run_validators(line)

    def has_changed(self, initial, data):
        return (initial or []) != [line for line in self.to_python(data) if line]


class SecretInput(forms.PasswordInput):
    """Never shows what is stored; left empty, it stays."""

    def __init__(self):
        super().__init__(
            render_value=False,
            attrs={"autocomplete": "new-password", "size": 60, "class": "vTextField"},
        )


class ReadOnly:
    """Rows that only the audits write: shown, never edited. Large tables: no second count for the
    whole of them.
    """

    show_full_result_count = False

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class DeletesWithCounts(admin.ModelAdmin):
    """Says what goes with the deleted rows in numbers: of a thousand domains nobody reads ten
    thousand links.

    Whoever may delete these rows may delete what belongs to them (which is read-only on its own).
    """

    def belongings(self, objs):
        """The querysets of what goes along."""
        raise NotImplementedError

    def get_deleted_objects(self, objs, request):
        objs = list(objs)
        counts = {self.opts.verbose_name_plural: len(objs)}
        for rows in self.belongings(objs):
            if number := rows.count():
                counts[rows.model._meta.verbose_name_plural] = number
        route = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        names = [
            format_html(
                '{}: <a href="{}">{}</a>',
                capfirst(self.opts.verbose_name),
                reverse(route, args=[o.pk]),
                o,
            )
            for o in objs[:100]
        ]
        if len(objs) > len(names):
            more = _("and %(count)s more") % {"count": localize(len(objs) - len(names))}
            names.append(format_html("{}", more))
        return names, counts, set(), []


class DeletesInParts(DeletesWithCounts):
    """No more at once than the page that asks first can name again: a form holds
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS fields.
    """

    MOST = 5000

    @admin.action(description=delete_selected.short_description, permissions=["delete"])  # type: ignore[attr-defined]
    def delete_selected(self, request, queryset):
        """Django's own, if it is not too many."""
        if (count := queryset.count()) > self.MOST:
            text = _(
                "That is %(count)s at once; at most %(most)s are removed together. Narrow the list "
                "down and repeat."
            )
            self.message_user(
                request,
                text % {"count": localize(count), "most": localize(self.MOST)},
                messages.ERROR,
            )
            return None
        return delete_selected(self, request, queryset)


class SavesWhatChanged(admin.ModelAdmin):
    """A change saves the fields of the form that differ and no others: the worker writes to the
    same rows meanwhile.
    """

    def save_model(self, request, obj, form, change):
        if not change:
            super().save_model(request, obj, form, change)
            return
        names = {field.name for field in self.opts.concrete_fields}
        obj.save(
            update_fields=sorted(names & {*form.changed_data, *getattr(form, "also_changed", ())})
        )


def log_change(request, rows, message, flag=CHANGE):
    """An entry in the history of each of these rows; `message` in English, said in the reader's
    language by `reading.trail`."""
    LogEntry.objects.log_actions(request.user.pk, rows, flag, message)


def one_a_line(model, name, help_text=""):
    """A LinesField for the JSON list field `name` of a model, checked as the field is."""
    field = model._meta.get_field(name)

    def check(lines):
        for validator in field.validators:
            validator(lines)

    return LinesField(
        check=check,
        label=capfirst(field.verbose_name),
        help_text=help_text or gettext_lazy("One a line."),
    )
