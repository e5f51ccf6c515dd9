"""Form fields and mixins that the admin's modules share."""

from django import forms
from django.utils.translation import gettext_lazy as _


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "cols": 60})

    def prepare_value(self, value):
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value):
        return [line.strip() for line in super().to_python(value).splitlines() if line.strip()]

    def has_changed(self, initial, data):
        return (initial or []) != self.to_python(data)


def lines(label, help_text=""):
    """A LinesField for a JSON list field of a model."""
    return LinesField(required=False, label=label, help_text=help_text or _("One a line."))


class SecretInput(forms.PasswordInput):
    """Never shows what is stored; left empty, it stays."""

    def __init__(self):
        super().__init__(render_value=False, attrs={"autocomplete": "new-password", "size": 60})


class ReadOnly:
    """Rows that only the audits write: shown, never edited."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
