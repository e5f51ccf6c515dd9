"""Name servers that do not answer, as the cause that the domains in their zones share. Pure.

Our resolver works, or the lookup would have failed of that: so it is these servers, or the way to
them. That is what could not be measured, and no fault of a domain.
"""

from collections.abc import Mapping, Sequence

from audit.models.known_zone import zone_in
from audit.results.evidence import dicts_of
from collectors.base import CheckResult, Finding, Status, unknown
from collectors.names import is_below
from collectors.text import Text, _

CHECK = "dns_mx"  # its lookup is at the zone's apex, where no alias leads elsewhere
CODES = ("dns_timeout", "dns_servfail", "dns_refused")
LISTED = 4  # servers that are named


def silent(results: Mapping[str, CheckResult]) -> tuple[tuple[str, ...], str] | None:
    """`(the name servers, the code of how they failed)` in this audit, where they are known."""
    result = results.get(CHECK)
    if result is None or result.status != Status.UNKNOWN:
        return None
    known, failed = zone_in(result.evidence), _failed(result)
    if not known.zone or not failed:
        return None
    return known.name_servers, failed


def answered(results: Mapping[str, CheckResult]) -> bool:
    """Whether they have answered in this audit, whatever else could not be measured."""
    result = results.get(CHECK)
    return result is not None and (result.status != Status.UNKNOWN or "mx" in result.evidence)


def finding_of(code: str, servers: Sequence[str]) -> Finding:
    """What is said of name servers that fail in this way."""
    return unknown(code, _sentence(code, short(servers)))


def short(servers: Sequence[str]) -> str:
    """`ns1/ns2.dns.example, ns.other.example`: the servers, those with one parent together."""
    named = servers[:LISTED]
    of: dict[str, list[str]] = {}
    for host in named:
        label, _dot, parent = host.partition(".")
        of.setdefault(parent, []).append(label)
    text = ", ".join(f"{'/'.join(labels)}.{parent}" for parent, labels in of.items())
    return text + (", …" if len(servers) > len(named) else "")


def _failed(result: CheckResult) -> str:
    """The code of the fault that the lookup of the domain's own MX records met; '' for none."""
    zone = zone_in(result.evidence).zone
    for lookup in dicts_of(result.evidence.get("lookups")):
        own = lookup.get("type") == "MX" and is_below(str(lookup.get("name")), zone)
        if own and lookup.get("result") in CODES:
            return str(lookup["result"])
    return ""


def _sentence(code: str, servers: str) -> Text:
    ways = {
        "dns_timeout": _("The name servers {servers} do not answer.", servers=servers),
        "dns_servfail": _("The name servers {servers} fail (SERVFAIL).", servers=servers),
        "dns_refused": _("The name servers {servers} refuse to answer.", servers=servers),
    }
    return _(
        "{what} Our resolver answers for other names: it is these servers, or the way to them. "
        "While that lasts, mail for the domains in their zones may not arrive.",
        what=ways[code],
    )
