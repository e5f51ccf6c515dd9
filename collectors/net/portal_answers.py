"""What a portal's answers look like: text in, the agreed keys with the agreed types out.

The contract is docs/portal.openapi.yaml, and a test holds this to it.

It stands with the client and not in `vm112`: the rooms `vm112` and `dns` (for DKIM) both read these
answers, and rooms of one level never import each other.
"""

import json
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict

from collectors.names import DomainError, normalize_domain
from collectors.stored import SigningKey
from collectors.text import Text, _

MAX_ENTRIES = 1000  # services or server names in one answer


class CarbonioAnswer(TypedDict):
    """GET …/carbonio."""

    status: str
    services: dict[str, str]
    accounts: int
    dkim: SigningKey | None


class NginxAnswer(TypedDict, total=False):
    """GET …/nginx; without a virtual host there may be nothing else to say."""

    vhost: bool
    server_names: list[str]
    tls: bool
    config_ok: bool
    running: bool


class CertificateAnswer(TypedDict):
    """GET …/certificate."""

    pem: str


class DomainsAnswer(TypedDict):
    """GET …/domains: the names as the portal spells them."""

    domains: list[str]


class InvalidPortalAnswer(ValueError):
    """The answer is not what was agreed; `message` says how, and names the field."""

    def __init__(self, message: Text):
        super().__init__(str(message))
        self.message = message


def read_answer(
    what: str, status: int, text: str | None, domain: str
) -> tuple[Mapping[str, Any], str]:
    """(data, detail) of a 200 or 404 answer; raises InvalidPortalAnswer.

    `text` is None where the body was not UTF-8. A 404 counts only with the portal's own error body:
    one of another server in its place says nothing of the domain. That no list of domains is
    offered says nothing of any, so there every 404 does.
    """
    if what == "domains" and status == 404:
        return {}, ""
    answer = _object(text, status)
    if status == 404:
        if not answer.get("detail"):
            raise InvalidPortalAnswer(
                _(
                    "HTTP 404 without the portal's “detail”, so something else may be answering in "
                    "its place."
                )
            )
        detail = answer["detail"]
        return {}, detail if isinstance(detail, str) else json.dumps(detail)[:500]
    if what != "domains":
        _same_domain(answer, domain)
    return _READERS[what](answer), ""


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3), or None."""
    value = (value or "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:12])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if not when.tzinfo:
        return None
    return max(0.0, (when.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def _object(text: str | None, status: int) -> dict[str, Any]:
    if text is None:
        raise InvalidPortalAnswer(_("it is not UTF-8 text (HTTP {status}).", status=status))
    try:
        answer = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidPortalAnswer(_("it is not JSON (HTTP {status}).", status=status)) from None
    if not isinstance(answer, dict):
        raise InvalidPortalAnswer(_("it is not a JSON object (HTTP {status}).", status=status))
    return answer


def _no_constant(name: str) -> Any:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _same_domain(answer: Mapping[str, Any], domain: str) -> None:
    """An answer that names its domain must name the one that was asked for."""
    if "domain" not in answer:
        return
    named = answer["domain"]
    try:
        same = named == domain or normalize_domain(named) == domain
    except DomainError:
        same = False
    if not same:
        raise InvalidPortalAnswer(
            _("it is about another domain than the one that was asked for (field “domain”).")
        )


def _field(answer: Mapping[str, Any], name: str, kind: type) -> Any:
    """The value of a field that must be there; bool is no int here, and 12.0 is one, as in JSON
    Schema."""
    value = answer.get(name)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        expected = {
            str: _("text"),
            bool: _("true or false"),
            int: _("a number"),
            dict: _("an object"),
            list: _("a list"),
        }[kind]
        if name not in answer:
            raise InvalidPortalAnswer(_("the field “{field}” is missing.", field=name))
        raise InvalidPortalAnswer(
            _("the field “{field}” is not {expected}.", field=name, expected=expected)
        )
    return value


def _all_text(values: Collection[object], name: str) -> None:
    if len(values) > MAX_ENTRIES or not all(isinstance(v, str) for v in values):
        raise InvalidPortalAnswer(
            _(
                "the field “{field}” holds something else than text, or too many entries.",
                field=name,
            )
        )


def _carbonio(answer: Mapping[str, Any]) -> CarbonioAnswer:
    services = _field(answer, "services", dict)
    _all_text(services.values(), "services")
    accounts = _field(answer, "accounts", int)
    if not 0 <= accounts < 2**53:
        raise InvalidPortalAnswer(_("the field “{field}” is out of range.", field="accounts"))
    if "dkim" not in answer:
        raise InvalidPortalAnswer(_("the field “{field}” is missing.", field="dkim"))
    dkim: SigningKey | None = None
    if answer["dkim"] is not None:
        key = {f"dkim.{name}": value for name, value in _field(answer, "dkim", dict).items()}
        dkim = {
            "selector": _field(key, "dkim.selector", str),
            "public_key": _field(key, "dkim.public_key", str),
        }
        for name, value in dkim.items():
            if not value:
                raise InvalidPortalAnswer(_("the field “{field}” is empty.", field=f"dkim.{name}"))
    return {
        "status": _field(answer, "status", str),
        "services": services,
        "accounts": accounts,
        "dkim": dkim,
    }


def _nginx(answer: Mapping[str, Any]) -> NginxAnswer:
    data: NginxAnswer = {"vhost": _field(answer, "vhost", bool)}
    told = answer if not data["vhost"] else _NGINX  # what must be there, or what is
    if "server_names" in told:
        data["server_names"] = _field(answer, "server_names", list)
    if "tls" in told:
        data["tls"] = _field(answer, "tls", bool)
    if "config_ok" in told:
        data["config_ok"] = _field(answer, "config_ok", bool)
    if "running" in told:
        data["running"] = _field(answer, "running", bool)
    _all_text(data.get("server_names", ()), "server_names")
    return data


def _certificate(answer: Mapping[str, Any]) -> CertificateAnswer:
    return {"pem": _field(answer, "pem", str)}


def _domains(answer: Mapping[str, Any]) -> DomainsAnswer:
    names = []
    for listed in _field(answer, "domains", list):
        entry = _field({"domains[]": listed}, "domains[]", dict)
        names.append(_field(entry, "domain", str))
        if "type" in entry:
            _field(entry, "type", str)
    return {"domains": names}


_NGINX = ("server_names", "tls", "config_ok", "running")
_READERS: dict[str, Callable[[Mapping[str, Any]], Mapping[str, Any]]] = {
    "carbonio": _carbonio,
    "nginx": _nginx,
    "certificate": _certificate,
    "domains": _domains,
}
