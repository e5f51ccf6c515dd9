"""What changed in a domain's DNS, in words: SPF, DMARC, DKIM, MX."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from audit.reading.change_words import (
    Said,
    addresses,
    difference,
    is_plain,
    lists_of,
    pair_of,
    print_of,
)
from audit.results.evidence import dict_of, dicts_of, texts_of
from collectors.stored import Evidence


def spf(said: Said, before: Evidence, after: Evidence) -> None:
    """SPF: the record, what it includes, what it costs."""
    old, new = (texts_of(side.get("record")) for side in (before, after))
    both = "record" in before and "record" in after
    if both and len(old) < 2 and len(new) < 2:
        _spf_record(said, ("".join(old), "".join(new)), "")
    elif both and old != new:
        said.moved(_("SPF records: {after} now instead of {before}."), (len(old), len(new)))
        said.exchanged(
            (old, new),
            added=_("SPF records: added {values}."),
            removed=_("SPF records: removed {values}."),
        )
    trees = [_records_of_tree(side.get("tree")) for side in (before, after)]
    for name in trees[0]:
        if name in trees[1]:
            _spf_record(said, (trees[0][name], trees[1][name]), name)
    costs = pair_of(before, after, "dns_lookups")
    counts = tuple(side.get("count") for side in costs)
    said.moved(_("DNS lookups of the SPF record: {after} now instead of {before}."), counts)
    voids = pair_of(before, after, "void_lookups")
    counts = tuple(side.get("count") for side in voids)
    said.moved(_("SPF lookups that find nothing: {after} now instead of {before}."), counts)


def _spf_record(said: Said, records: tuple[str, str], name: str) -> None:
    """What became of one record, the customer's own or one that it includes (`name`); '': there is
    none."""
    if all(records):
        _spf_terms(said, records, name)
    elif records[1]:
        said.say(_of(said, name, _came), domain=name, record=records[1])
    elif records[0]:
        said.say(_of(said, name, _went), domain=name, record=records[0])


def _spf_terms(said: Said, records: tuple[str, str], name: str) -> None:
    """The terms of one record."""
    old, new = (text.split()[1:] for text in records)
    more, less = difference(old, new)
    by_name = {_term_name(term): term for term in more}
    for term in list(less):
        key = _term_name(term)
        if key in by_name and (key in _SINGLE or _bare(term) == _bare(by_name[key])):
            less.remove(term)
            now = by_name.pop(key)
            more.remove(now)
            said.say(_of(said, name, _became), domain=name, before=term, after=now)
    if more:
        said.say(_of(said, name, _added), domain=name, values=more)
    if less:
        said.say(_of(said, name, _removed), domain=name, values=less)
    if old != new and Counter(old) == Counter(new):
        said.say(_of(said, name, _turned), domain=name)


_SINGLE = {"all", "redirect", "exp"}  # terms that a record has once
# each of the customer's record, of ours, of another one that is included


def _became() -> tuple[str, str, str]:
    return (
        _("SPF: {before} became {after}."),
        _("Our SPF record {domain}: {before} became {after}."),
        _("{domain}, which SPF includes: {before} became {after}."),
    )


def _added() -> tuple[str, str, str]:
    return (
        _("SPF: added {values}."),
        _("Our SPF record {domain}: added {values}."),
        _("{domain}, which SPF includes: added {values}."),
    )


def _removed() -> tuple[str, str, str]:
    return (
        _("SPF: removed {values}."),
        _("Our SPF record {domain}: removed {values}."),
        _("{domain}, which SPF includes: removed {values}."),
    )


def _turned() -> tuple[str, str, str]:
    return (
        _("SPF: the same terms in another order."),
        _("Our SPF record {domain}: the same terms in another order."),
        _("{domain}, which SPF includes: the same terms in another order."),
    )


def _came() -> tuple[str, str, str]:
    return (
        _("An SPF record was published: {record}"),
        _("Our SPF record {domain} was published: {record}"),
        _("{domain}, which SPF includes, has an SPF record now: {record}"),
    )


def _went() -> tuple[str, str, str]:
    return (
        _("The SPF record is gone; it was: {record}"),
        _("Our SPF record {domain} is gone; it was: {record}"),
        _("{domain}, which SPF includes, has no SPF record any more; it was: {record}"),
    )


def _of(said: Said, name: str, ways: Callable[[], tuple[str, str, str]]) -> str:
    theirs, ours, strangers = ways()
    return strangers if name and name not in said.own else ours if name else theirs


def _term_name(term: str) -> str:
    bare = _bare(term)
    for mark in ":=/":
        bare = bare.partition(mark)[0]
    return bare if bare in _SINGLE else _bare(term)


def _bare(term: str) -> str:
    """A term without its qualifier."""
    return term.lower().lstrip("+-~?")


def _records_of_tree(tree: object) -> dict[str, str]:
    """{name: record} of what a tree of SPF records includes; '' where there is none."""
    found: dict[str, str] = {}
    for row in dicts_of(tree):
        if row.get("depth") and isinstance(row.get("record"), str):
            found[str(row.get("domain"))] = row["record"]
        elif row.get("depth") and row.get("problem") == "missing":
            found[str(row.get("domain"))] = ""
    return found


def dmarc(said: Said, before: Evidence, after: Evidence) -> None:
    """DMARC: the records on the walk, the policy's place, who takes reports."""
    walks = [
        {str(row.get("name")): texts_of(row.get("records")) for row in dicts_of(side.get("walk"))}
        for side in (before, after)
    ]
    if not all(isinstance(side.get("walk"), list) for side in (before, after)):
        texts = [[text] for side in (before, after) if isinstance(text := side.get("record"), str)]
        walks = [{"": texts[0]}, {"": texts[1]}] if len(texts) == 2 else [{}, {}]
    for name, old in walks[0].items():
        new = walks[1].get(name)
        if new is None or old == new:
            continue
        if len(old) == len(new) == 1:
            _dmarc_tags(said, old[0], new[0])
        elif not old and len(new) == 1:
            said.say(
                _("A DMARC record was published at {name}: {record}"), name=name, record=new[0]
            )
        elif len(old) == 1 and not new:
            said.say(
                _("The DMARC record at {name} is gone; it was: {record}"), name=name, record=old[0]
            )
        else:
            said.moved(
                _("DMARC records at {name}: {after} now instead of {before}."),
                (len(old), len(new)),
                name=name,
            )
            said.exchanged(
                (old, new),
                added=_("DMARC records at {name}: added {values}."),
                removed=_("DMARC records at {name}: removed {values}."),
                name=name,
            )
    policies = pair_of(before, after, "policy")
    said.moved(
        _("The DMARC policy comes from {after} now instead of {before}."),
        tuple(side.get("from") for side in policies),
    )
    reports = [
        {str(row.get("uri")): row.get("authorised") for row in dicts_of(side.get("reports"))}
        for side in (before, after)
    ]
    for uri in reports[0].keys() & reports[1].keys():
        pair = reports[0][uri], reports[1][uri]
        if pair == (False, True):
            said.say(_("{address} takes the reports now."), address=uri)
        elif pair == (True, False):
            said.say(_("{address} does not take the reports any more."), address=uri)


