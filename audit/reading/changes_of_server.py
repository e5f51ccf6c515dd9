"""What changed of the mail server and of the webmail, in words: domain, virtual host, certificate,
visit."""

import re
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from audit.reading.change_words import LONGEST, Pair, Said, addresses, lists_of, pair_of, print_of
from audit.results.evidence import dict_of, dicts_of
from audit.results.seen import stored_moment
from collectors.stored import Evidence
from collectors.text import clean, fill

_ATTRIBUTE = re.compile(r", (?=[A-Za-z0-9.]+=)")  # where one of a name ends; a value has commas too


def carbonio(said: Said, before: Evidence, after: Evidence) -> None:
    """What the portal says of the domain: known, status, services, key."""
    asked = pair_of(before, after, "portal")
    said.turned(
        tuple({200: True, 404: False}.get(_http_status(side)) for side in asked),
        on=_("Carbonio knows the domain now."),
        off=_("Carbonio does not know the domain any more."),
    )
    old, new = (dict_of(side.get("answer")) for side in asked)
    said.moved(
        _("The domain's status in Carbonio is {after} now instead of {before}."),
        (old.get("status"), new.get("status")),
    )
    services = [dict_of(side.get("services")) for side in (old, new)]
    if all(services):
        runs = [{n for n, state in s.items() if state == "running"} for s in services]
        stopped = sorted(n for n in runs[0] - runs[1] if n in services[1])
        started = sorted(n for n in runs[1] - runs[0] if n in services[0])
        if stopped:
            said.say(_("Services that stopped: {values}."), values=stopped)
        if started:
            said.say(_("Services that run again: {values}."), values=started)
    if "dkim" in old and "dkim" in new and old["dkim"] != new["dkim"]:
        keys = dict_of(old["dkim"]), dict_of(new["dkim"])
        if all(keys):
            said.say(_("The server signs with another DKIM key."))
        else:
            said.turned(
                (bool(keys[0]), bool(keys[1])),
                on=_("The server has a DKIM key now."),
                off=_("The server has no DKIM key any more."),
            )


def nginx(said: Said, before: Evidence, after: Evidence) -> None:
    """What the portal says of the virtual host."""
    said.moved(
        _("Our settings: the virtual host {after} is looked for now instead of {before}."),
        (before.get("host"), after.get("host")),
    )
    asked = pair_of(before, after, "portal")
    answers = [
        {"vhost": False} if _http_status(side) == 404 else dict_of(side.get("answer"))
        for side in asked
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
        lists_of(answers[0], answers[1], "server_names"),
        added=_("Names of the virtual host: added {values}."),
        removed=_("Names of the virtual host: removed {values}."),
    )


def certificate(said: Said, before: Evidence, after: Evidence) -> None:
    """The certificate that is served, and the one that is configured."""
    said.moved(
        _("Our settings: the certificate of {after} is looked at now instead of {before}."),
        (before.get("host"), after.get("host")),
    )
    served = pair_of(before, after, "served")
    portal = pair_of(before, after, "portal")
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
    shown = [dict_of(side.get("certificate")) for side in served]
    if not any("names_in_all" in side for side in shown):  # of which the first alone are kept
        said.exchanged(
            lists_of(shown[0], shown[1], "names"),
            added=_("Names of the certificate: added {values}."),
            removed=_("Names of the certificate: removed {values}."),
        )
    said.turned(
        tuple(side.get("trusted") for side in served),
        on=_("Clients trust the certificate now."),
        off=_("Clients do not trust the certificate any more."),
    )
    nodes = pair_of(before, after, "nodes")
    for address in nodes[0].keys() & nodes[1].keys():
        prints = [print_of(dict_of(side[address])) for side in nodes]
        if all(prints) and prints[0] != prints[1]:
            said.say(_("Another certificate is served at {address}."), address=address)


def _certificates(said: Said, sides: Pair, *, other: str, new: str, gone: str) -> None:
    pair = [dict_of(side.get("certificate")) for side in sides]
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
    parts = _ATTRIBUTE.split(str(certificate.get("issuer", "")))
    named = dict(part.split("=", 1) for part in parts if "=" in part)
    return clean(" ".join(named[n] for n in ("O", "CN") if n in named), LONGEST)


def _date(text: object) -> str:
    moment = stored_moment(text)
    return date_format(timezone.localtime(moment), "SHORT_DATE_FORMAT") if moment else ""


def webmail(said: Said, before: Evidence, after: Evidence) -> None:
    """The visit to the webmail: where it leads, and what it comes to."""
    said.moved(
        _("Our settings: the webmail address is {after} now instead of {before}."),
        (before.get("url"), after.get("url")),
    )
    addresses(
        said,
        before,
        after,
        leads=_("The webmail name leads to {after} now instead of {before}."),
        gone=_("The webmail name has no address any more; before: {before}."),
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
    for row in dicts_of(requests):
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


def _http_status(answer: Mapping[str, Any]) -> int:
    status = answer.get("http_status")
    return status if type(status) is int else 0
