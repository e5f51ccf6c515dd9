"""SPF (RFC 7208): may the tenant send for the domain?"""

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from collectors.base import Fault, Outcome
from collectors.net_dns import Lookup
from collectors.standards.spf import MAX_LOOKUPS, MAX_VOID_LOOKUPS, check_host
from collectors.standards.spf_record import is_spf, record_text, scan
from collectors.text import _, show_bytes

from . import spf_fix as fixes
from . import spf_says as says
from .apex_alias import instead_of_alias
from .spf_draft import Published, settled
from .spf_judge import Judge
from .spf_tree import Branch, read_tree
from .wildcards import at_every_name

STRANGER = "192.0.2.1"  # judges a record where no sending address is known; nobody sends from it (RFC 5737)
QUERIES = 38  # for one address; with the other lookups of the check it stays within what one check may ask
MISPLACED = ("{domain}.{domain}", "_spf.{domain}", "spf.{domain}")


@dataclass
class _Audit:
    """One domain under audit: what it is asked with, and what was seen."""

    target: object
    net: object
    evidence: dict = field(default_factory=dict)
    findings: list = field(default_factory=list)

    @property
    def domain(self):
        return self.target.domain

    @property
    def sender(self):
        return f"postmaster@{self.domain}"

    @property
    def addresses(self):
        """The sending addresses, mapped ones as IPv4, each once."""
        found = [ip_address(str(a).strip()) for a in self.target.sending_ips]
        return [str(a) for a in dict.fromkeys((a.version == 6 and a.ipv4_mapped) or a for a in found)]

    def terms(self):
        return fixes.authorising_terms(include=self.target.spf_include, addresses=self.addresses)

    async def tree(self, text, domain=None):
        """The tree of a record, as far as it can be read in the time that is left."""
        branch = Branch(domain or self.domain)
        ip = ip_address((self.addresses or [STRANGER])[0])
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.net.seconds_left):
                await read_tree(domain=branch.domain, text=text, net=self.net, ip=ip, sender=self.sender, known=branch)
        return branch

    async def judge(self, text, name, *, draft=False):
        """The Judge of a record at `name`, evaluated for every address, with its whole tree; `draft`: it is not published."""
        resolver = Published(self.net.resolver, self.domain, text) if draft else self.net.resolver
        reading = asyncio.create_task(self.tree(text))
        results = []
        try:
            for address in self.addresses or [STRANGER]:
                result = await check_host(
                    ip=address, domain=self.domain, sender=self.sender, helo=self.domain, resolver=resolver, max_queries=QUERIES
                )
                results.append(result)
                if result.reason == "too_many_queries":
                    break  # so it is for every other address, and the queries are used up
            tree = await reading
        finally:
            reading.cancel()
        return Judge(self.target, name, tree, results, judged=bool(self.addresses))


async def audit(target, net):
    """The outcome of `dns_spf`. A fault of the lookup of the record itself is raised."""
    look = _Audit(target, net)
    old = asyncio.create_task(_obsolete(look))  # some servers never answer this type, so it is not waited for until the end
    try:
        apex = await net.lookup(target.domain, "TXT")
        # Sorted: servers turn the order around, and a fix must not change with it.
        texts = sorted(record_text(t) for t in apex.texts if is_spf(t))
        look.evidence = {"result": apex.result, "record": [show_bytes(t.encode("latin-1")) for t in texts]}
        name = apex.chain[-1] if apex.chain else target.domain
        if not texts:
            summary = await _missing(look, apex, name, old)
        elif len(texts) > 1:
            summary = await _several(look, texts, name)
        else:
            summary = await _one(look, texts[0], name)
        obsolete = await old
    finally:
        old.cancel()
    look.findings = [replace(f, fix=instead_of_alias(f.fix, target.domain, apex.chain)) for f in look.findings]
    if obsolete:
        look.evidence["type_99"] = [show_bytes(t) for t in obsolete]
        look.findings.append(says.type_99(bool(texts), fixes.without_type_99(name, obsolete)))
    return Outcome(summary, look.findings, look.evidence)


async def _obsolete(look):
    """The records of type SPF (99); none where they cannot be had in time."""
    try:
        async with asyncio.timeout(look.net.seconds_left):
            return (await look.net.lookup(look.domain, "SPF")).texts
    except (Fault, TimeoutError):
        return []


