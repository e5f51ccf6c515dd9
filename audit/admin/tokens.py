"""API tokens: the secret is shown once, on the page that answers the adding."""

from django import forms
from django.contrib import admin
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from audit.admin.parts import SECRETS, SavesWhatChanged, log_change
from audit.models import ApiToken
from audit.results import trail


class TokenForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=ApiToken.Scope.choices,
        initial=[ApiToken.Scope.READ],
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Scopes"),
        help_text=gettext_lazy("Who may run audits may also read."),
    )

    class Meta:
        model = ApiToken
        fields = ["name", "scopes", "tenant", "expires_at"]

    def clean_scopes(self):
        return sorted({*self.cleaned_data["scopes"], ApiToken.Scope.READ.value})


def _note(request, token, sentence):
    """With the tenant that it is restricted to."""
    if token.tenant:
        trail.note(trail.Actor.person(request.user), [token.tenant], sentence, token.name)


@admin.register(ApiToken)
class ApiTokenAdmin(SavesWhatChanged):
    form = TokenForm
    list_display = [
        "name",
        "hint",
        "shown_scopes",
        "tenant",
        "active",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
    ]
    list_filter = ["tenant"]
    search_fields = ["name", "hint"]
    actions = ["revoke"]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related("tenant")
            .defer(*(f"tenant__{name}" for name in SECRETS))
        )

    def get_fields(self, request, obj=None):
        fields = ["name", "scopes", "tenant", "expires_at"]
        return [*fields, "hint", "created_at", "last_used_at", "revoked_at"] if obj else fields

    def get_readonly_fields(self, request, obj=None):
        return ["hint", "created_at", "last_used_at", "revoked_at"] if obj else []

    def save_model(self, request, obj, form, change):
        if not change:
            request.issued_secret = obj.new_secret()
        super().save_model(request, obj, form, change)
        if not change:
            _note(request, obj, trail.TOKEN_MADE)

    def response_add(self, request, obj, post_url_continue=None):
        """The only page that ever shows the secret; it stands in no message, cookie or log, and the
        admin lets no page be stored.
        """
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": _("The new token"),
            "token": obj,
            "secret": request.issued_secret,
        }
        return TemplateResponse(request, "admin/audit/apitoken/issued.html", context)

    @admin.display(description=gettext_lazy("valid"), boolean=True)
    def active(self, token):
        return token.active

    @admin.display(description=gettext_lazy("scopes"))
    def shown_scopes(self, token):
        names = dict(ApiToken.Scope.choices)
        return ", ".join(str(names.get(scope, scope)) for scope in token.scopes)

    @admin.action(description=gettext_lazy("Revoke"), permissions=["change"])
    def revoke(self, request, queryset):
        rows = list(queryset.filter(revoked_at=None))
        ApiToken.objects.filter(pk__in=[row.pk for row in rows]).update(revoked_at=timezone.now())
        log_change(request, rows, gettext_noop("Revoked."))
        for row in rows:
            _note(request, row, trail.TOKEN_REVOKED)
        self.message_user(request, _("Revoked: %(count)d.") % {"count": len(rows)})
