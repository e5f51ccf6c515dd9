"""What changed, in words: sentences in the reader's language from the evidence before and after.

Evidence may be of an earlier version, cut, or a hostile zone's: what has not the expected shape
says nothing. No sentence speaks of times that an audit took. Our settings' changes are told apart.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit.models import AuditDomain, CheckTransition, Tenant
from audit.results.seen import stored_moment
from collectors.base import Status
from collectors.stored import Evidence
from collectors.text import clean, fill

MOST = 8  # sentences about one change
VALUES = 5  # of one sentence; of more it says how many
LONGEST = 80  # characters of one value
PRINT = 8  # of a fingerprint's 64 digits
SINCE = 40  # transitions of a domain that are read for what changed since it was ok
Pair = Sequence[Any]  # a part of the evidence before, and after


def sentences(
    check_id: str, before: Evidence, after: Evidence, *, own: Collection[str] = ()
) -> list[str]:
    """What differs between two evidences of a check, at most MOST sentences.

    `own`: the tenant's names, so that a change of our DNS is called ours. Without evidence on one
    side, as of a first answer, there is nothing to say.
    """
    if not before or not after or check_id not in _CHECKS:
        return []
    said = _Said(own)
    _CHECKS[check_id](said, before, after)
    _settings(said, _pair(before, after, "expected"))
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


class _Said:
    """The sentences that are said; values are cleaned, cut and counted."""

    def __init__(self, own: Collection[str]) -> None:
        self.sentences: list[str] = []
        self.own = own

    def say(self, sentence: str, **values: object) -> None:
        shown = {
            name: _listed(value) if isinstance(value, list) else _shown(value)
            for name, value in values.items()
        }
        self.sentences.append(fill(sentence, shown))

    def moved(self, sentence: str, pair: Pair, **values: object) -> None:
        """A sentence with `before` and `after`, where the two are texts or numbers that differ."""
        before, after = pair
        if before != after and _is_plain(before) and _is_plain(after):
            self.say(sentence, before=before, after=after, **values)

    def turned(self, pair: Pair, *, on: str, off: str) -> None:
        """The one sentence or the other, where a yes became a no or the other way round."""
        if tuple(pair) in ((False, True), (True, False)):
            self.say(on if pair[1] else off)

    def exchanged(self, pair: Pair, *, added: str, removed: str) -> None:
        """What a list has more, and what it has less, in its order."""
        more, less = _difference(*pair)
        if more:
            self.say(added, values=more)
        if less:
            self.say(removed, values=less)


# -- what each check saw


def _spf(said: _Said, before: Evidence, after: Evidence) -> None:
    old, new = (_texts(side.get("record")) for side in (before, after))
    both = "record" in before and "record" in after
    if both and len(old) == len(new) == 1:
        _spf_terms(said, (old[0], new[0]), "")
    elif both and not old and len(new) == 1:
        said.say(_("An SPF record was published: {record}"), record=new[0])
    elif both and len(old) == 1 and not new:
        said.say(_("The SPF record is gone; it was: {record}"), record=old[0])
    elif both and old != new:
        said.moved(
            _("There are {after} SPF records now instead of {before}."), (len(old), len(new))
        )
    trees = [_records_of_tree(side.get("tree")) for side in (before, after)]
    for name in trees[0]:
        if name in trees[1]:
            _spf_terms(said, (trees[0][name], trees[1][name]), name)
    costs = _pair(before, after, "dns_lookups")
    counts = tuple(side.get("count") for side in costs)
    said.moved(_("The SPF record costs {after} DNS lookups now instead of {before}."), counts)
    voids = _pair(before, after, "void_lookups")
    counts = tuple(side.get("count") for side in voids)
    said.moved(_("SPF lookups that find nothing: {after} now instead of {before}."), counts)


def _spf_terms(said: _Said, records: tuple[str, str], name: str) -> None:
    """The terms of one record, the customer's own or one that it includes (`name`)."""
    old, new = (text.split()[1:] for text in records)
    more, less = _difference(old, new)
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


def _of(said: _Said, name: str, ways: Callable[[], tuple[str, str, str]]) -> str:
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
    """{name: record} of what a tree of SPF records includes."""
    return {
        str(row.get("domain")): row["record"]
        for row in _dicts(tree)
        if row.get("depth") and isinstance(row.get("record"), str)
    }


