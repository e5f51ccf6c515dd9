"""check_host() of RFC 7208: may this address send for this domain? With a trace of every term that was looked at.

The resolver is passed in; nothing else is reached. Bounded whatever the zones hold: RFC 7208's own limits, and
MAX_QUERIES calls of the resolver.
"""

import asyncio
import time
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import idna

from . import spf_macros as macros
from .spf_lookups import MAX_LOOKUPS, MAX_QUERIES, MAX_VOID_LOOKUPS, Lookups, Stop, host_name, joined
from .spf_record import Record, SpfSyntaxError, is_spf, parse, record_text
from .spf_trace import Evaluation, SpfResult, Step, shown_name

__all__ = ["MAX_LOOKUPS", "MAX_QUERIES", "MAX_VOID_LOOKUPS", "check_host"]

MAX_MX = 10
MAX_EXPLANATION = 4096

_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


async def check_host(*, ip, domain, sender, helo="", resolver, receiver="unknown", max_queries=MAX_QUERIES) -> SpfResult:
    """Evaluate the SPF policy of `domain` (the sender's domain, or the HELO name) for mail from `ip`.

    `sender`: the MAIL FROM mailbox, or "" (then postmaster@helo counts, section 2.4). `resolver`: anything with
    dnspython's `async resolve(qname, rdtype)` that returns rdata objects and raises dnspython's exceptions; NXDOMAIN and
    NoAnswer are absences, every other DNSException is a temperror. Never raises for what DNS or the record hold;
    ValueError where `ip` is not an address. Over `max_queries` calls of the resolver the result is permerror.
    """
    return await _CheckHost(ip, domain, sender, helo, resolver, receiver, max_queries).run()


@dataclass
class _Policy:
    """What a domain's record came to; `decided_by` is where the explanation is to be found."""

    result: str
    decided_by: tuple[str, Record] | None = None


