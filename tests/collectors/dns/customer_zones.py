"""Zones of customers as they are found, from dice: what stands there, and what was meant by it."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from collectors.base import Target
from collectors.net.circuit_breaker import PortalFault
from collectors.standards.spf.record import is_spf
from collectors.text import _
from tests.collectors import dkim_keys as keys
from tests.collectors.dkim_check import OTHER, OTHER_KEY, RECORD, Portal, remembers, signs
from tests.collectors.dns.advice_judge import Customer, Names
from tests.collectors.dns.spf.services import ENDS, HEADS, KINDS, LOOSE, SLIPS, service
from tests.collectors.lab import target

EARLIER = f"v=DKIM1; k=rsa; p={keys.spki(name='earlier')}"
BULK = "s1.u123.bulk.test"
WORLD: Names = {
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "bad._spf.host.test": {"TXT": ["v=spf1 ip4:300.1.1.1 -all"]},
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "mx2.host.test": {"A": ["127.0.0.2"]},
    "*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]},
    "*._report._dmarc.reports.test": {"TXT": ["v=DMARC1"]},
    "mx.elsewhere.test": {"A": ["127.0.0.9"]},
    "shop.test": {
        "A": ["127.0.0.8"],
        "MX": ["10 mx.elsewhere.test."],
        "TXT": ["v=spf1 ip4:198.51.100.99 -all", "shop=1"],
    },
    "web.bulk.test": {"A": ["127.0.0.8"], "AAAA": ["2001:db8::8"]},
    BULK: {"TXT": [OTHER]},
    "d.vendor.test": {"TXT": ["v=DMARC1; p=none; rua=mailto:x@vendor.test"]},
    "*._report._dmarc.vendor.test": {"TXT": ["v=DMARC1"]},
    "two.test": {"TXT": ["v=spf1 -all", "v=spf1 ~all"]},
    "com.br": {"NS": ["ns.test."]},
    "org.test": {"NS": ["ns.test."]},
    "kunde.test": {"NS": ["ns.test."]},
}
EXCHANGES = ["mx1.host.test", "mx1.host.test", "mx2.host.test", "mx.elsewhere.test"]
EXCHANGES += ["gone.elsewhere.test", "192.0.2.1", "mx1.host.test.{domain}", "mail.{domain}"]
KEYS = (
    [RECORD],
    [RECORD],
    [[RECORD[:100], RECORD[100:]]],
    [OTHER],
    [EARLIER],
    ["v=DKIM1; p="],
    [RECORD, OTHER],
    [f'"{RECORD}"'],
    [RECORD.replace(";", "\\;")],
    [RECORD + "; t=y"],
    [OTHER.replace("DKIM1", "DKIM2")],
    ["verification=1"],
)
POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True)
class Found:
    """One generated zone with the domain to audit. `broken`: a name of the tenant's own."""

    names: Names
    customer: Customer
    the_target: Target
    portal: Portal
    broken: str = ""


def generated(seed: int) -> Found:
    """The zone that these dice make."""
    dice = random.Random(seed)
    domain = dice.choice(("kunde.test", "kunde.test", "dept.org.test", "a.b.org.test", "x.com.br"))
    names: Names = {name: dict(types) for name, types in WORLD.items()}
    texts, senders, spf = _spf(dice, names, domain)
    own = _own(dice, names, domain, texts)
    _place(dice, names, domain, own)
    held = _dkim(dice, names, domain)
    _dmarc(dice, names, domain)
    the_target, portal, broken = _tenant(dice, domain)
    senders |= {"203.0.113.25", "2001:db8::25"}
    senders |= {a for types in names.values() for t in ("A", "AAAA") for a in types.get(t, [])}
    spf = spf if texts == own.get("TXT", [])[: len(texts)] and names.get(domain) == own else ""
    customer = Customer(domain, frozenset(senders), spf, held)
    return Found(names, customer, the_target, portal, broken)


def _some(dice: random.Random, values: Any, most: int) -> list[Any]:
    return dice.sample(list(values), dice.randint(0, most))