def _dmarc(said: _Said, before: Evidence, after: Evidence) -> None:
    walks = [
        {str(row.get("name")): _texts(row.get("records")) for row in _dicts(side.get("walk"))}
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
                _("There are {after} DMARC records at {name} now instead of {before}."),
                (len(old), len(new)),
                name=name,
            )
    policies = _pair(before, after, "policy")
    said.moved(
        _("The DMARC policy comes from {after} now instead of {before}."),
        tuple(side.get("from") for side in policies),
    )
    reports = [
        {str(row.get("uri")): row.get("authorised") for row in _dicts(side.get("reports"))}
        for side in (before, after)
    ]
    for uri in reports[0].keys() & reports[1].keys():
        pair = reports[0][uri], reports[1][uri]
        if pair == (False, True):
            said.say(_("{address} takes the reports now."), address=uri)
        elif pair == (True, False):
            said.say(_("{address} does not take the reports any more."), address=uri)


def _dmarc_tags(said: _Said, before: str, after: str) -> None:
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


def _dkim(said: _Said, before: Evidence, after: Evidence) -> None:
    sides = [
        {str(row.get("selector")): row for row in _dicts(side.get("selectors"))}
        for side in (before, after)
    ]
    for selector, old in sides[0].items():
        new = sides[1].get(selector)
        if new is not None:
            _dkim_key(said, selector, old, new)
    signing = _pair(before, after, "signing")
    if any(signing) and "signing" in before and "signing" in after:
        said.moved(
            _("The server signs with the selector {after} now instead of {before}."),
            tuple(side.get("selector") for side in signing),
        )
        said.moved(
            _("The key that the server signs with is another one: {after} instead of {before}."),
            tuple(_print(side) for side in signing),
        )
    elif signing[1] and _is_plain(before.get("portal")):
        said.say(
            _("The portal names a key now that the server signs with (selector {selector})."),
            selector=signing[1].get("selector"),
        )
    elif signing[0] and _is_plain(after.get("portal")):
        said.say(_("The portal names no key any more that the server signs with."))


def _dkim_key(said: _Said, selector: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    pair = _print(_dict(old.get("key"))), _print(_dict(new.get("key")))
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


def _mx(said: _Said, before: Evidence, after: Evidence) -> None:
    results = before.get("result"), after.get("result")
    if all(results) and results[0] != results[1] and "NXDOMAIN" in results:
        said.turned(
            (results[0] != "NXDOMAIN", results[1] != "NXDOMAIN"),
            on=_("The domain exists in DNS again."),
            off=_("The domain does not exist in DNS any more."),
        )
    if isinstance(before.get("mx"), list) and isinstance(after.get("mx"), list):
        more, less = _difference(_texts(before["mx"]), _texts(after["mx"]))
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
        {str(row.get("host")): row for row in _dicts(side.get("exchanges"))}
        for side in (before, after)
    ]
    for host, old in hosts[0].items():
        if (new := hosts[1].get(host)) and isinstance(new.get("addresses"), list):
            leads = (
                _("Our mail host {host} leads to {after} now instead of {before}.")
                if new.get("ours")
                else _("{host} leads to {after} now instead of {before}.")
            )
            _addresses(said, leads, (old.get("addresses"), new.get("addresses")), host=host)
    said.moved(
        _("The domain stands in the zone {after} now instead of {before}."),
        (before.get("zone"), after.get("zone")),
    )
    said.exchanged(
        [sorted(side) for side in _lists(before, after, "name_servers")],
        added=_("Name servers: added {values}."),
        removed=_("Name servers: removed {values}."),
    )
    said.exchanged(
        _lists(before, after, "mail_hosts"),
        added=_("Our settings: mail hosts added: {values}."),
        removed=_("Our settings: mail hosts removed: {values}."),
    )


def _addresses(said: _Said, sentence: str, pair: Pair, **values: object) -> None:
    if all(isinstance(side, list) for side in pair):
        old, new = (sorted(_texts(side)) for side in pair)
        if old != new:
            nothing = [_("no address")]
            said.say(sentence, before=old or nothing, after=new or nothing, **values)


