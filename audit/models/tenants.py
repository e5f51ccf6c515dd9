"""Tenants: mail servers with their portals."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.dispatch import Signal
from django.utils.translation import gettext_lazy as _

from audit import validators
from audit.fields import SecretField, UnreadableSecret
from collectors.base import UNREADABLE_TOKEN, KnownZone, PortalFacts, Target
from collectors.registry import NEED_PORTAL, core_checks

# Sent by `Tenant.save` in its transaction: a tenant (`sender` is the class, `tenant` the row) has
# become one without a portal, or is none any more.
portal_switched = Signal()


class TenantQuerySet(models.QuerySet["Tenant"]):
    """Tenants."""

    def without_portal(self) -> Self:
        """Those that are `is_without_portal`."""
        return self.filter(without_portal=True, portal_url="")

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete with all that belongs to them; incidents that others share go on without them."""
        with transaction.atomic(), _leaving_incidents(self):
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined] # as Django's own has them
    delete.queryset_only = True  # type: ignore[attr-defined]


@contextmanager
def _leaving_incidents(tenants: models.QuerySet["Tenant"]) -> Iterator[None]:
    incidents = apps.get_model("audit", "Incident").objects
    domains = apps.get_model("audit", "AuditDomain").objects.filter(tenant__in=tenants)
    domains.lock()
    touched = incidents.of_domains(domains)
    yield
    incidents.recount(touched)


class Tenant(models.Model):
    """One mail server with its portal API; it hosts many domains."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    portal_url = models.CharField(
        _("portal address"),
        max_length=200,
        blank=True,
        default="",
        validators=[validators.portal_address],
        help_text=_("Such as http://10.10.10.112:8090; empty: none."),
    )
    without_portal = models.BooleanField(
        _("without a portal"),
        default=False,
        help_text=_("On purpose: what only a portal knows is not measured, and scores count to 6."),
    )
    sync = models.CharField(
        _("domains of the server"),
        max_length=10,
        choices=[
            ("off", _("are not compared")),
            ("propose", _("are proposed where we lack them")),
            ("register", _("are registered where we lack them")),
        ],
        default="propose",
        help_text=_("Where the portal lists its domains. Nothing is removed by itself."),
    )
    portal_token = SecretField(
        _("portal token"), blank=True, default="", validators=[validators.header_value]
    )
    webhook_secret = SecretField(
        _("webhook secret"), blank=True, default="", validators=[validators.webhook_secret]
    )
    mail_hosts = models.JSONField(
        _("mail hosts"),
        default=list,
        blank=True,
        validators=[validators.host_list],
        help_text=_("Names that MX records must point to."),
    )
    sending_ips = models.JSONField(
        _("sending addresses"),
        default=list,
        blank=True,
        validators=[validators.address_list],
        help_text=_("Each must pass SPF."),
    )
    spf_include = models.CharField(
        _("SPF include"),
        max_length=253,
        blank=True,
        default="",
        validators=[validators.spf_host],
        help_text=_("The name that customers include, such as _spf.example.com."),
    )
    dkim_selectors = models.JSONField(
        _("DKIM selectors"), default=list, blank=True, validators=[validators.selector_list]
    )
    webmail_url = models.CharField(
        _("webmail address"),
        max_length=500,
        default="https://webmail.{domain}/",
        validators=[validators.webmail_template],
        help_text=_("{domain} stands for the customer's domain."),
    )
    dmarc_rua = models.EmailField(
        _("DMARC report address"),
        blank=True,
        default="",
        help_text=_("Proposed to customers in fixes."),
    )
    webmail_addresses = models.JSONField(
        _("webmail addresses"),
        default=list,
        blank=True,
        validators=[validators.address_list],
        help_text=_("Addresses that webmail names must lead to, such as 203.0.113.80."),
    )
    webmail_target = models.CharField(
        _("webmail target"),
        max_length=253,
        blank=True,
        default="",
        validators=[validators.host_name],
        help_text=_("A name that customers may alias theirs to, such as webmail.example.com."),
    )
    dkim_cname = models.CharField(
        _("DKIM alias"),
        max_length=300,
        blank=True,
        default="",
        validators=[validators.dkim_template],
        help_text=_(
            "Where customers point their selector, such as {selector}.{domain}.dkim.example.com."
        ),
    )
    contact = models.CharField(
        _("contact"),
        max_length=200,
        blank=True,
        default="",
        help_text=_("Whom a customer's report names, such as support@example.com."),
    )
    quota = models.PositiveIntegerField(
        _("quota"),
        default=10_000,
        help_text=_("How many domains events and the API may register, such as 10000."),
    )
    language = models.CharField(
        _("language of customer reports"),
        max_length=5,
        choices=[
            ("pt", _("Portuguese")),
            ("pt-br", _("Portuguese (Brazil)")),
            ("en", _("English")),
        ],
        default="pt",
    )
    # of the last event that was signed rightly and refused for its time: seconds ahead of ours
    clock_off = models.BigIntegerField(null=True, blank=True, editable=False)
    clock_off_at = models.DateTimeField(null=True, blank=True, editable=False)
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = TenantQuerySet.as_manager()

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]

    def __str__(self):
        return self.name

    # what checks compare with: see target_of
    AUDITED = (
        "portal_url",
        "without_portal",
        "portal_token",
        "mail_hosts",
        "sending_ips",
        "spf_include",
        "dkim_selectors",
        "webmail_url",
        "dmarc_rua",
        "webmail_addresses",
        "webmail_target",
        "dkim_cname",
    )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a change that checks depend on makes the tenant's server card and its domains, see
        `make_due`, due; one between with and without a portal is followed, and the portal's list
        compared, at once."""
        stored = Tenant.objects.filter(pk=self.pk)
        with transaction.atomic():
            before = None if self._state.adding else stored.first()
            super().save(*args, **kwargs)
            after = stored.get() if before else self
            if before is None or before.audited != after.audited:
                apps.get_model("audit", "ServerCard").objects.make_due(self.pk)
            if before and before.is_without_portal != after.is_without_portal:
                portal_switched.send(Tenant, tenant=after)
            if before and before.audited != after.audited:
                self.domains.make_due()
            if before is None or before.compared != after.compared:
                apps.get_model("audit", "PortalSync").objects.settings_changed(self)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete with all that belongs to it, as many tenants are."""
        with transaction.atomic(), _leaving_incidents(Tenant.objects.filter(pk=self.pk)):
            return super().delete(*args, **kwargs)

    def clean(self) -> None:
        """A portal's address, or that there is none: not both."""
        if self.portal_url and self.without_portal:
            message = _("There is a portal address above: remove it, or untick this.")
            raise ValidationError({"without_portal": message})

    @property
    def is_without_portal(self) -> bool:
        """It has no portal, on purpose: what only a portal knows is not measured. Where the address
        was only forgotten, that is unknown."""
        return self.without_portal and not self.portal_url

    @property
    def not_measured_here(self) -> list[str]:
        """The ids of the checks that are not measured, as the tenant has no portal on purpose."""
        return list(NEED_PORTAL) if self.is_without_portal else []

    @property
    def core_checks(self) -> list[str]:
        """The ids of the checks that make the score of its domains, in their order."""
        return core_checks(without_portal=self.is_without_portal)

    @property
    def max_score(self) -> int:
        """The score of a domain of its where nothing is left to do."""
        return len(self.core_checks)

    @property
    def compared(self) -> list[str]:
        """What the comparison of its portal's list with ours depends on."""
        return [self.portal_url, self.portal_token, self.sync]

    @property
    def audited(self) -> list[Any]:
        """The values of AUDITED."""
        return [getattr(self, name) for name in self.AUDITED]

    @property
    def unreadable_secrets(self) -> list[str]:
        """The fields of those secrets that no key opens any more."""
        names = ("portal_token", "webhook_secret")
        return [name for name in names if isinstance(getattr(self, name), UnreadableSecret)]


