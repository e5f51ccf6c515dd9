"""check_host() of RFC 7208: may this address send for this domain? With a trace of every term.

The resolver is passed in; nothing else is reached. Bounded whatever the zones hold: RFC 7208's own
limits, and MAX_QUERIES calls of the resolver.
"""

import asyncio
import time
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, TypeVar

import idna

from collectors.standards.spf import macros
from collectors.standards.spf.known import KnownPolicies, KnownPolicy
from collectors.standards.spf.lookups import (
    MAX_LOOKUPS,
    MAX_QUERIES,
    MAX_VOID_LOOKUPS,
    EvaluationError,
    Lookups,
    Resolver,
    host_name,
    joined,
)
from collectors.standards.spf.record import (
    SpfRecord,
    SpfSyntaxError,
    Term,
    is_spf,
    parse,
    record_text,
)
from collectors.standards.spf.trace import RecordTrace, SpfResult, TermTrace, shown_name

__all__ = ["MAX_LOOKUPS", "MAX_QUERIES", "MAX_VOID_LOOKUPS", "check_host"]

MAX_MX = 10
MAX_ADDRESSES = 10  # of one exchange (section 4.6.4)
MAX_EXPLANATION = 4096
T = TypeVar("T")

_RESULTS = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}


async def check_host(
    *,
    ip: object,
    domain: str,
    sender: str,
    helo: str = "",
    resolver: Resolver,
    receiver: str = "unknown",
    max_queries: int = MAX_QUERIES,
    known_records: Mapping[str, str] | None = None,
    known: KnownPolicies | None = None,
) -> SpfResult:
    """Evaluate the SPF policy of `domain` (the sender's, or the HELO name) for mail from `ip`.

    `sender`: the MAIL FROM mailbox, or "" (then postmaster@helo counts, section 2.4). `resolver`:
    anything with dnspython's `async resolve(qname, rdtype)` that returns rdata objects and raises
    dnspython's exceptions; NXDOMAIN and NoAnswer are absences, every other DNSException is a
    temperror. `known_records`: the texts of records, by domain, that are not looked up. `known`:
    what includes came to in evaluations before; the result is the same without.

    Never raises for what DNS or the record hold; ValueError where `ip` is not an address. Over
    `max_queries` calls of the resolver the result is permerror.
    """
    address = _address(str(ip))
    local, _at, sender_domain = (sender or f"postmaster@{helo}").rpartition("@")
    evaluation = _Evaluation(
        asked=Lookups(resolver, address, max_queries),
        sender=f"{local or 'postmaster'}@{sender_domain}",
        helo=helo,
        receiver=receiver,
        records=dict(known_records or {}),
        known=known,
    )
    return await evaluation.run(_ascii(domain.removesuffix(".")))


@dataclass
class _Policy:
    """What a domain's record came to; `decided_by` is where the explanation is to be found."""

    result: str
    decided_by: tuple[str, SpfRecord] | None = None


