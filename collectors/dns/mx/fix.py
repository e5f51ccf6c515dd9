"""The MX record set to publish, as changes to the one that is found now."""

from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

from collectors.base import Action, DnsRecord, Fix
from collectors.dns.mx.exchanges import Exchange
from collectors.text import Text, _

MAX_CHANGES = 50  # that are listed one by one; nobody has that many exchanges


def mx_record_set(name: str, found: Sequence[Exchange], mail_hosts: Iterable[str]) -> Fix:
    """Changes after which the tenant's exchanges stand alone at `name`, each once.

    Those that are listed already stay as they are, so that mail that arrives goes on arriving; only
    where there is none are the tenant's written over the foreign ones. `found`: the exchanges now,
    best first. Without `mail_hosts` it can be said only what does not belong.
    """
    hosts = [host.lower().removesuffix(".") for host in mail_hosts]
    if not hosts:
        return without_useless(name, found)
    kept = list({x.host: x for x in reversed(found) if x.ours}.values())[::-1]
    gone = [x.text for x in found if x not in kept]
    wanted = [x.text for x in kept] or [f"{10 * at} {host}" for at, host in enumerate(hosts, 1)]
    if len(gone) > MAX_CHANGES:
        return Fix(_("The MX records should be: {set}. Remove all others.", set=_listed(wanted)))
    text = _what_changes(wanted, gone, kept=bool(kept))
    if kept:
        return Fix(text, tuple(_remove(name, record) for record in gone))
    return Fix(text, tuple(_change(name, new, old) for new, old in zip_longest(wanted, gone)))


def _what_changes(wanted: Sequence[str], gone: Sequence[str], *, kept: bool) -> Text:
    new, old = _listed(wanted), _listed(gone)
    if kept:
        return _("MX records to remove: {old}. To keep: {new}.", new=new, old=old)
    if gone:
        return _("MX records to publish: {new}, in place of: {old}.", new=new, old=old)
    return _("MX records to publish: {new}.", new=new)


def without(text: Text, hosts: Sequence[str]) -> Text:
    """The advice, with why the last of the mail hosts are not in it."""
    why = _(
        "{hosts} is left out: the SPF record names “mx”, and with one more mail host it would make "
        "more lookups that find nothing than receivers allow.",
        hosts=_listed(hosts),
    )
    return _("{text} {why}", text=text, why=why)


def _listed(records: Sequence[str]) -> str:
    return ", ".join(records[:MAX_CHANGES]) + (" …" if len(records) > MAX_CHANGES else "")


def without_useless(name: str, found: Sequence[Exchange], dead: Collection[str] = ()) -> Fix:
    """What names no host, a host again or one of `dead` removed; no records where none is left."""
    seen = set(dead)
    bad = []
    for exchange in found:
        if not exchange.host or exchange.is_literal or exchange.host in seen:
            bad.append(exchange)
        seen.add(exchange.host)
    if not bad or len(bad) == len(found) or len(bad) > MAX_CHANGES:
        return ask_operator()
    text = _what_changes([x.text for x in found if x not in bad], [x.text for x in bad], kept=True)
    return Fix(text, tuple(_remove(name, x.text) for x in bad))


def ask_operator() -> Fix:
    """Where it is not known what belongs there."""
    return Fix(
        _("Publish the MX record that the operator of the mail server gives for the domain.")
    )


def own_addresses(host: str) -> Fix:
    """For one of the tenant's own exchanges: its records are not those of the customer's domain."""
    return Fix(_("Give {host} public address records (A, AAAA) of its own.", host=host))


def _change(name: str, new: str | None, old: str | None) -> DnsRecord:
    if new is None:
        return _remove(name, old or "")
    return DnsRecord("MX", name, new, Action.REPLACE if old else Action.ADD, old)


def _remove(name: str, text: str) -> DnsRecord:
    return DnsRecord("MX", name, text, Action.REMOVE, text)
