"""What a portal's answers look like: text in, the agreed keys with the agreed types out."""

import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .names import DomainError, normalize_domain
from .text import Text, _

MAX_ENTRIES = 1000  # services or server names in one answer


class Misshapen(ValueError):
    """The answer is not what was agreed; `message` says what is wrong with it, and names the field where it is one."""

    def __init__(self, message: Text):
        super().__init__(str(message))
        self.message = message


def shaped(what, status, text, domain):
    """(data, detail) of a 200 or 404 answer; `text` is None where the body was not UTF-8. Raises Misshapen.

    A 404 counts only with the portal's own error body: one of another server in its place says nothing of the domain.
    """
    answer = _object(text, status)
    if status == 404:
        if "detail" not in answer:
            raise Misshapen(_("HTTP 404 without the portal's “detail”, so something else may be answering in its place."))
        detail = answer["detail"]
        return {}, detail if isinstance(detail, str) else json.dumps(detail)[:500]
    _same_domain(answer, domain)
    return _SHAPES[what](answer), ""


def retry_after(value):
    """Seconds that a Retry-After header asks for (RFC 9110 section 10.2.3: a number or a date); None where it says nothing."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds()) if when.tzinfo else None


def _object(text, status):
    if text is None:
        raise Misshapen(_("it is not UTF-8 text (HTTP {status}).", status=status))
    try:
        answer = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Misshapen(_("it is not JSON (HTTP {status}).", status=status)) from None
    if not isinstance(answer, dict):
        raise Misshapen(_("it is not a JSON object (HTTP {status}).", status=status))
    return answer


def _no_constant(name):
    raise ValueError(name)  # NaN and Infinity are not JSON


def _same_domain(answer, domain):
    """An answer that names its domain must name the one that was asked for."""
    if "domain" not in answer:
        return
    named = answer["domain"]
    try:
        same = named == domain or normalize_domain(named) == domain
    except DomainError:
        same = False
    if not same:
        raise Misshapen(_("it is about another domain than the one that was asked for (field “domain”)."))


def _field(answer, name, kind):
    """The value of a field that must be there; bool is no int here."""
    value = answer.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        expected = {str: _("text"), bool: _("true or false"), int: _("a number"), dict: _("an object"), list: _("a list")}[kind]
        if name not in answer:
            raise Misshapen(_("the field “{field}” is missing.", field=name))
        raise Misshapen(_("the field “{field}” is not {expected}.", field=name, expected=expected))
    return value


def _all_text(values, name):
    if len(values) > MAX_ENTRIES or not all(isinstance(v, str) for v in values):
        raise Misshapen(_("the field “{field}” holds something else than text, or too many entries.", field=name))


def _carbonio(answer):
    services = _field(answer, "services", dict)
    _all_text(services.values(), "services")
    accounts = _field(answer, "accounts", int)
    if not 0 <= accounts < 2**53:
        raise Misshapen(_("the field “{field}” is out of range.", field="accounts"))
    if "dkim" not in answer:
        raise Misshapen(_("the field “{field}” is missing.", field="dkim"))
    dkim = None
    if answer["dkim"] is not None:
        inner = _field(answer, "dkim", dict)
        inner = {f"dkim.{key}": value for key, value in inner.items()}
        dkim = {key: _field(inner, f"dkim.{key}", str) for key in ("selector", "public_key")}
    return {"status": _field(answer, "status", str), "services": services, "accounts": accounts, "dkim": dkim}


def _nginx(answer):
    vhost = _field(answer, "vhost", bool)
    data = {"vhost": vhost}
    for name, kind in (("server_names", list), ("tls", bool), ("config_ok", bool), ("running", bool)):
        if vhost or name in answer:  # where there is no virtual host there may be nothing to say of it
            data[name] = _field(answer, name, kind)
    _all_text(data.get("server_names", ()), "server_names")
    return data


def _certificate(answer):
    return {"pem": _field(answer, "pem", str)}


_SHAPES = {"carbonio": _carbonio, "nginx": _nginx, "certificate": _certificate}