def _spf(dice: random.Random, names: Names, domain: str) -> tuple[list[Any], set[str], str]:
    """(TXT records at the domain, addresses of other senders, the record that is meant)."""
    kinds = dice.choices(KINDS, k=dice.choice([0, 1, 2, 2, 3, 5, 9, 20]))
    services = [service(kind, n) for n, kind in enumerate(kinds)]
    for one in services:
        names.update(one.names)
    own = ["", "", "include:_spf.host.test", "include:_spf.host.test", "?include:_spf.host.test"]
    own += ["ip4:203.0.113.25", "mx", "a mx", "include:bad._spf.host.test"]
    terms = [*[s.term for s in services], *dice.choice(own).split(), *_some(dice, LOOSE, 2)]
    dice.shuffle(terms)
    slips = ["none"] * dice.choice([4, 30, 60]) + list(SLIPS)
    written = [SLIPS[dice.choice(slips)](t) for t in terms]
    texts: list[Any] = []
    parts = dice.choice([0, 1, 1, 1, 1, 1, 2, 3])
    for n in range(parts):
        head = dice.choice(dice.choice([HEADS[:1], HEADS]))
        words = [*written[n::parts], dice.choice(ENDS)]
        text = (head + " ".join(words)).rstrip() + '"' * head.count('"')
        cut = dice.randrange(1, len(text)) if dice.random() < 0.2 else 0
        if dice.random() < 0.1 and " " in text[8:]:  # the blank between two strings forgotten
            first, _blank, second = text.rpartition(" ")
            texts.append([first, second])
        else:
            texts.append([text[:cut], text[cut:]] if cut else text)
    texts = list({"".join(t): t for t in texts}.values())
    right = [is_spf("".join(t).encode()) for t in texts]
    glued = any(isinstance(t, list) for t in texts) and written != terms  # two slips in one term
    unsaid = glued or (any(right) and not all(right))
    meant = "" if unsaid else " ".join(["v=spf1", *terms, "-all"])
    return texts, {s.address for s in services}, meant if parts else ""


def _own(dice: random.Random, names: Names, domain: str, texts: list[Any]) -> dict[str, list[Any]]:
    """The records of the domain itself."""
    exchanges = [x.format(domain=domain) for x in _some(dice, EXCHANGES, 3)]
    mx = sorted({f"{dice.choice([5, 10, 20])} {x}" for x in exchanges}) or ["0 ."]
    texts = texts + ["site-verification=abc"] * (dice.random() < 0.4)
    own: dict[str, list[Any]] = {"A": ["192.0.2.80"]} if dice.random() < 0.8 else {}
    own |= {"AAAA": ["2001:db8::80"]} if dice.random() < 0.3 else {}
    own |= {"MX": ["10 mx1.host.test"]} if dice.random() < 0.4 else {}
    own |= {"MX": mx} if "MX" not in own and dice.random() < 0.75 else {}
    own |= {"TXT": texts} if texts else {}
    return own or {"A": ["192.0.2.80"]}


def _place(dice: random.Random, names: Names, domain: str, own: dict[str, list[Any]]) -> None:
    """Put the domain's records where its answers come from."""
    parent = domain.partition(".")[2]
    names[f"mail.{domain}"] = {"A": ["127.0.0.3"]}
    places = ["own"] * 5 + ["alias", "inner alias"]
    places += ["wildcard", "wildcard alias"] * (2 * (parent.count(".") > 0 and parent != "com.br"))
    place = dice.choice(places)
    if place == "own":
        names[domain] = own
        if dice.random() < 0.25:
            names[f"*.{domain}"] = _wildcard(dice)
    elif place == "alias":
        names[domain] = {"CNAME": [dice.choice(("shop.test.", "web.bulk.test.", "gone.test."))]}
    elif place == "inner alias":
        names[domain], names[f"www.{domain}"] = {"CNAME": [f"www.{domain}."]}, own
    else:
        if dice.random() < 0.7:
            del names[f"mail.{domain}"]
        names[f"*.{parent}"] = own if place == "wildcard" else {"CNAME": ["shop.test."]}
    if dice.random() < 0.1:
        names[f"*._domainkey.{domain}"] = {"TXT": [dice.choice((RECORD, OTHER, "v=DKIM1; p="))]}


def _wildcard(dice: random.Random) -> dict[str, list[Any]]:
    if dice.random() < 0.25:
        return {"CNAME": [dice.choice(("web.bulk.test.", "gone.test."))]}
    texts = ("v=spf1 -all", "token", RECORD, OTHER, "v=DKIM1; p=", "v=DMARC1; p=none")
    found = _some(dice, texts, 2)
    return {"A": ["192.0.2.7"], "MX": ["10 mx1.host.test."], **({"TXT": found} if found else {})}


def _dkim(dice: random.Random, names: Names, domain: str) -> dict[str, str]:
    """Put keys in; returns those of other services that must stand."""
    selector = f"s1._domainkey.{domain}"
    kind = dice.choice(("nothing", "text", "text", "text", "alias", "misplaced"))
    if kind == "text":
        names[selector] = {"TXT": dice.choice(KEYS)}
    elif kind == "alias":
        ends = (BULK, "gone.test", "web.bulk.test", f"k.{domain}")
        names[selector] = {"CNAME": [f"{dice.choice(ends)}."]}
        names[f"k.{domain}"] = {"TXT": dice.choice(KEYS)}
    elif kind == "misplaced":
        names[f"{selector}.{domain}"] = {"TXT": [dice.choice((RECORD, OTHER))]}
    held = {}
    if dice.random() < 0.3:
        names[f"s2._domainkey.{domain}"] = {"TXT": [OTHER]}
        held[f"s2._domainkey.{domain}"] = OTHER_KEY
    everywhere = names.get(f"*._domainkey.{domain}")  # a wildcard's key at a selector is nobody's
    if everywhere != {"TXT": [OTHER]} and names.get(selector) in (
        {"TXT": [OTHER]},
        {"CNAME": [f"{BULK}."]},
    ):
        held[selector] = OTHER_KEY
    return held