@dataclass
class _CheckHost:
    ip: object
    domain: str
    sender: str
    helo: str
    resolver: object
    receiver: str
    max_queries: int
    records: dict = field(default_factory=dict)  # domain -> record text

    def __post_init__(self):
        address = ip_address(str(self.ip).partition("%")[0])
        self.ip = (address.version == 6 and address.ipv4_mapped) or address
        self.asked = Lookups(self.resolver, self.ip, self.max_queries)
        self.domain = _ascii(self.domain.removesuffix("."))
        self.helo = self.helo or ""
        mailbox = self.sender or f"postmaster@{self.helo}"
        local, _at, sender_domain = mailbox.rpartition("@")
        self.sender = f"{local or 'postmaster'}@{sender_domain}"
        self.timestamp = int(time.time())

    async def run(self):
        root = Evaluation(self.domain)
        try:
            policy = await self._evaluate(self.domain, root, ())
        except Stop as stop:
            return self._result(root, stop.result, stop=stop)
        explanation = await self._explanation(policy) if policy.result == "fail" else ""
        return self._result(root, policy.result, explanation=explanation)

    def _result(self, root, result, *, explanation="", stop=None):
        root.result = result
        place = stop and (stop.syntax or stop.step)
        return SpfResult(
            result=result,
            explanation=explanation,
            ip=str(self.ip),
            domain=self.domain,
            sender=self.sender,
            reason=stop.reason if stop else "",
            subject=stop.subject if stop else "",
            where=stop.domain if stop else "",
            term=place.term if place else "",
            index=place.index if place else 0,
            offset=place.offset if place else 0,
            syntax=stop.syntax if stop else None,
            fault=stop.fault if stop else None,
            lookups=self.asked.terms,
            void_lookups=self.asked.voids,
            queries=self.asked.queries,
            records=self.records,
            trace=root,
        )

    # -- records and terms

    async def _evaluate(self, domain, evaluation, path):
        """The policy of one domain; fills `evaluation`. Raises Stop. `path`: the domains that led here."""
        record = await self._record(domain, evaluation)
        if record is None:
            evaluation.result = "none"
            return _Policy("none")
        for term in record.directives:
            step = Step(term.text, term.index, term.offset)
            evaluation.steps.append(step)
            if await self._guarded(self._matches(term, step, domain, (*path, domain)), step, domain):
                step.outcome = "match"
                evaluation.result = _RESULTS[term.qualifier]
                return _Policy(evaluation.result, (domain, record))
            step.outcome = "no match"
        redirect = record.modifier("redirect")
        if not redirect:
            evaluation.result = "neutral"
            return _Policy("neutral")
        step = Step(redirect.text, redirect.index, redirect.offset, outcome="followed")
        evaluation.steps.append(step)
        policy = await self._guarded(self._other(redirect, step, domain, (*path, domain), "redirect_missing"), step, domain)
        evaluation.result = policy.result
        return policy

    @staticmethod
    async def _guarded(coroutine, step, domain):
        """Await, and note in what stops the evaluation at which term that was."""
        try:
            return await coroutine
        except Stop as stop:
            step.outcome = stop.result
            if step.child:
                step.child.result = stop.result
            if stop.step is None and not stop.domain:
                stop.step, stop.domain = step, domain
            raise

    async def _record(self, domain, evaluation):
        """The Record of `domain`, None where there is none (sections 4.3 to 4.5)."""
        if not macros.is_name(domain) or "." not in domain or domain.startswith("["):
            evaluation.note = "malformed_name"
            return None
        try:
            found = [raw for raw in (joined(r) for r in await self.asked.query(domain, "TXT")) if is_spf(raw)]
        except Stop as stop:
            stop.domain = domain
            raise
        if len(found) > 1:
            raise Stop("permerror", "multiple", domain, domain=domain)
        if not found:
            return None
        evaluation.record = self.records[domain] = record_text(found[0])
        try:
            return parse(evaluation.record)
        except SpfSyntaxError as error:
            raise Stop("permerror", "syntax", error.why, syntax=error, domain=domain) from None

    async def _matches(self, term, step, domain, path):
        """True if the directive matches (section 5)."""
        if term.name == "all":
            return True
        if term.network is not None:
            return self.ip.version == term.network.version and self.ip in term.network
        if term.name == "include":
            policy = await self._other(term, step, domain, path, "include_missing")
            return policy.result == "pass"
        self.asked.count(step)
        name = await self._target(term, step, domain)
        if not macros.is_name(name):
            step.note = "malformed_name"  # RFC 7208 leaves it open (section 4.8); taken as a name that does not exist
            return False
        if term.name == "ptr":
            return await self._ptr(name, step)
        if term.name == "exists":
            return bool(await self.asked.counted(name, "A", step))
        hosts = [name] if term.name == "a" else await self._exchanges(name, step)
        return await self._any_host(hosts, term, step)

    async def _other(self, term, step, domain, path, missing):
        """The policy of the domain that include or redirect names; it must have one (sections 5.2 and 6.1)."""
        self.asked.count(step)
        name = await self._target(term, step, domain)
        if name in path:
            # The same record for the same mail once more: it can only end at the limit, so it ends here.
            raise Stop("permerror", "loop", " → ".join(shown_name(n) for n in (*path[path.index(name) :], name)))
        step.child = Evaluation(name)
        policy = await self._evaluate(name, step.child, path)
        if policy.result == "none":
            raise Stop("permerror", missing, name)
        return policy

    async def _target(self, term, step, domain):
        """The name that the term is about, in lower case: its domain-spec expanded, or the domain itself."""
        name = macros.to_name(await self._expand(term.spec, domain)).lower() if term.spec else domain
        step.target = name
        return name

    async def _exchanges(self, name, step):
        found = await self.asked.counted(name, "MX", step)
        if len(found) > MAX_MX:
            raise Stop("permerror", "too_many_mx", str(len(found)))
        hosts = [host_name(r.exchange) for r in sorted(found, key=lambda r: r.preference)]
        return [h for h in dict.fromkeys(hosts) if macros.is_name(h)]  # the null MX (RFC 7505) is no host

    async def _any_host(self, hosts, term, step):
        """True if an address of one of the hosts matches; in their order, though asked at the same time."""
        prefix = term.prefix4 if self.ip.version == 4 else term.prefix6
        answers = await asyncio.gather(*(self.asked.query(h, self.asked.host_type) for h in hosts), return_exceptions=True)
        for answer in answers:
            for rdata in self.asked.void(_value(answer), step):
                step.seen.append(str(rdata.address))
                if self.ip in ip_network((rdata.address, prefix), strict=False):
                    return True
        return False

    async def _ptr(self, name, step):
        """True if a name of the address, confirmed by its own addresses, is `name` or below it (section 5.5)."""
        found = await self.asked.pointers()
        if found is None:
            step.note = "lookup_failed"
            return False
        self.asked.void(found, step)
        below = [n for n in dict.fromkeys(found) if n == name or n.endswith("." + name)]
        step.seen += below
        confirmed = await asyncio.gather(*(self.asked.confirmed(n) for n in below), return_exceptions=True)
        return any(_value(c) for c in confirmed)

    # -- macros

    async def _expand(self, parts, domain):
        values = macros.values_for(
            ip=self.ip, domain=domain, sender=self.sender, helo=self.helo, receiver=self.receiver, timestamp=self.timestamp
        )
        values["p"] = await self.asked.validated_name(domain) if macros.uses(parts, "p") else ""
        return macros.expand(parts, values)

    async def _explanation(self, policy):
        """The domain's explanation of a fail, or "" where it has none that can be used (section 6.2)."""
        domain, record = policy.decided_by
        modifier = record.modifier("exp")
        if not modifier:
            return ""
        try:
            found = await self.asked.query(macros.to_name(await self._expand(modifier.spec, domain)).lower(), "TXT")
            if len(found) != 1:
                return ""
            text = joined(found[0]).decode("ascii")
            parts = macros.read_macros(text, letters=macros.EXPLANATION_LETTERS, spaces=True)
            return (await self._expand(parts, domain))[:MAX_EXPLANATION]
        except (Stop, UnicodeDecodeError, macros.MacroError):
            return ""


def _value(answer):
    """An entry of gather(): its value, or its exception raised."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _ascii(domain):
    """The A-label form (section 4.3); what has none stays as it is and is malformed."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return domain
