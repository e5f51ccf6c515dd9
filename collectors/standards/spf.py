"""check_host() of RFC 7208: may this address send for this domain? With a trace of every term that was looked at.

The resolver is passed in; nothing else is reached. Bounded whatever the zones hold: RFC 7208's own limits, and
MAX_QUERIES calls of the resolver.
"""

import asyncio
import time
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import dns.exception
import dns.resolver
import idna

from . import spf_macros as macros
from .spf_record import Record, SpfSyntaxError, is_spf, parse, record_text
from .spf_trace import Evaluation, SpfResult, Step, shown_name

MAX_LOOKUPS = 10  # terms that cause lookups (section 4.6.4)
MAX_VOID_LOOKUPS = 2
MAX_MX = 10
MAX_PTR = 10
MAX_QUERIES = 40  # calls of the resolver in one check_host
MAX_EXPLANATION = 4096

_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


async def check_host(*, ip, domain, sender, helo="", resolver, receiver="unknown") -> SpfResult:
    """Evaluate the SPF policy of `domain` (the sender's domain, or the HELO name) for mail from `ip`.

    `sender`: the MAIL FROM mailbox, or "" (then postmaster@helo counts, section 2.4). `resolver`: anything with
    dnspython's `async resolve(qname, rdtype)` that returns rdata objects and raises dnspython's exceptions; NXDOMAIN and
    NoAnswer are absences, every other DNSException is a temperror. Never raises for what DNS or the record hold;
    ValueError where `ip` is not an address.
    """
    return await _CheckHost(ip, domain, sender, helo, resolver, receiver).run()


