"""The company of company.toml, read and completed: every domain with all its records, answers
and pages."""

import copy
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import idna

DATA = Path(__file__).with_name("company.toml")


@dataclass(frozen=True)
class Domain:
    """A customer's domain. `name` is the A-label form; `zone` {owner: {type: [value]}}; `portal`
    {endpoint: {"status", "delay", "answer" or "shows" or "detail"}}; `webmail` {"vhost",
    "certificate", "status", "page", "delay"}."""

    name: str
    about: str
    joins: bool
    zone: dict
    rules: list
    portal: dict
    webmail: dict

    @property
    def webmail_host(self):
        return f"webmail.{self.name}"


@dataclass(frozen=True)
class Company:
    """All of it. `tenant` holds what an auditor must know of the server, apart from addresses and
    secrets; `certificates` {name: (days since it began, days until it ends)}, both counted from now
    and negative in the past."""

    host: str
    ttl: int
    default_certificate: str
    tenant: dict
    names: dict
    certificates: dict
    second: dict  # what an auditor must know of the second server
    faults: dict  # {name: {"about", …}} of the whole server, that can be switched on
    domains: dict = field(default_factory=dict)

    def zone(self, faults=()):
        """The zone of everything with these faults, in the form of zone.py."""
        names = copy.deepcopy(self.names)
        for fault in faults:
            names |= copy.deepcopy(self.faults[fault].get("names", {}))
        names = {owner: types for owner, types in names.items() if types}
        for domain in self.domains.values():
            for owner, types in domain.zone.items():
                names.setdefault(owner, {}).update(types)
        rules = [rule for fault in faults for rule in self._silenced(fault)]
        rules += [rule for d in self.domains.values() for rule in d.rules]
        return {"ttl": self.ttl, "names": names, "rules": rules}

    def _silenced(self, fault):
        """The rules by which the domains of a name server that this fault silences fail."""
        silent = self.faults[fault].get("silent")
        for domain in self.domains.values():
            if silent in domain.zone.get(domain.name, {}).get("NS", []):
                yield from (
                    {"name": name, "action": "servfail"}
                    for name in (domain.name, f"*.{domain.name}")
                )

    def portal_says(self, what, answer, faults=()):
        """An answer of the portal with these faults."""
        for fault in faults:
            answer = _merged(answer, self.faults[fault].get("portal", {}).get(what, {}))
        return answer

    def present(self):
        """The domains that are there from the beginning."""
        return [d for d in self.domains.values() if not d.joins]

    def joining(self):
        """Those that are onboarded later, in that order."""
        return [d for d in self.domains.values() if d.joins]


def load(keys, path=DATA):
    """The Company written in `path`.

    `keys` fills the placeholders of DKIM keys ({"key": base64, …}).
    """
    data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    host = data["company"]["host"]
    common = {"host": host, **keys}
    company = Company(
        host=host,
        ttl=data["company"]["ttl"],
        default_certificate=data["company"]["default_certificate"],
        tenant=_fill(data["tenant"], common),
        names=_fill(data["names"], common),
        certificates={name: tuple(days) for name, days in data["certificates"].items()},
        second=_fill(data["second"], common),
        faults=_fill(data["fault"], common),
    )
    for written in data["domain"]:
        domain = _domain(written, data["perfect"], common)
        if domain.name in company.domains:
            raise ValueError(f"{path}: {written['name']} is there twice")
        company.domains[domain.name] = domain
    return company


def _domain(written, perfect, common):
    name = idna.encode(written["name"]).decode("ascii")
    changes = {
        key: value for key, value in written.items() if key not in ("name", "about", "joins")
    }
    unknown = changes.keys() - {"zone", "rules", "portal", "webmail"}
    if unknown:
        raise ValueError(f"{written['name']}: what is {sorted(unknown)}?")
    whole = _fill(_merged(perfect, changes), {"domain": name, **common})
    zone = {}
    for owner, types in whole["zone"].items():
        kept = {rtype: values for rtype, values in types.items() if values}
        if kept:
            zone[owner.replace("@", name)] = kept
    rules = [{**rule, "name": rule["name"].replace("@", name)} for rule in whole.get("rules", [])]
    return Domain(
        name,
        written["about"],
        written.get("joins", False),
        zone,
        rules,
        whole["portal"],
        whole["webmail"],
    )


def _merged(base, changes):
    """`base` with `changes`: tables key by key, everything else replaced."""
    if not (isinstance(base, dict) and isinstance(changes, dict)):
        return copy.deepcopy(changes)
    merged = copy.deepcopy(base)
    for key, value in changes.items():
        merged[key] = _merged(merged[key], value) if key in merged else copy.deepcopy(value)
    return merged


def _fill(value, words):
    """Every string of a structure, keys too, with its {placeholders} filled."""
    if isinstance(value, dict):
        return {_fill(key, words): _fill(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, words) for inner in value]
    if isinstance(value, str):
        for word, text in words.items():
            value = value.replace("{" + word + "}", text)
    return value