def _dmarc_tags(said: Said, before: str, after: str) -> None:
    old, new = _tags(before), _tags(after)
    for tag in dict.fromkeys([*old, *new]):
        if tag not in old:
            said.say(_("DMARC: added {tag}={value}."), tag=tag, value=new[tag])
        elif tag not in new:
            said.say(_("DMARC: removed {tag}={value}."), tag=tag, value=old[tag])
        else:
            said.moved(
                _("DMARC: {tag} is {after} now instead of {before}."), (old[tag], new[tag]), tag=tag
            )
    if old == new and before != after:
        said.say(_("DMARC: the same tags, written otherwise."))


def _tags(record: str) -> dict[str, str]:
    """{tag: value} of a record of tags; the first of each counts."""
    found: dict[str, str] = {}
    for part in record.split(";"):
        tag, equals, value = part.partition("=")
        if equals and (name := tag.strip().lower()):
            found.setdefault(name, value.strip())
    return found


def dkim(said: Said, before: Evidence, after: Evidence) -> None:
    """DKIM: the keys of the selectors, and the one that the server signs with."""
    sides = [
        {str(row.get("selector")): row for row in dicts_of(side.get("selectors"))}
        for side in (before, after)
    ]
    for selector, old in sides[0].items():
        new = sides[1].get(selector)
        if new is not None:
            _dkim_key(said, selector, old, new)
    signing = pair_of(before, after, "signing")
    if any(signing) and "signing" in before and "signing" in after:
        said.moved(
            _("The server signs with the selector {after} now instead of {before}."),
            tuple(side.get("selector") for side in signing),
        )
        said.moved(
            _("The key that the server signs with is another one: {after} instead of {before}."),
            tuple(print_of(side) for side in signing),
        )
    elif signing[1] and is_plain(before.get("portal")):
        said.say(
            _("The portal names a key now that the server signs with (selector {selector})."),
            selector=signing[1].get("selector"),
        )
    elif signing[0] and is_plain(after.get("portal")):
        said.say(_("The portal names no key any more that the server signs with."))