@dataclass(eq=False)
class _Stop(Exception):
    """The whole evaluation ends here: permerror or temperror, why, and where."""

    result: str
    reason: str
    subject: str = ""  # the name or the detail it is about
    fault: Exception | None = None
    syntax: SpfSyntaxError | None = None
    step: Step | None = None
    domain: str = ""


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
    lookups: int = 0
    voids: int = 0
    queries: int = 0
    records: dict = field(default_factory=dict)  # domain -> record text
    answers: dict = field(default_factory=dict)  # (name, type) -> rdata list, or the exception

    def __post_init__(self):
        address = ip_address(str(self.ip).partition("%")[0])
        self.ip = (address.version == 6 and address.ipv4_mapped) or address
        self.host_type = "A" if self.ip.version == 4 else "AAAA"
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
        except _Stop as stop:
            return self._result(root, stop.result, stop=stop)
        explanation = await self._explanation(policy) if policy.result == "fail" else ""
        return self._result(root, policy.result, explanation=explanation)

    def _result(self, root, result, *, explanation="", stop=None):
        root.result = result
        return SpfResult(
            result=result,
            explanation=explanation,
            ip=str(self.ip),
            domain=self.domain,
            sender=self.sender,
            reason=stop.reason if stop else "",
            subject=stop.subject if stop else "",
            where=stop.domain if stop else "",
            term=stop.syntax.term if stop and stop.syntax else stop.step.term if stop and stop.step else "",
            index=stop.syntax.index if stop and stop.syntax else stop.step.index if stop and stop.step else 0,
            offset=stop.syntax.offset if stop and stop.syntax else stop.step.offset if stop and stop.step else 0,
            syntax=stop.syntax if stop else None,
            fault=stop.fault if stop else None,
            lookups=self.lookups,
            void_lookups=self.voids,
            queries=self.queries,
            records=self.records,
            trace=root,
        )

    # -- records and terms

    async def _evaluate(self, domain, evaluation, path):
        """The policy of one domain; fills `evaluation`. Raises _Stop. `path`: the domains that led here."""
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
        except _Stop as stop:
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
            found = [raw for raw in (_joined(r) for r in await self._query(domain, "TXT")) if is_spf(raw)]
        except _Stop as stop:
            stop.domain = domain
            raise
        if len(found) > 1:
            raise _Stop("permerror", "multiple", domain, domain=domain)
        if not found:
            return None
        evaluation.record = self.records[domain] = record_text(found[0])
        try:
            return parse(evaluation.record)
        except SpfSyntaxError as error:
            raise _Stop("permerror", "syntax", error.why, syntax=error, domain=domain) from None

    async def _matches(self, term, step, domain, path):
        """True if the directive matches (section 5)."""
        if term.name == "all":
            return True
        if term.network is not None:
            return self.ip.version == term.network.version and self.ip in term.network
        if term.name == "include":
            policy = await self._other(term, step, domain, path, "include_missing")
            return policy.result == "pass"
        self._count(step)
        name = await self._target(term, step, domain)
        if not macros.is_name(name):
            step.note = "malformed_name"  # RFC 7208 leaves it open (section 4.8); taken as a name that does not exist
            return False
        if term.name == "ptr":
            return await self._ptr(name, step)
        if term.name == "exists":
            return bool(await self._counted(name, "A", step))
        hosts = [name] if term.name == "a" else await self._exchanges(name, step)
        return await self._any_host(hosts, term, step)

    async def _other(self, term, step, domain, path, missing):
        """The policy of the domain that include or redirect names; it must have one (sections 5.2 and 6.1)."""
        self._count(step)
        name = await self._target(term, step, domain)
        if name in path:
            # The same record for the same mail once more: it can only end at the limit, so it ends here.
            raise _Stop("permerror", "loop", " → ".join(shown_name(n) for n in (*path[path.index(name) :], name)))
        step.child = Evaluation(name)
        policy = await self._evaluate(name, step.child, path)
        if policy.result == "none":
            raise _Stop("permerror", missing, name)
        return policy

    async def _target(self, term, step, domain):
        """The name that the term is about, in lower case: its domain-spec expanded, or the domain itself."""
        name = macros.to_name(await self._expand(term.spec, domain)).lower() if term.spec else domain
        step.target = name
        return name

    async def _exchanges(self, name, step):
        found = await self._counted(name, "MX", step)
        if len(found) > MAX_MX:
            raise _Stop("permerror", "too_many_mx", str(len(found)))
        hosts = [_name(r.exchange) for r in sorted(found, key=lambda r: r.preference)]
        return [h for h in dict.fromkeys(hosts) if macros.is_name(h)]  # the null MX (RFC 7505) is no host

    async def _any_host(self, hosts, term, step):
        """True if an address of one of the hosts matches; in their order, though asked at the same time."""
        prefix = term.prefix4 if self.ip.version == 4 else term.prefix6
        answers = await asyncio.gather(*(self._query(h, self.host_type) for h in hosts), return_exceptions=True)
        for answer in answers:
            for rdata in self._void(_value(answer), step):
                step.seen.append(str(rdata.address))
                if self.ip in ip_network((rdata.address, prefix), strict=False):
                    return True
        return False

    async def _ptr(self, name, step):
        """True if a name of the address, confirmed by its own addresses, is `name` or below it (section 5.5)."""
        found = await self._pointers()
        if found is None:
            step.note = "lookup_failed"
            return False
        self._void(found, step)
        below = [n for n in found if n == name or n.endswith("." + name)]
        step.seen += below
        confirmed = await asyncio.gather(*(self._confirmed(n) for n in below), return_exceptions=True)
        return any(_value(c) for c in confirmed)

    async def _pointers(self):
        """The first ten names of the address; None where the lookup failed, which is a mismatch (section 5.5)."""
        try:
            answer = await self._query(self.ip.reverse_pointer, "PTR")
        except _Stop as stop:
            if stop.result == "permerror":
                raise
            return None
        return [_name(r.target) for r in answer][:MAX_PTR]

    async def _confirmed(self, name):
        try:
            return any(ip_address(r.address) == self.ip for r in await self._query(name, self.host_type))
        except _Stop as stop:
            if stop.result == "permerror":
                raise
            return False

    # -- macros

    async def _expand(self, parts, domain):
        values = macros.values_for(
            ip=self.ip, domain=domain, sender=self.sender, helo=self.helo, receiver=self.receiver, timestamp=self.timestamp
        )
        values["p"] = await self._validated_name(domain) if macros.uses(parts, "p") else ""
        return macros.expand(parts, values)

    async def _validated_name(self, domain):
        """The `p` macro (section 7.3): a confirmed name of the address, best the domain itself or one below it."""
        names = await self._pointers() or []
        for name in sorted(names, key=lambda n: (n != domain, not n.endswith("." + domain))):
            if await self._confirmed(name):
                return name
        return "unknown"

    async def _explanation(self, policy):
        """The domain's explanation of a fail, or "" where it has none that can be used (section 6.2)."""
        domain, record = policy.decided_by
        modifier = record.modifier("exp")
        if not modifier:
            return ""
        try:
            found = await self._query(macros.to_name(await self._expand(modifier.spec, domain)).lower(), "TXT")
            if len(found) != 1:
                return ""
            text = _joined(found[0]).decode("ascii")
            parts = macros.read_macros(text, letters=macros.EXPLANATION_LETTERS, spaces=True)
            return (await self._expand(parts, domain))[:MAX_EXPLANATION]
        except (_Stop, UnicodeDecodeError, macros.MacroError):
            return ""

    # -- lookups and limits

    def _count(self, step):
        self.lookups += 1
        step.lookups += 1
        if self.lookups > MAX_LOOKUPS:
            raise _Stop("permerror", "too_many_lookups", str(self.lookups))

    async def _counted(self, name, rdtype, step):
        return self._void(await self._query(name, rdtype), step)

    def _void(self, answer, step):
        """`answer` itself; counted where it is empty."""
        if not answer:
            self.voids += 1
            step.void_lookups += 1
            if self.voids > MAX_VOID_LOOKUPS:
                raise _Stop("permerror", "too_many_void_lookups", str(self.voids))
        return answer

    async def _query(self, name, rdtype):
        """The rdata of a lookup, [] for NXDOMAIN and NODATA. Raises _Stop for a fault, and beyond MAX_QUERIES."""
        if not macros.is_name(name):
            return []
        key = (name, rdtype)
        if key not in self.answers:
            if self.queries >= MAX_QUERIES:
                raise _Stop("permerror", "too_many_queries", str(MAX_QUERIES))
            self.queries += 1
            self.answers[key] = await self._ask(name, rdtype)
        if isinstance(self.answers[key], Exception):
            fault = self.answers[key]
            raise _Stop("temperror", fault_code(fault), f"{rdtype} {name}", fault=fault)
        return self.answers[key]

    async def _ask(self, name, rdtype):
        try:
            # In a name's text form a backslash escapes; here it is a character of a label.
            return list(await self.resolver.resolve(name.replace("\\", "\\\\"), rdtype))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as fault:
            return fault


def fault_code(fault):
    """The stable code of a failed lookup: the exception's own, or the one for dnspython's class."""
    code = getattr(fault, "code", None)
    if isinstance(code, str):
        return code
    if isinstance(fault, (dns.exception.Timeout, TimeoutError)):
        return "dns_timeout"
    if isinstance(fault, dns.resolver.NoNameservers):
        return "dns_servfail"
    return "dns_unreachable" if isinstance(fault, OSError) else "dns_bad_response"


def _value(answer):
    """An entry of gather(): its value, or its exception raised."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _joined(rdata):
    return b"".join(getattr(rdata, "strings", ()))


def _name(name):
    """A name from DNS as its labels in text; a dot or another odd byte inside a label makes it no name at all."""
    labels = [label.decode("latin-1") for label in name.labels if label]
    return "" if any("." in label for label in labels) else ".".join(labels).lower()


def _ascii(domain):
    """The A-label form (section 4.3); what has none stays as it is and is malformed."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return domain
