"""What people paste into the search: part of a name, or an address, URL, IP, host, finding, check.

`parse` reads the text alone; `understand` looks up, by an index, which domains are meant.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import unquote

from django.db.models import BigIntegerField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.lookups import In
from django.utils.translation import gettext as _

from audit.models import AuditCheck, AuditDomain, Seen, Tenant
from audit.results.translate import translate
from collectors.base import Status
from collectors.names import DomainError, normalize_domain, to_unicode
from collectors.registry import CHECKS
from collectors.text import clean, fill

FEW = 500  # domains that a query takes as a list
ACCENTED = 500  # names in other letters that are compared with a part in other letters
LABELS = 127  # a name has no more (RFC 1035, section 3.1)
_AROUND = " \t\r\n\f\v\u00a0\"'`´‘’‚“”„«»‹›<>()[]{}|,;!"
_CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+")
_PORT = re.compile(r":\d*$")
_SPLIT = re.compile(r"[/?#\\]")


class Kind(StrEnum):
    """As what a text is understood."""

    PART = "part"  # of a domain's name
    NAME = "name"  # a whole one
    ADDRESS = "address"
    FINDING = "finding"
    CHECK = "check"


@dataclass(frozen=True)
class Pasted:
    """A text as it was read: `value` in the spelling of what is stored. `within`: a name that came
    inside an e-mail address, a URL or a record, so that a domain is meant and no part of one."""

    kind: Kind
    value: str
    within: bool = False


@dataclass(frozen=True)
class Search:
    """The condition that domains fulfil, and what is shown in words; '' for a part of a name."""

    condition: Q
    words: str = ""


# -- the text


def parse(text: str) -> Pasted:
    """What a pasted text is; any text is something."""
    text = "".join(c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    token = _token(text)
    lower = token.lower()
    if lower in CHECKS:
        return Pasted(Kind.CHECK, lower)
    if _CODE.fullmatch(lower):
        return Pasted(Kind.FINDING, lower)
    host, within = _host(token)
    for address in (token, host):
        if found := _address(address):
            return Pasted(Kind.ADDRESS, found)
    if host.startswith("*."):
        host, within = host[2:], True
    if name := _name(host):
        return Pasted(Kind.NAME, name, within or "_" in name)
    return Pasted(Kind.PART, host.lower())


def _token(text: str) -> str:
    """The one word of a text that is looked for: `Ana <ana@x.pt>`, `10 mx.x.pt.`, “x.pt”."""
    if inner := re.search(r"<([^<>]+)>", text):
        text = inner[1]
    words = text.strip(_AROUND).split()
    if len(words) > 1:
        said = [w for w in words if "@" in w or "//" in w] or [w for w in words[-1:] if "." in w]
        words = said[:1] or [" ".join(words)]
    return words[0].strip(_AROUND) if words else ""


def _host(token: str) -> tuple[str, bool]:
    """The host in a URL or e-mail address, without port and trailing dot; whether it was in one."""
    rest = re.sub(r"(?i)^mailto:", "", token)
    _scheme, is_url, after = rest.partition("//")
    if is_url:
        rest = after
    rest, *path = _SPLIT.split(unquote(rest), maxsplit=1)
    _user, is_mail, after = rest.rpartition("@")
    host = after.strip(_AROUND)
    if host.count(":") == 1 or "]" in host:
        host = _PORT.sub("", host).strip(_AROUND)
    return host.strip(_AROUND).removesuffix("."), bool(is_url or is_mail or path)


def _address(text: str) -> str:
    text = text.strip(_AROUND)
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    return str((found.version == 6 and found.ipv4_mapped) or found)


def _name(host: str) -> str:
    """A whole name as it is stored, also one with underscores; '' for what is none."""
    try:
        return normalize_domain(host)
    except DomainError:
        host = host.lower()
        return host if _HOST.fullmatch(host) and len(host) <= Seen.LONGEST else ""


def plain(text: str) -> str:
    """A text without accents and case: `São` is `sao`."""
    apart = unicodedata.normalize("NFD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


# -- the domains


def understand(text: str) -> Search:
    """Which domains a pasted text means; at most four queries, each by an index."""
    pasted = parse(text)
    return _MEANINGS[pasted.kind](pasted)


def _by_check(pasted: Pasted) -> Search:
    title = translate(CHECKS[pasted.value].title)
    return Search(
        not_ok(pasted.value), _say(_("Shown: domains where {check} is not ok."), check=title)
    )


def _by_finding(pasted: Pasted) -> Search:
    words = _("Shown: domains that have the finding {code} now.")
    return Search(_seen(Seen.Kind.FINDING, pasted.value), _say(words, code=pasted.value))


def _by_address(pasted: Pasted) -> Search:
    """Domains that lead there; where none does, those of the server whose own address it is."""
    address = pasted.value
    if not Seen.objects.filter(kind=Seen.Kind.ADDRESS, value=address).exists():
        servers = Tenant.objects.values_list("pk", "name", "sending_ips", "webmail_addresses")
        own = {
            pk: name
            for pk, name, *lists in servers.order_by("name")
            if any(address == _address(one) for addresses in lists for one in addresses)
        }
        if own:
            words = _("Shown: domains of {server}, which has the address {address}.")
            shown = {"server": ", ".join(own.values()), "address": address}
            return Search(_of_servers(list(own)), _say(words, **shown))
    words = _("Shown: domains whose mail or webmail leads to {address}.")
    return Search(_seen(Seen.Kind.ADDRESS, address), _say(words, address=address))


def _of_servers(servers: list[int]) -> Q:
    """The condition that a domain is of one of these. Few are looked up; of many, the first in any
    order come soon: of one server by its indexes, of several by those of all domains."""
    domains = AuditDomain.objects.filter(tenant__in=servers).order_by()
    few = list(domains.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return Q(pk__in=few)
    if len(servers) == 1:
        return Q(tenant_id=servers[0])
    # +0: not to be looked up by, or all that are of these would be sorted
    tenant = ExpressionWrapper(F("tenant_id") + 0, output_field=BigIntegerField())
    return Q(In(tenant, servers))


def _by_name(pasted: Pasted) -> Search:
    """A registered domain, or a host that domains lead to, or the domain that a host lies in."""
    name = pasted.value
    registered = _nearest(name)
    if registered == name:
        words = _say(_("Shown: the domain {domain}."), domain=to_unicode(name))
        return Search(Q(domain=name), words) if pasted.within else Search(_contains(name))
    if Seen.objects.filter(kind=Seen.Kind.HOST, value=name).exists():
        words = _("Shown: domains whose mail, SPF record or webmail leads to {host}.")
        return Search(_seen(Seen.Kind.HOST, name), _say(words, host=to_unicode(name)))
    if registered:
        words = _("Shown: the domain {domain}, to which {name} belongs.")
        shown = {"domain": to_unicode(registered), "name": to_unicode(name)}
        return Search(Q(domain=registered), _say(words, **shown))
    without = plain(to_unicode(name))
    return Search(_contains(name) | _contains(without) if without.isascii() else _contains(name))


def _nearest(name: str) -> str:
    """The longest registered name that this one is, or lies below; ''."""
    labels = name.split(".")[-LABELS:]
    ways = [".".join(labels[n:]) for n in range(max(1, len(labels) - 1))]
    found = AuditDomain.objects.filter(domain__in=ways).order_by()
    return max(found.values_list("domain", flat=True), key=len, default="")


def _by_part(pasted: Pasted) -> Search:
    """A part of a name; one in other letters also without its accents, and in names in letters."""
    text = pasted.value
    if not any(c.isalnum() or c == "-" for c in text):
        return Search(Q(pk__in=()))  # quotes and dots alone: nothing to look for
    if text.isascii():
        return Search(_contains(text))
    condition = _contains(_label(text)) if _label(text) else Q(pk__in=())
    without = plain(text)
    if without.isascii():
        condition |= _contains(without)
    accented = AuditDomain.objects.filter(domain__startswith="xn--").order_by("domain")
    names = accented.values_list("domain", flat=True)[:ACCENTED]
    alike = [name for name in names if without in plain(to_unicode(name))]
    return Search(condition | Q(domain__in=alike))


def _label(text: str) -> str:
    """A label in letters as it is stored; '' where it can be none."""
    try:
        return normalize_domain(f"{text}.example").removesuffix(".example")
    except DomainError:
        return ""


def _contains(text: str) -> Q:
    return Q(domain__contains=text)


def _seen(kind: Seen.Kind, value: str) -> Q:
    return of_rows(Seen.objects.filter(kind=kind, value=value))


def not_ok(check_id: str) -> Q:
    """The condition that this check is not ok."""
    return of_rows(AuditCheck.objects.filter(check_id=check_id).exclude(status=Status.OK.value))


def of_rows(rows: QuerySet) -> Q:
    """The condition that a domain has one of these rows. Few are looked up; of many, the first in
    any order come soon."""
    few = list(rows.order_by().values_list("domain_id", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return Q(pk__in=few)
    return Q(Exists(rows.filter(domain=OuterRef("pk"))))


def _say(sentence: str, **values: str) -> str:
    return fill(sentence, {name: clean(value, 100) for name, value in values.items()})


_MEANINGS: dict[Kind, Callable[[Pasted], Search]] = {
    Kind.PART: _by_part,
    Kind.NAME: _by_name,
    Kind.ADDRESS: _by_address,
    Kind.FINDING: _by_finding,
    Kind.CHECK: _by_check,
}