def _dkim_key(said: Said, selector: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    pair = print_of(dict_of(old.get("key"))), print_of(dict_of(new.get("key")))
    if pair[0] and pair[1]:
        said.moved(
            _("The DKIM key of selector {selector} is another one: {after} instead of {before}."),
            pair,
            selector=selector,
        )
        if pair[0] == pair[1] and old.get("txt") != new.get("txt"):
            said.say(
                _("The DKIM record of selector {selector} has the same key and other tags."),
                selector=selector,
            )
    elif pair[1]:
        said.say(
            _("A DKIM key was published for selector {selector}: {print}."),
            selector=selector,
            print=pair[1],
        )
    elif pair[0]:
        said.say(
            _("The DKIM key of selector {selector} is gone; it was {print}."),
            selector=selector,
            print=pair[0],
        )


def _our_host() -> tuple[str, str]:
    return (
        _("Our mail host {host} leads to {after} now instead of {before}."),
        _("Our mail host {host} has no address any more; before: {before}."),
    )


def _other_host() -> tuple[str, str]:
    return (
        _("{host} leads to {after} now instead of {before}."),
        _("{host} has no address any more; before: {before}."),
    )


def mx(said: Said, before: Evidence, after: Evidence) -> None:
    """MX: whether the domain exists, its exchanges and where they lead, its zone, name servers."""
    results = before.get("result"), after.get("result")
    if all(results) and results[0] != results[1] and "NXDOMAIN" in results:
        said.turned(
            (results[0] != "NXDOMAIN", results[1] != "NXDOMAIN"),
            on=_("The domain exists in DNS again."),
            off=_("The domain does not exist in DNS any more."),
        )
    if isinstance(before.get("mx"), list) and isinstance(after.get("mx"), list):
        more, less = difference(texts_of(before["mx"]), texts_of(after["mx"]))
        by_host = {text.rpartition(" ")[2]: text for text in more}
        for text in list(less):
            preference, _blank, host = text.rpartition(" ")
            if host in by_host:
                less.remove(text)
                more.remove(now := by_host.pop(host))
                said.moved(
                    _("MX: {host} has the preference {after} now instead of {before}."),
                    (preference, now.rpartition(" ")[0]),
                    host=host,
                )
        said.exchanged(
            (less, more), added=_("MX: added {values}."), removed=_("MX: removed {values}.")
        )
    hosts = [
        {str(row.get("host")): row for row in dicts_of(side.get("exchanges"))}
        for side in (before, after)
    ]
    for host, old in hosts[0].items():
        if new := hosts[1].get(host):
            leads, gone = _our_host() if new.get("ours") else _other_host()
            addresses(said, old, new, leads=leads, gone=gone, host=host)
    said.moved(
        _("The domain stands in the zone {after} now instead of {before}."),
        (before.get("zone"), after.get("zone")),
    )
    said.exchanged(
        [sorted(side) for side in lists_of(before, after, "name_servers")],
        added=_("Name servers: added {values}."),
        removed=_("Name servers: removed {values}."),
    )
    said.exchanged(
        lists_of(before, after, "mail_hosts"),
        added=_("Our settings: mail hosts added: {values}."),
        removed=_("Our settings: mail hosts removed: {values}."),
    )