async def _one(look, text, name):
    """Exactly one record: evaluate it for every address, and read its whole tree."""
    judge = await look.judge(text, name)
    tree, results, proposal, fix, remaining = judge.tree, judge.results, judge.proposal(), None, ()
    if proposal.value not in (None, text):
        draft = await settled(look, proposal, name, idle=judge.idle)
        fix, remaining = fixes.replacement(domain=name, current=text, proposal=draft.proposal, costs=draft.costs), draft.remaining
    look.findings += judge.findings(fix, remaining)
    look.evidence |= {
        "dns_lookups": {"count": tree.lookups, "limit": MAX_LOOKUPS, "complete": not tree.unread},
        "void_lookups": {"count": max(r.void_lookups for r in results), "limit": MAX_VOID_LOOKUPS},
        "tree": list(tree.rows()),
        "addresses": [r.to_dict() for r in results],
    }
    if not look.addresses:
        look.evidence["note"] = f"no sending address is configured; evaluated for {STRANGER}, from which nobody sends"
        return _("The SPF record is in order; no sending address is configured to hold it against.")
    return _("All sending addresses pass SPF; DNS lookups: {n} (limit {limit}).", n=tree.lookups, limit=MAX_LOOKUPS)


async def _several(look, texts, name):
    """More than one record: nobody evaluates any of them."""
    look.evidence["tree"] = [row for text in texts[:MAX_LOOKUPS] for row in (await look.tree(text)).rows()]
    # None of their terms works now, so one that would spoil the merged record can go; one that only costs lookups may be needed.
    merged = fixes.merged(texts, look.terms())
    idle = frozenset(t.text.lower() for t in scan(merged.value).directives if t.name == "include") if merged.value else frozenset()
    draft = await settled(look, merged, name, idle=idle, trim=False)
    fix = fixes.replacement(domain=name, current=texts[0], proposal=draft.proposal, costs=draft.costs, others=texts[1:])
    finding = says.multiple(len(texts), fix)
    look.findings.append(finding)
    return finding.message


async def _missing(look, apex, name, old):
    """No record: look at the usual wrong places, and say what to publish."""
    almost = [(t, better) for t in apex.texts if (better := _unwrapped(t))]
    elsewhere = await _elsewhere(look)
    look.evidence["misplaced"] = [{"name": n, "record": text} for n, text in elsewhere]
    doubled = [(n, text) for n, text in elsewhere if n == f"{look.domain}.{look.domain}"]
    obsolete = [record_text(t) for t in await old if is_spf(t)]
    drafts = [better for _t, better in almost] + obsolete + [text for _n, text in doubled + elsewhere]
    proposal = fixes.repaired(drafts[0], look.terms()) if drafts else fixes.new_record(look.terms())
    if proposal.value is None:
        proposal = fixes.new_record(look.terms())
    instead_of = show_bytes(almost[0][0]) if almost else None
    draft = await settled(look, proposal, name)
    fix = fixes.addition(domain=name, proposal=draft.proposal, costs=draft.costs, instead_of=instead_of, misplaced=doubled)
    finding = says.missing(apex.result, fix, instead_of, alias_of=name if apex.chain else "")
    look.findings.append(finding)
    look.findings += [says.misplaced(place, name, fix) for place in dict.fromkeys(place for place, _text in elsewhere)]
    return finding.message


def _unwrapped(raw):
    """The SPF record in a text that would be one without stray quotes, blanks or a byte order mark around it, or None."""
    bare = raw.removeprefix(b"\xef\xbb\xbf").strip(b" \t\r\n\"'\\")
    if bare.lower().startswith(b"spf1 "):
        bare = b"v=" + bare
    return record_text(bare) if is_spf(bare) and not is_spf(raw) else None


async def _elsewhere(look):
    """(name, text) of SPF records in the usual wrong places; what cannot be looked up is passed over."""
    names = [m.format(domain=look.domain) for m in MISPLACED]
    names = [n for n in names if len(n) <= 253]
    found = await asyncio.gather(*(look.net.lookup(n, "TXT") for n in names), return_exceptions=True)
    for answer in found:
        if isinstance(answer, BaseException) and not isinstance(answer, Fault):
            raise answer
    there = [(n, f) for n, f in zip(names, found, strict=True) if isinstance(f, Lookup) and any(is_spf(t) for t in f.texts)]
    everywhere = await at_every_name(look.net, look.domain) if there else None
    there = [(n, f) for n, f in there if not (everywhere and sorted(f.texts) == sorted(everywhere.texts))]
    return [(n, record_text(t)) for n, f in there for t in f.texts if is_spf(t)][:10]