class _Evaluation:
    """One check_host(): who sends, what was asked, and the records that were met."""

    def __init__(
        self,
        *,
        asked: Lookups,
        sender: str,
        helo: str,
        receiver: str,
        records: dict[str, str],
        known: KnownPolicies | None = None,
    ) -> None:
        self.asked, self.ip = asked, asked.ip
        self.sender, self.helo, self.receiver = sender, helo, receiver
        self.records, self.known, self.shown_ip = records, known, str(asked.ip)
        self.timestamp = int(time.time())

    async def run(self, domain: str) -> SpfResult:
        trace, explanation, error = RecordTrace(domain), "", None
        try:
            policy = await self._evaluate(domain, trace, ())
            if policy.result == "fail" and policy.decided_by:
                explanation = await self._explanation(*policy.decided_by)
        except EvaluationError as stopped:
            error = stopped
            trace.result = stopped.result
        place = error and (error.syntax or error.term)
        return SpfResult(
            result=trace.result,
            explanation=explanation,
            ip=self.shown_ip,
            domain=domain,
            sender=self.sender,
            trace=trace,
            reason=error.reason if error else "",
            subject=error.subject if error else "",
            where=error.domain if error else "",
            term=place.term if place else "",
            index=place.index if place else 0,
            offset=place.offset if place else 0,
            syntax=error.syntax if error else None,
            fault=error.fault if error else None,
            lookups=self.asked.terms,
            void_lookups=self.asked.voids,
            queries=self.asked.queries,
            records=self.records,
        )

    # -- records and terms

    async def _evaluate(self, domain: str, trace: RecordTrace, path: tuple[str, ...]) -> _Policy:
        """The policy of one domain; fills `trace`. Raises EvaluationError.

        `path`: the domains that led here.
        """
        record = await self._record(domain, trace)
        if record is None:
            trace.result = "none"
            return _Policy("none")
        path = (*path, domain)
        for directive in record.directives:
            term = TermTrace(directive.text, directive.index, directive.offset)
            trace.terms.append(term)
            matches = self._matches(directive, term, domain, path)
            if await self._locating_errors(matches, term, domain):
                term.outcome = "match"
                trace.result = _RESULTS[directive.qualifier]
                return _Policy(trace.result, (domain, record))
            term.outcome = "no match"
        redirect = record.modifier("redirect")
        if not redirect:
            trace.result = "neutral"
            return _Policy("neutral")
        term = TermTrace(redirect.text, redirect.index, redirect.offset, outcome="followed")
        trace.terms.append(term)
        followed = self._check_other(redirect, term, domain, path, "redirect_missing")
        policy = await self._locating_errors(followed, term, domain)
        trace.result = policy.result
        return policy

    @staticmethod
    async def _locating_errors(
        evaluated: Coroutine[Any, Any, T], term: TermTrace, domain: str
    ) -> T:
        """Await, and note in an error at which term it happened."""
        try:
            return await evaluated
        except EvaluationError as error:
            term.outcome = error.result
            if term.child:
                term.child.result = error.result
            if error.term is None and not error.domain:
                error.term, error.domain = term, domain
            raise

    async def _record(self, domain: str, trace: RecordTrace) -> SpfRecord | None:
        """The record of `domain`, None where there is none (sections 4.3 to 4.5)."""
        if domain not in self.records:
            if not macros.is_name(domain) or "." not in domain or domain.startswith("["):
                trace.note = "malformed_name"
                return None
            try:
                answer = await self.asked.query(domain, "TXT")
            except EvaluationError as error:
                error.domain = domain
                raise
            found = [raw for raw in map(joined, answer) if is_spf(raw)]
            if len(found) > 1:
                raise EvaluationError("permerror", "multiple", domain, domain=domain)
            if not found:
                return None
            self.records[domain] = record_text(found[0])
        elif (domain, "TXT") in self.asked.answers:
            self.asked.used.append((domain, "TXT"))
        else:
            self.asked.private += 1
        trace.record = self.records[domain]
        try:
            return parse(trace.record)
        except SpfSyntaxError as error:
            raise EvaluationError(
                "permerror", "syntax", error.why, syntax=error, domain=domain
            ) from None

    async def _matches(
        self, directive: Term, term: TermTrace, domain: str, path: tuple[str, ...]
    ) -> bool:
        """True if the directive matches (section 5)."""
        if directive.name == "all":
            return True
        if directive.network is not None:
            return self.ip in directive.network
        if directive.name == "include":
            policy = await self._check_other(directive, term, domain, path, "include_missing")
            return policy.result == "pass"
        self.asked.count_term(term)
        name = await self._target(directive, term, domain)
        if not macros.is_name(name):
            # RFC 7208 leaves it open (section 4.8); taken as a name that does not exist
            term.note = "malformed_name"
            return False
        if directive.name == "ptr":
            return await self._ptr(name, term)
        if directive.name == "exists":
            found = await self.asked.query(name, "A")
            self.asked.count_void(found, term)
            return bool(found)
        hosts = [name] if directive.name == "a" else await self._exchanges(name, term)
        return await self._any_host(hosts, directive, term)

    async def _check_other(
        self, directive: Term, term: TermTrace, domain: str, path: tuple[str, ...], missing: str
    ) -> _Policy:
        """The policy of the domain that include or redirect names (sections 5.2 and 6.1).

        It must have one: else the reason is `missing`.
        """
        self.asked.count_term(term)
        name = await self._target(directive, term, domain)
        if name in path:
            # The same record for the same mail: it can only end at the limit, so it ends here.
            circle = " → ".join(shown_name(n) for n in (*path[path.index(name) :], name))
            raise EvaluationError("permerror", "loop", circle)
        if (known := self._known(name, path)) is not None:
            term.child = known.trace
            return known.policy  # type: ignore[no-any-return]  # a _Policy
        term.child = RecordTrace(name)
        asked = self.asked
        before = (asked.terms, asked.voids, asked.private, len(asked.used))
        policy = await self._evaluate(name, term.child, path)
        if policy.result == "none":
            raise EvaluationError("permerror", missing, name)
        self._keep(policy, term.child, before)
        return policy

    # -- what an include came to before

    def _known(self, name: str, path: tuple[str, ...]) -> KnownPolicy | None:
        """The policy of a domain if it is known and evaluation would come to it; counts its cost.

        It would not where a limit is near, or where it leads back to a domain of `path`.
        """
        asked = self.asked
        found = self.known.find(name, self.shown_ip) if self.known else None
        if found is None or self.known is None or not found.names.isdisjoint(path):
            return None
        new = [query for query in found.answers if query not in asked.answers]
        if (
            asked.terms + found.terms > MAX_LOOKUPS
            or asked.voids + found.voids > MAX_VOID_LOOKUPS
            or asked.queries + len(new) > asked.max_queries
            or any(domain in self.records for domain, rdtype in new if rdtype == "TXT")
            or not self.known.still_holds(found)
        ):
            return None
        asked.terms, asked.voids = asked.terms + found.terms, asked.voids + found.voids
        asked.queries += len(new)
        asked.answers.update((query, list(found.answers[query])) for query in new)
        asked.used += found.answers
        for trace in found.trace.records():
            if trace.record is not None:
                self.records.setdefault(trace.domain, trace.record)
        return found

    def _keep(self, policy: _Policy, trace: RecordTrace, before: tuple[int, int, int, int]) -> None:
        """Let others know what a domain's policy came to, if nothing but DNS decided about it."""
        asked, (terms, voids, private, used) = self.asked, before
        if self.known is None or asked.private != private:
            return
        answers = {query: self.known.had(*query) for query in asked.used[used:]}
        if any(answer is None or "\\" in name for (name, _type), answer in answers.items()):
            return  # a fault that changed nothing, or a name that is written in another way there
        found = KnownPolicy(
            policy,
            trace,
            frozenset(t.domain for t in trace.records()),
            {query: answer for query, answer in answers.items() if answer is not None},
            asked.terms - terms,
            asked.voids - voids,
        )
        self.known.keep(trace.domain, self.shown_ip, found)

    async def _target(self, directive: Term, term: TermTrace, domain: str) -> str:
        """The name that the term is about: its domain-spec expanded, or the domain itself."""
        if not directive.spec:
            term.target = domain
        elif directive.plain_target is not None:
            term.target = directive.plain_target
        else:
            term.target = macros.to_name(await self._expand(directive.spec, domain))
        return term.target

    async def _exchanges(self, name: str, term: TermTrace) -> list[str]:
        found = await self.asked.query(name, "MX")
        self.asked.count_void(found, term)
        if len(found) > MAX_MX:
            raise EvaluationError("permerror", "too_many_mx", str(len(found)))
        hosts = [host_name(r.exchange) for r in sorted(found, key=lambda r: r.preference)]
        # The null MX (RFC 7505) is no host.
        return [h for h in dict.fromkeys(hosts) if macros.is_name(h)]

    async def _any_host(self, hosts: list[str], directive: Term, term: TermTrace) -> bool:
        """True if an address of one of the hosts matches.

        In their order, though asked at the same time.
        """
        prefix = directive.prefix4 if self.ip.version == 4 else directive.prefix6
        queries = [self.asked.query(h, self.asked.host_type) for h in hosts]
        answers = await asyncio.gather(*queries, return_exceptions=True)
        for host, answer in zip(hosts, answers, strict=True):
            found = _value(answer)
            if directive.name == "mx" and len(found) > MAX_ADDRESSES:
                raise EvaluationError("permerror", "too_many_mx_addresses", f"{host} {len(found)}")
            self.asked.count_void(found, term)
            for rdata in found:
                term.seen.append(str(rdata.address))
                if self.ip in ip_network((rdata.address, prefix), strict=False):
                    return True
        return False

    async def _ptr(self, name: str, term: TermTrace) -> bool:
        """True if a confirmed name of the address is `name` or below it (section 5.5)."""
        found = await self.asked.pointers()
        if found is None:
            term.note = "lookup_failed"
            return False
        self.asked.count_void(found, term)
        below = [n for n in dict.fromkeys(found) if n == name or n.endswith("." + name)]
        term.seen += below
        confirmed = await asyncio.gather(
            *(self.asked.confirmed(n) for n in below), return_exceptions=True
        )
        return any(_value(c) for c in confirmed)

    # -- macros

    async def _expand(self, parts: macros.MacroString, domain: str) -> str:
        self.asked.private += 1
        values = macros.values_for(
            ip=self.ip,
            domain=domain,
            sender=self.sender,
            helo=self.helo,
            receiver=self.receiver,
            timestamp=self.timestamp,
        )
        values["p"] = await self.asked.validated_name(domain) if macros.uses(parts, "p") else ""
        return macros.expand(parts, values)

    async def _explanation(self, domain: str, record: SpfRecord) -> str:
        """The domain's explanation of a fail, or "" where it has none of use (section 6.2)."""
        modifier = record.modifier("exp")
        if not modifier:
            return ""
        try:
            name = macros.to_name(await self._expand(modifier.spec, domain))
            found = await self.asked.query(name, "TXT")
            if len(found) != 1:
                return ""
            text = joined(found[0]).decode("ascii")
            parts = macros.read_macros(text, letters=macros.EXPLANATION_LETTERS, spaces=True)
            return (await self._expand(parts, domain))[:MAX_EXPLANATION]
        except (EvaluationError, UnicodeDecodeError, macros.MacroError):
            return ""


@lru_cache(maxsize=200)  # a tenant's are those of all its domains
def _address(text: str) -> IPv4Address | IPv6Address:
    address = ip_address(text.partition("%")[0])
    return (address.version == 6 and address.ipv4_mapped) or address


def _value(answer: T | BaseException) -> T:
    """An entry of gather(): its value, or its exception raised."""
    if isinstance(answer, BaseException):
        raise answer
    return answer


def _ascii(domain: str) -> str:
    """The A-label form (section 4.3); what has none stays as it is and is malformed."""
    if domain.isascii():
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True).decode().lower()
    except (idna.IDNAError, UnicodeError):
        return domain
