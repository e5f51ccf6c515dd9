"""What may be entered for a tenant or a domain; each raises ValidationError with one sentence."""

import base64
import binascii
import re
import secrets
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _

from collectors.names import DomainError, is_host_name, normalize_domain
from collectors.text import fill

_SELECTOR = re.compile(
    r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*"
)
_SPF_HOST = re.compile(r"(?=.{1,253}$)(_?[A-Za-z0-9-]{1,62}\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]")
SCOPES = ("read", "run")
MOST_RECIPIENTS = 50  # of an e-mail channel


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValidationError(_("Give a list of texts."))
    return value


def domain_name(text: str, *, field: str) -> str:
    """The normalized form of a domain name; raises ValidationError for `field`."""
    try:
        return normalize_domain(text)
    except DomainError as error:
        said = error.message.source()
        raise ValidationError({field: fill(_(said["id"]), said["params"])}) from None


def host_list(value: Any) -> None:
    for host in _texts(value):
        if not is_host_name(host):
            raise ValidationError(_("“%(value)s” is not a host name.") % {"value": host})


def address_list(value: Any) -> None:
    for address in _texts(value):
        try:
            ip_address(address)
        except ValueError:
            raise ValidationError(
                _("“%(value)s” is not an address; networks are not accepted here.")
                % {"value": address}
            ) from None


def selector_list(value: Any) -> None:
    for selector in _texts(value):
        if not _SELECTOR.fullmatch(selector) or len(selector) > 190:
            raise ValidationError(_("“%(value)s” is not a DKIM selector.") % {"value": selector})


def scope_list(value: Any) -> None:
    for scope in _texts(value):
        if scope not in SCOPES:
            raise ValidationError(
                _("“%(value)s” is not a scope; there are read and run.") % {"value": scope}
            )


def spf_host(value: str) -> None:
    if not _SPF_HOST.fullmatch(value):
        raise ValidationError(
            _("“%(value)s” is not a name that SPF can include.") % {"value": value}
        )


def host_name(value: str) -> None:
    if not is_host_name(value):
        raise ValidationError(_("“%(value)s” is not a host name.") % {"value": value})


def dkim_template(value: str) -> None:
    """A host name in which {selector} stands, and {domain} may."""
    name = value.replace("{selector}", "s1").replace("{domain}", "example.com")
    if "{selector}" not in value or not is_host_name(name):
        raise ValidationError(
            _("Give a name with {selector} in it, such as {selector}.{domain}.dkim.example.com.")
        )


def webmail_template(value: str) -> None:
    """An https URL whose host holds `{domain}` or is fixed; the port is optional."""
    try:
        parts = urlsplit(value.replace("{domain}", "example.com"))
        valid = (
            parts.scheme == "https"
            and is_host_name(parts.hostname or "")
            and not parts.username
            and (parts.port or 443) > 0
        )
    except ValueError:
        valid = False
    if not valid or "{" in value.replace("{domain}", ""):
        raise ValidationError(_("Give an https address such as https://webmail.{domain}/."))


def portal_address(value: str) -> None:
    """A URL as `_is_url` has it, without a query."""
    if not _is_url(value) or urlsplit(value).query:
        raise ValidationError(_("Give an address such as http://10.10.10.112:8090."))


def _is_url(value: str) -> bool:
    """An http or https URL of any host, also one that only the LAN knows, without credentials and
    fragment."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        return (
            parts.scheme in ("http", "https")
            and (_is_address(host) or is_host_name(f"{host}.lan"))
            and (parts.port or 80) > 0
            and parts.username is None
            and not parts.fragment
            and value.isascii()
            and value.isprintable()
        )
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def header_value(value: str) -> None:
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValidationError(
            _("A token has no blanks around it and no line breaks or special characters.")
        )


def webhook_secret(value: str) -> None:
    """`whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks defines it; or two of them,
    while one takes the other's place.
    """
    secrets = value.split(" ")
    if len(secrets) > 2 or not all(map(_is_webhook_secret, secrets)):
        raise ValidationError(
            _("A webhook secret is whsec_ followed by the base64 of 24 to 64 random bytes.")
        )


def _is_webhook_secret(value: str) -> bool:
    try:
        size = len(base64.b64decode(value.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return False
    return value.startswith("whsec_") and 24 <= size <= 64


def new_webhook_secret() -> str:
    """A new secret to sign webhooks with, as `webhook_secret` takes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def mail_address_list(value: Any) -> None:
    """Mail addresses without names, at most MOST_RECIPIENTS."""
    for address in _texts(value):
        validate_email(address)
    if len(value) > MOST_RECIPIENTS:
        raise ValidationError(
            _("At most %(most)d recipients: give a list of your mail server's own.")
            % {"most": MOST_RECIPIENTS}
        )


def hour(value: int) -> None:
    if not 0 <= value <= 23:
        raise ValidationError(_("An hour is 0 to 23."))


def webhook_address(value: str) -> None:
    """A URL as `_is_url` has it, that messages may be posted to."""
    if not _is_url(value) or " " in value or len(value) > 2000:
        raise ValidationError(_("Give an address such as https://hooks.example.com/ligbox."))
