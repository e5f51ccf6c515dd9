"""Notification channels: whom to tell, of what. Addresses and secrets are written and never shown
again; a signing secret is shown once, on the page that follows its making."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from audit import validators
from audit.admin.parts import SavesWhatChanged, SecretInput, log_change, one_a_line
from audit.models import NotificationChannel
from audit.notify import apprise, delivery, rules
from collectors.base import Owner

Kind = NotificationChannel.Kind
OWNERS = [
    (Owner.HOST.value, gettext_lazy("we, on the mail server")),
    (Owner.CUSTOMER.value, gettext_lazy("the customer, in their DNS")),
    (Owner.MEASUREMENT.value, gettext_lazy("nobody yet: it could not be measured")),
]


class ChannelForm(forms.ModelForm):
    """One form for all kinds: what another kind needs is left alone."""

    recipients = one_a_line(
        NotificationChannel,
        "recipients",
        gettext_lazy("E-mail: one a line, such as night@example.com."),
    )
    owners = forms.MultipleChoiceField(
        choices=OWNERS,
        initial=[value for value, _word in OWNERS],
        widget=forms.CheckboxSelectMultiple,
        label=gettext_lazy("Who must act"),
    )

    class Meta:
        model = NotificationChannel
        fields: list[str] = []  # those of the fieldsets below
        widgets = {"url": SecretInput(), "tenants": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get("url")
        if field is None:
            return
        field.has_changed = lambda _stored, typed: bool(typed)  # empty: kept
        example = _(
            "Webhook: such as https://hooks.example.com/ligbox. Apprise: such as "
            "ntfys://ntfy.example.com/topic. Stored encrypted and never shown again."
        )
        stored = bool(self.instance.url) or "url" in self.instance.unreadable_secrets
        if "url" in self.instance.unreadable_secrets:
            said = _("Stored, but no key in ENCRYPTION_KEYS opens it: enter it again.")
        elif stored:
            said = _("Stored; leave empty to keep it.")
        else:
            said = ""
        field.help_text = f"{said} {example}".strip()

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        typed = cleaned.get("url", "")
        if "url" in cleaned and not typed:
            cleaned["url"] = self.instance.url
        kind = cleaned.get("kind")
        if kind == Kind.EMAIL and not cleaned.get("recipients") and "recipients" in cleaned:
            self.add_error("recipients", _("An e-mail channel needs a recipient."))
        if kind in (Kind.WEBHOOK, Kind.APPRISE) and "url" in cleaned:
            self._check_address(kind, typed)
        if cleaned.get("at_once") is False and cleaned.get("digest") is False:
            self.add_error("digest", _("Choose at once, the digest, or both."))
        return cleaned

    def _check_address(self, kind: str, typed: str) -> None:
        """The address fits its kind. One that was stored for another kind is not taken over."""
        moved = "kind" in self.changed_data and self.instance.pk is not None
        if not typed:
            if moved or not (self.instance.url or "url" in self.instance.unreadable_secrets):
                self.add_error("url", _("This kind of channel needs an address."))
            return
        if kind == Kind.WEBHOOK:
            try:
                validators.webhook_address(typed)
            except ValidationError as error:
                self.add_error("url", error)
        elif why := apprise.problem_of(typed):
            self.add_error("url", why)

    def _post_clean(self) -> None:
        """Whatever is wrong, an address that was typed is not shown again."""
        super()._post_clean()  # type: ignore[misc]  # of ModelForm, and not in its stubs
        typed = "url" in self.fields and self.data.get(self.add_prefix("url"))
        if self.errors and typed and "url" not in self.errors:
            self.add_error("url", _("Not saved yet: enter it again."))


@admin.register(NotificationChannel)
class NotificationChannelAdmin(SavesWhatChanged):
    form = ChannelForm
    change_form_template = "admin/audit/notificationchannel/change_form.html"
    list_display = ["name", "kind", "where", "enabled", "at_once", "digest", "language", "state"]
    list_filter = ["kind", "enabled"]
    search_fields = ["name"]
    actions = ["send_tests"]
    readonly_fields = ["where", "state"]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only who may change a channel has the field of its address."""
        writes = (
            self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        )
        where = ["recipients", *(["url"] if writes else []), *(["where"] if obj else [])]
        first = ["name", "kind", "enabled", "language", *(["state"] if obj else [])]
        return [
            (None, {"fields": first}),
            (_("Where to"), {"fields": where}),
            (_("Of what"), {"fields": ["tenants", "owners", "least_severity", "onboarding"]}),
            (_("When"), {"fields": ["at_once", "digest", "digest_hour", "all_well"]}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees words for the list of who must act."""
        return self.readonly_fields

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """A webhook gets a secret; a channel that is enabled again was not switched off; a digest
        that begins looks back from now."""
        also = []
        if obj.kind == Kind.WEBHOOK and not obj.secret:
            request.issued_secret = obj.new_secret()  # type: ignore[attr-defined]
            also += ["secret", "old_secret", "old_secret_until"]
        if obj.enabled:
            obj.off_at, obj.off_why = None, ""
            also += ["off_at", "off_why"]
        if "digest" in form.changed_data:
            obj.digested_at = timezone.now()
            also.append("digested_at")
        form.also_changed = also
        super().save_model(request, obj, form, change)
        if lost := _watched(obj):
            text = _(
                "%(address)s is at a domain that is watched here. When that is down, %(who)s is "
                "told too; give this channel an address elsewhere if you can."
            )
            others = NotificationChannel.objects.filter(enabled=True).exclude(pk=obj.pk)
            who = _("another channel") if others.exists() else _("an administrator")
            self.message_user(request, text % {"address": lost, "who": who}, messages.WARNING)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: Any = None) -> Any:
        if secret := getattr(request, "issued_secret", None):
            return self._show_once(request, obj, secret)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> Any:
        if secret := getattr(request, "issued_secret", None):
            return self._show_once(request, obj, secret)
        return super().response_change(request, obj)

    def _show_once(self, request: HttpRequest, channel: Any, secret: str) -> TemplateResponse:
        """The only page that ever shows the secret."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": _("The signing secret"),
            "channel": channel,
            "secret": secret,
        }
        name = "admin/audit/notificationchannel/issued.html"
        return TemplateResponse(request, name, context)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path(
                "<int:object_id>/test/",
                view(require_POST(self.test)),
                name="audit_notificationchannel_test",
            ),
            path(
                "<int:object_id>/secret/",
                view(require_POST(self.change_secret)),
                name="audit_notificationchannel_secret",
            ),
            *super().get_urls(),
        ]

    def _changeable(self, request: HttpRequest, pk: int) -> NotificationChannel:
        channel = get_object_or_404(NotificationChannel, pk=pk)
        if not self.has_change_permission(request, channel):
            raise PermissionDenied
        return channel

    def test(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Send a test and say what happened."""
        channel = self._changeable(request, object_id)
        self._send_test(request, channel)
        where = reverse("admin:audit_notificationchannel_change", args=[object_id])
        return HttpResponseRedirect(where)

    def change_secret(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Another signing secret; the one before it signs beside it for a day."""
        channel = self._changeable(request, object_id)
        if channel.kind != Kind.WEBHOOK:
            raise PermissionDenied
        secret = channel.new_secret()
        channel.save(update_fields=["secret", "old_secret", "old_secret_until"])
        log_change(request, [channel], _("New signing secret."))
        return self._show_once(request, channel, secret)

    @admin.action(description=gettext_lazy("Send a test"), permissions=["change"])
    def send_tests(self, request: HttpRequest, queryset: Any) -> None:
        for channel in queryset[:10]:
            self._send_test(request, channel)

    def _send_test(self, request: HttpRequest, channel: NotificationChannel) -> None:
        outcome = delivery.send_test(channel)
        log_change(request, [channel], _("A test was sent."))
        text = _("Test of %(channel)s: %(said)s") % {"channel": channel, "said": outcome.text}
        level = messages.SUCCESS if outcome.sent else messages.ERROR
        self.message_user(request, text, messages.WARNING if outcome.partly else level)

    @admin.display(description=gettext_lazy("leads to"))
    def where(self, channel: NotificationChannel) -> str:
        return channel.where

    @admin.display(description=gettext_lazy("state"))
    def state(self, channel: NotificationChannel) -> str:
        """What keeps it from sending, if anything does."""
        if not channel.enabled:
            return channel.off_why or _("switched off")
        waiting = channel.notifications.waiting().exclude(last_error="").order_by("-due_at").first()
        if waiting is not None:
            values = {"tries": waiting.tries, "said": waiting.last_error}
            return _("not reached, %(tries)d tries so far: %(said)s") % values
        if lost := _watched(channel):
            return format_html(
                "{}", _("%(address)s is at a domain that is watched here") % {"address": lost}
            )
        return _("ready")


def _watched(channel: NotificationChannel) -> str:
    """The first recipient that is at a registered domain, or below one."""
    if channel.kind != Kind.EMAIL:
        return ""
    return next((of[0] for of in rules.watched(channel.recipients).values()), "")
