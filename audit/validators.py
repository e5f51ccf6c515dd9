"""What may be entered for a tenant or a domain; each raises ValidationError with one sentence."""

import base64
import binascii
import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from collectors.names import is_host_name

_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*")
_SPF_HOST = re.compile(r"(?=.{1,253}$)(_?[A-Za-z0-9-]{1,62}\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]")
SCOPES = ("read", "run")


def _texts(value):
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ValidationError(_("Give a list of texts."))
    return value


def host_list(value):
    for host in _texts(value):
        if not is_host_name(host):
            raise ValidationError(_("“%(value)s” is not a host name.") % {"value": host})


def address_list(value):
    for address in _texts(value):
        try:
            ip_address(address)
        except ValueError:
            raise ValidationError(_("“%(value)s” is not an address; networks are not accepted here.") % {"value": address}) from None


def selector_list(value):
    for selector in _texts(value):
        if not _SELECTOR.fullmatch(selector) or len(selector) > 190:
            raise ValidationError(_("“%(value)s” is not a DKIM selector.") % {"value": selector})


def scope_list(value):
    for scope in _texts(value):
        if scope not in SCOPES:
            raise ValidationError(_("“%(value)s” is not a scope; there are read and run.") % {"value": scope})


def spf_host(value):
    if not _SPF_HOST.fullmatch(value):
        raise ValidationError(_("“%(value)s” is not a name that SPF can include.") % {"value": value})


def webmail_template(value):
    """An https URL whose host holds `{domain}` or is fixed; the port is optional."""
    try:
        parts = urlsplit(value.replace("{domain}", "example.com"))
        valid = parts.scheme == "https" and is_host_name(parts.hostname or "") and not parts.username and (parts.port or 443) > 0
    except ValueError:
        valid = False
    if not valid or "{" in value.replace("{domain}", ""):
        raise ValidationError(_("Give an https address such as https://webmail.{domain}/."))


def portal_address(value):
    """An http or https URL of any host, also one that only the LAN knows, without credentials, query or fragment."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        valid = parts.scheme in ("http", "https") and (_is_address(host) or is_host_name(f"{host}.lan")) and (parts.port or 80) > 0
    except ValueError:
        valid = False
    if not valid or parts.username is not None or parts.query or parts.fragment or not value.isascii() or not value.isprintable():
        raise ValidationError(_("Give an address such as http://10.10.10.112:8090."))


def _is_address(host):
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def header_value(value):
    if not value.isascii() or not value.isprintable() or value != value.strip():
        raise ValidationError(_("A token has no blanks around it and no line breaks or special characters."))


def webhook_secret(value):
    """`whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks defines it; or two of them, while one takes the other's place."""
    secrets = value.split(" ")
    if len(secrets) > 2 or not all(map(_is_webhook_secret, secrets)):
        raise ValidationError(_("A webhook secret is whsec_ followed by the base64 of 24 to 64 random bytes."))


def _is_webhook_secret(value):
    try:
        size = len(base64.b64decode(value.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        return False
    return value.startswith("whsec_") and 24 <= size <= 64
