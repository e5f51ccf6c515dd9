"""What changed, in words: sentences in the reader's language from the evidence before and after.

No sentence speaks of times that an audit took. Our settings' changes are told apart.
"""

from collections.abc import Callable, Collection

from django.utils.translation import gettext as _

from audit.models import AuditDomain, CheckTransition, Tenant
from audit.reading import changes_of_dns, changes_of_server
from audit.reading.change_words import Pair, Said, lists_of, pair_of
from collectors.base import Status
from collectors.stored import Evidence

MOST = 8  # sentences about one change
SINCE = 40  # transitions of a domain that are read for what changed since it was ok


def sentences(
    check_id: str, before: Evidence, after: Evidence, *, own: Collection[str] = ()
) -> list[str]:
    """What differs between two evidences of a check, at most MOST sentences.

    `own`: the tenant's names, so that a change of our DNS is called ours. Without evidence on one
    side, as of a first answer, there is nothing to say.
    """
    if not before or not after or check_id not in _CHECKS:
        return []
    said = Said(own)
    _CHECKS[check_id](said, before, after)
    _settings(said, pair_of(before, after, "expected"))
    return said.sentences[:MOST]


def of_transition(change: CheckTransition, own: Collection[str] = ()) -> list[str]:
    """What changed with this transition."""
    return sentences(change.check_id, change.evidence_before, change.evidence_after, own=own)


def own_names_of(tenant: Tenant) -> set[str]:
    """The names in a tenant's settings that customers' records refer to."""
    names = [*tenant.mail_hosts, tenant.spf_include, tenant.webmail_target]
    return {str(name).lower().removesuffix(".") for name in names if name}


def since_ok(domain: AuditDomain, check_ids: Collection[str]) -> dict[str, list[str]]:
    """{check_id: what changed since it was last ok, oldest first}, of these checks that are not;
    one query. Nothing of one that was never seen ok, as far as transitions are kept."""
    if not check_ids:
        return {}
    rows = CheckTransition.objects.filter(domain=domain, check_id__in=check_ids)
    found: dict[str, list[list[str]]] = {}
    ended: set[str] = set()
    own = own_names_of(domain.tenant)
    for change in rows.exclude(from_status="").order_by("-at", "-id")[:SINCE]:
        if change.check_id not in ended:
            found.setdefault(change.check_id, []).append(of_transition(change, own))
        if change.from_status == Status.OK:
            ended.add(change.check_id)
    kept = {}
    for check_id in ended:
        said = [text for change in found[check_id][::-1] for text in change]
        kept[check_id] = list(dict.fromkeys(said))[:MOST]
    return kept


def _settings(said: Said, pair: Pair) -> None:
    """What we expect of a domain, changed by us."""
    before, after = pair
    lists = {
        "sending_ips": (
            _("Our settings: sending addresses added: {values}."),
            _("Our settings: sending addresses removed: {values}."),
        ),
        "dkim_selectors": (
            _("Our settings: DKIM selectors of the domain added: {values}."),
            _("Our settings: DKIM selectors of the domain removed: {values}."),
        ),
        "tenant_dkim_selectors": (
            _("Our settings: DKIM selectors added: {values}."),
            _("Our settings: DKIM selectors removed: {values}."),
        ),
        "webmail_addresses": (
            _("Our settings: webmail addresses added: {values}."),
            _("Our settings: webmail addresses removed: {values}."),
        ),
    }
    for name, (added, removed) in lists.items():
        said.exchanged(lists_of(before, after, name), added=added, removed=removed)
    texts = {
        "spf_include": _("Our settings: the SPF include is {after} now instead of {before}."),
        "dmarc_rua": _("Our settings: the report address is {after} now instead of {before}."),
        "webmail_target": _("Our settings: the webmail target is {after} now instead of {before}."),
    }
    for name, sentence in texts.items():
        if name in before and name in after:
            empty = _("none")
            said.moved(sentence, (before[name] or empty, after[name] or empty))


_CHECKS: dict[str, Callable[[Said, Evidence, Evidence], None]] = {
    "carbonio": changes_of_server.carbonio,
    "nginx_vhost": changes_of_server.nginx,
    "cert_le": changes_of_server.certificate,
    "dns_mx": changes_of_dns.mx,
    "dns_spf": changes_of_dns.spf,
    "dns_dkim": changes_of_dns.dkim,
    "dns_dmarc": changes_of_dns.dmarc,
    "webmail_http": changes_of_server.webmail,
}