def _dmarc(dice: random.Random, names: Names, domain: str) -> None:
    name = f"_dmarc.{domain}"
    if domain.endswith(".com.br") and dice.random() < 0.6:
        names["_dmarc.com.br"] = {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@registro.br"]}
    if domain.endswith(".org.test") and dice.random() < 0.5:
        names["_dmarc.org.test"] = {"TXT": [_policy_text(dice, "org.test")]}
    kind = dice.choice(("nothing", "own", "own", "own", "own", "alias", "misplaced"))
    if kind == "own":
        count = dice.choice((1, 1, 1, 2, 3))
        found = list(dict.fromkeys(_policy_text(dice, domain) for _n in range(count)))
        names[name] = {"TXT": found + ["token"] * (dice.random() < 0.1)}
    elif kind == "alias":
        ends = ("d.vendor.test", "gone.test", f"p.{domain}")
        names[name] = {"CNAME": [f"{dice.choice(ends)}."]}
        names[f"p.{domain}"] = {"TXT": [_policy_text(dice, domain)]}
    elif kind == "misplaced":
        names[f"{name}.{domain}"] = {"TXT": [_policy_text(dice, domain)]}


def _policy_text(dice: random.Random, domain: str) -> str:
    """One DMARC text, with or without a slip."""
    form = dice.choice(("mailto:{}", "mailto:{}", "mailto:{}", "{}", "<mailto:{}>", "mailto: {}"))
    between = dice.choice((",", ",", ",", ", ", ";", " "))
    sign, end = dice.choice(
        (("=", "; "), ("=", "; "), ("=", ";"), (":", "; "), ("=", " "), ("=", ", "))
    )
    addresses = (f"d@{domain}", "x@reports.test", "dmarc@host.test", "y@unwilling.test")
    rua = between.join(form.format(a) for a in _some(dice, addresses, 2))
    tags = [f"p{sign}{dice.choice(POLICIES)}"] if dice.random() < 0.9 else []
    extra = (
        "sp{}none",
        "sp{}reject",
        "np{}reject",
        "adkim{}s",
        "aspf{}r",
        "fo{}1",
        "pct{}30",
        "t{}y",
    )
    tags += [t.format(sign) for t in _some(dice, extra, 2)]
    tags += [f"rua{sign}{rua}"] if rua else []
    tags += [f"ruf{sign}mailto:f@{domain}"] if dice.random() < 0.2 else []
    head = dice.choice(("v=DMARC1",) * 8 + ("v=dmarc1", "v:DMARC1"))
    return end.join([head, *tags]) + dice.choice(("", "", ";"))


def _tenant(dice: random.Random, domain: str) -> tuple[Target, Portal, str]:
    """(target, portal, what of the tenant's own is broken)."""
    changes: dict[str, Any] = {
        "mail_hosts": dice.choice(
            (("mx1.host.test",),) * 3 + (("mx1.host.test", "mx2.host.test"), ())
        )
    }
    changes["sending_ips"] = dice.choice(
        (("203.0.113.25",), ("203.0.113.25", "2001:db8::25"), ("203.0.113.25", "2001:db8::25"), ())
    )
    if dice.random() < 0.2:
        changes["spf_include"] = ""
    if dice.random() < 0.2:
        changes["dmarc_rua"] = ""
    changes["dkim_cname"] = dice.choice(("", "", "{selector}.{domain}.dkim.host.test"))
    broken = ""
    if dice.random() < 0.15:
        broken = dice.choice(
            ("mx9.host.test", "gone._spf.host.test", "bad._spf.host.test", "dmarc@unwilling.test")
        )
        key = "mail_hosts" if "mx" in broken else "dmarc_rua" if "@" in broken else "spf_include"
        changes[key] = (broken,) if "mx" in broken else broken
    facts = dice.choice((None, None, remembers(keys.spki(name="earlier")), remembers(keys.spki())))
    if facts:
        changes["portal_facts"] = facts
    said: Callable[[], Portal] = dice.choice((signs, signs, _silent))
    return target(domain, portal_url="http://portal.test", **changes), said(), broken


def _silent() -> Portal:
    return Portal(PortalFault("portal_timeout", _("The portal did not answer.")))
