"""Tenants: mail servers with their portals."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from audit import validators
from audit.fields import SecretField
from collectors.base import Target


class Tenant(models.Model):
    """One mail server with its portal API; it hosts many domains."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    portal_url = models.CharField(
        _("portal address"), max_length=200, blank=True, default="", validators=[validators.portal_address],
        help_text=_("Such as http://10.10.10.112:8090; empty: none."),
    )  # fmt: skip
    portal_token = SecretField(_("portal token"), blank=True, default="", validators=[validators.header_value])
    webhook_secret = SecretField(_("webhook secret"), blank=True, default="", validators=[validators.webhook_secret])
    mail_hosts = models.JSONField(
        _("mail hosts"), default=list, blank=True, validators=[validators.host_list], help_text=_("Names that MX records must point to.")
    )
    sending_ips = models.JSONField(
        _("sending addresses"), default=list, blank=True, validators=[validators.address_list], help_text=_("Each must pass SPF.")
    )
    spf_include = models.CharField(
        _("SPF include"), max_length=253, blank=True, default="", validators=[validators.spf_host],
        help_text=_("The name that customers include, such as _spf.example.com."),
    )  # fmt: skip
    dkim_selectors = models.JSONField(_("DKIM selectors"), default=list, blank=True, validators=[validators.selector_list])
    webmail_url = models.CharField(
        _("webmail address"), max_length=500, default="https://webmail.{domain}/", validators=[validators.webmail_template],
        help_text=_("{domain} stands for the customer's domain."),
    )  # fmt: skip
    dmarc_rua = models.EmailField(_("DMARC report address"), blank=True, default="", help_text=_("Proposed to customers in fixes."))
    language = models.CharField(
        _("language of customer reports"), max_length=2, choices=[("pt", _("Portuguese")), ("en", _("English"))], default="pt"
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["name"]

    def __str__(self):
        return self.name


def target_of(tenant, domain, *, dkim_selectors=()):
    """The `Target` of a domain on a tenant; without a tenant (None) nothing is expected of it but good order."""
    if tenant is None:
        return Target(domain=domain, dkim_selectors=tuple(dkim_selectors))
    return Target(
        domain=domain,
        tenant=tenant.name,
        portal_url=tenant.portal_url,
        portal_token=tenant.portal_token,
        mail_hosts=tuple(tenant.mail_hosts),
        sending_ips=tuple(tenant.sending_ips),
        spf_include=tenant.spf_include,
        dkim_selectors=tuple(dkim_selectors),
        tenant_dkim_selectors=tuple(tenant.dkim_selectors),
        webmail_url=tenant.webmail_url,
        dmarc_rua=tenant.dmarc_rua,
    )