def _certificate(said: _Said, before: Evidence, after: Evidence) -> None:
    said.moved(
        _("Our settings: the certificate of {after} is looked at now instead of {before}."),
        (before.get("host"), after.get("host")),
    )
    served = _pair(before, after, "served")
    portal = _pair(before, after, "portal")
    _certificates(
        said,
        served,
        other=_("Another certificate is served: {after}; before: {before}."),
        new=_("A certificate is served now: {after}."),
        gone=_("No certificate can be seen from outside any more; it was: {before}."),
    )
    _certificates(
        said,
        portal,
        other=_("Another certificate is configured: {after}; before: {before}."),
        new=_("The portal knows a certificate now: {after}."),
        gone=_("The portal names no certificate any more; it was: {before}."),
    )
    names = [_dict(side.get("certificate")).get("names") for side in served]
    if all(isinstance(side, list) for side in names):
        said.exchanged(
            (_texts(names[0]), _texts(names[1])),
            added=_("Names of the certificate: added {values}."),
            removed=_("Names of the certificate: removed {values}."),
        )
    said.turned(
        tuple(side.get("trusted") for side in served),
        on=_("Clients trust the certificate now."),
        off=_("Clients do not trust the certificate any more."),
    )
    nodes = _pair(before, after, "nodes")
    for address in nodes[0].keys() & nodes[1].keys():
        prints = [_print(_dict(side[address])) for side in nodes]
        if all(prints) and prints[0] != prints[1]:
            said.say(_("Another certificate is served at {address}."), address=address)


def _certificates(said: _Said, sides: Pair, *, other: str, new: str, gone: str) -> None:
    pair = [_dict(side.get("certificate")) for side in sides]
    if not all(sides):
        return  # one side was cut, or stayed as it was
    if pair[0] and pair[1]:
        if pair[0].get("sha256") != pair[1].get("sha256"):
            said.say(other, before=_described(pair[0]), after=_described(pair[1]))
    elif pair[1]:
        said.say(new, after=_described(pair[1]))
    elif pair[0]:
        said.say(gone, before=_described(pair[0]))


def _described(certificate: Mapping[str, Any]) -> str:
    """Issuer and dates of a certificate."""
    dates = [_date(certificate.get(name)) for name in ("not_before", "not_after")]
    return ", ".join(
        part for part in (issuer_name(certificate), " – ".join(d for d in dates if d)) if part
    )


def issuer_name(certificate: Mapping[str, Any]) -> str:
    """Organisation and common name of who issued a stored certificate."""
    parts = [
        part.partition("=")
        for part in str(certificate.get("issuer", "")).split(", ")
        if "=" in part
    ]
    named = {name: value for name, _equals, value in parts}
    return clean(" ".join(named[n] for n in ("O", "CN") if n in named), LONGEST)


def _date(text: object) -> str:
    moment = stored_moment(text)
    return date_format(timezone.localtime(moment), "SHORT_DATE_FORMAT") if moment else ""


def _webmail(said: _Said, before: Evidence, after: Evidence) -> None:
    said.moved(
        _("Our settings: the webmail address is {after} now instead of {before}."),
        (before.get("url"), after.get("url")),
    )
    _addresses(
        said,
        _("The webmail name leads to {after} now instead of {before}."),
        (before.get("addresses"), after.get("addresses")),
    )
    visits = [_visits(side.get("requests")) for side in (before, after)]
    for address, old in visits[0].items():
        if new := visits[1].get(address):
            said.moved(
                _("The webmail at {address}: {after} now instead of {before}."),
                (old, new),
                address=address,
            )
    said.moved(
        _("The visit ends at {after} now instead of {before}."),
        (before.get("final_url"), after.get("final_url")),
    )
    said.moved(
        _("The title of the page is “{after}” now instead of “{before}”."),
        (before.get("title"), after.get("title")),
    )


def _visits(requests: object) -> dict[str, str]:
    """{address: what a visit there came to}."""
    found = {}
    for row in _dicts(requests):
        if isinstance(status := row.get("status"), int):
            outcome = fill(_("status {status}"), {"status": status})
        else:
            error = str(row.get("error", ""))
            outcome = {
                "refused": _("a refused connection"),
                "timeout": _("no answer in time"),
                "reset": _("a broken connection"),
                "unreachable": _("no way to it"),
                "tls": _("no valid TLS"),
            }.get(error, error)
        found[str(row.get("address", ""))] = outcome
    return found