def target_of(
    tenant: Tenant | None,
    domain: str,
    *,
    dkim_selectors: Sequence[str] = (),
    portal_facts: PortalFacts = PortalFacts(),  # noqa: B008 - frozen
    known_zone: KnownZone = KnownZone(),  # noqa: B008 - frozen
) -> Target:
    """The `Target` of a domain on a tenant; without one nothing is expected but good order."""
    if tenant is None:
        return Target(domain=domain, dkim_selectors=tuple(dkim_selectors), known_zone=known_zone)
    return Target(
        domain=domain,
        tenant=tenant.name,
        portal_url=tenant.portal_url,
        without_portal=tenant.is_without_portal,
        portal_token=(
            UNREADABLE_TOKEN
            if isinstance(tenant.portal_token, UnreadableSecret)
            else tenant.portal_token
        ),
        mail_hosts=tuple(tenant.mail_hosts),
        sending_ips=tuple(tenant.sending_ips),
        spf_include=tenant.spf_include,
        dkim_selectors=tuple(dkim_selectors),
        tenant_dkim_selectors=tuple(tenant.dkim_selectors),
        webmail_url=tenant.webmail_url,
        dmarc_rua=tenant.dmarc_rua,
        webmail_addresses=tuple(tenant.webmail_addresses),
        webmail_target=tenant.webmail_target,
        dkim_cname=tenant.dkim_cname,
        contact=tenant.contact,
        portal_facts=portal_facts,
        known_zone=known_zone,
    )