def _carbonio(said: _Said, before: Evidence, after: Evidence) -> None:
    asked = _pair(before, after, "portal")
    said.turned(
        tuple({200: True, 404: False}.get(_status(side)) for side in asked),
        on=_("Carbonio knows the domain now."),
        off=_("Carbonio does not know the domain any more."),
    )
    old, new = (_dict(side.get("answer")) for side in asked)
    said.moved(
        _("The domain's status in Carbonio is {after} now instead of {before}."),
        (old.get("status"), new.get("status")),
    )
    services = [_dict(side.get("services")) for side in (old, new)]
    if all(services):
        runs = [{n for n, state in s.items() if state == "running"} for s in services]
        stopped = sorted(n for n in runs[0] - runs[1] if n in services[1])
        started = sorted(n for n in runs[1] - runs[0] if n in services[0])
        if stopped:
            said.say(_("Services that stopped: {values}."), values=stopped)
        if started:
            said.say(_("Services that run again: {values}."), values=started)
    if "dkim" in old and "dkim" in new and old["dkim"] != new["dkim"]:
        keys = _dict(old["dkim"]), _dict(new["dkim"])
        if all(keys):
            said.say(_("The server signs with another DKIM key."))
        else:
            said.turned(
                (bool(keys[0]), bool(keys[1])),
                on=_("The server has a DKIM key now."),
                off=_("The server has no DKIM key any more."),
            )


def _nginx(said: _Said, before: Evidence, after: Evidence) -> None:
    said.moved(
        _("Our settings: the virtual host {after} is looked for now instead of {before}."),
        (before.get("host"), after.get("host")),
    )
    asked = _pair(before, after, "portal")
    answers = [
        {"vhost": False} if _status(side) == 404 else _dict(side.get("answer")) for side in asked
    ]
    words = {
        "vhost": (_("The virtual host is there now."), _("The virtual host is gone.")),
        "tls": (_("The virtual host has TLS now."), _("The virtual host has no TLS any more.")),
        "config_ok": (
            _("The configuration of nginx has no error any more."),
            _("The configuration of nginx has an error now."),
        ),
        "running": (_("nginx runs again."), _("nginx does not run any more.")),
    }
    for name, (on, off) in words.items():
        said.turned(tuple(side.get(name) for side in answers), on=on, off=off)
    said.exchanged(
        _lists(answers[0], answers[1], "server_names"),
        added=_("Names of the virtual host: added {values}."),
        removed=_("Names of the virtual host: removed {values}."),
    )


def _settings(said: _Said, pair: Pair) -> None:
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
        said.exchanged(_lists(before, after, name), added=added, removed=removed)
    texts = {
        "spf_include": _("Our settings: the SPF include is {after} now instead of {before}."),
        "dmarc_rua": _("Our settings: the report address is {after} now instead of {before}."),
        "webmail_target": _("Our settings: the webmail target is {after} now instead of {before}."),
    }
    for name, sentence in texts.items():
        if name in before and name in after:
            empty = _("none")
            said.moved(sentence, (before[name] or empty, after[name] or empty))


_CHECKS: dict[str, Callable[[_Said, Evidence, Evidence], None]] = {
    "carbonio": _carbonio,
    "nginx_vhost": _nginx,
    "cert_le": _certificate,
    "dns_mx": _mx,
    "dns_spf": _spf,
    "dns_dkim": _dkim,
    "dns_dmarc": _dmarc,
    "webmail_http": _webmail,
}


# -- parts of evidence


def _pair(
    before: Mapping[str, Any], after: Mapping[str, Any], name: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The objects that both sides have under a name; two empty ones unless both are whole."""
    one, other = before.get(name, {}), after.get(name, {})
    return (one, other) if isinstance(one, dict) and isinstance(other, dict) else ({}, {})


def _lists(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> Pair:
    """Two lists of texts; two empty ones unless both sides have theirs."""
    sides = before.get(name), after.get(name)
    if not all(isinstance(side, list) for side in sides):
        return [], []
    return _texts(sides[0]), _texts(sides[1])


def _difference(old: Iterable[str], new: Iterable[str]) -> tuple[list[str], list[str]]:
    """(added, removed), each in its order; what stands twice counts twice."""
    old, new = list(old), list(new)
    return list((Counter(new) - Counter(old)).elements()), list(
        (Counter(old) - Counter(new)).elements()
    )


def _print(holder: Mapping[str, Any]) -> str:
    """The beginning of a fingerprint."""
    text = holder.get("sha256")
    return text[:PRINT] if isinstance(text, str) else ""


def _status(answer: Mapping[str, Any]) -> int:
    status = answer.get("http_status")
    return status if type(status) is int else 0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> list[dict[str, Any]]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _texts(value: object) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list) else []


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return clean(str(value), LONGEST)


def _listed(values: list[str]) -> str:
    text = ", ".join(_shown(value) for value in values[:VALUES])
    more = len(values) - VALUES
    return fill(_("{values} and {n} more"), {"values": text, "n": more}) if more > 0 else text
