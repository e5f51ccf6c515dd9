"""What is shared between evaluations changes no result: held against evaluations without."""

import asyncio
import random
from ipaddress import ip_address

from collectors.dns.spf.tree import Branch, TreeReader
from collectors.net.dns_lookup import DnsFault, Lookup, dns_fault
from collectors.net.dns_records import Address, Exchange, Texts
from collectors.standards.spf.evaluation import check_host
from collectors.standards.spf.known import KEPT, Known, KnownPolicies
from collectors.standards.spf.record import parse_leniently
from collectors.text import clean_json

NAMES = [f"n{n}.test" for n in range(9)]
IPS = ("192.0.2.10", "2001:db8::10")
RECORDS = {
    ("a.test", "A"): (Address("192.0.2.1"), Address("192.0.2.10")),
    ("far.test", "A"): (Address("198.51.100.1"),),
    ("far.test", "AAAA"): (Address("2001:db8::10"),),
    ("mx.test", "MX"): (Exchange(10, "a.test"), Exchange(20, "gone.test")),
}
TERMS = (
    *["include:{}", "?include:{}", "include:{}"] * 3,
    *(
        "a:a.test",
        "mx:mx.test",
        "a:gone.test",
        "ip4:203.0.113.0/24",
        "ip4:192.0.2.10",
        "ip6:2001:db8::/32",
    ),
    *(
        "include:%{{d}}.test",
        "include:%{{o}}.to.test",
        "exists:%{{o}}.far.test",
        "ptr",
        "include:slow.test",
        "a:mx:wrong",
        "a",
        "+a/0",
    ),
)
ENDS = ("-all", "~all", "+all", "", "redirect={}", "exp=e.test -all")


class Session:
    """A world of lookups as a check sees it; `shown`: what would be evidence."""

    def __init__(self, zone, known):
        self.zone, self.known_spf, self.shown = zone, known, set()

    def peek(self, name, rdtype):
        records = (RECORDS | self.zone).get((name, rdtype), ())
        return None if name == "slow.test" else Lookup(name, rdtype, "NOERROR", records)

    def had(self, name, rdtype):
        self.shown.add((name, rdtype))
        return self.peek(name, rdtype)

    def ask(self, *_question):
        pass

    async def lookup(self, name, rdtype):
        found = self.had(name, rdtype)
        if found is None:
            raise dns_fault("dns_timeout", name, rdtype)
        return found

    async def resolve(self, name, rdtype):
        return (await self.lookup(name, rdtype)).records

    @property
    def policies(self):
        def had(name, rdtype):
            found = self.had(name, rdtype)
            return found and found.records

        return KnownPolicies(self.known_spf, had)


def text(pick, longest=4):
    terms = [pick.choice(TERMS).format(pick.choice(NAMES)) for _n in range(pick.randrange(longest))]
    return " ".join(["v=spf1", *terms, pick.choice(ENDS).format(pick.choice(NAMES))]).strip()


def change(zone, pick):
    key = pick.choice(NAMES), "TXT"
    zone[key] = tuple(
        Texts((text(pick).encode(),)) for _n in range(pick.choice((0, 1, 1, 1, 1, 1, 2)))
    )


def evaluated(record, domain, zone, known):
    """Results, whole traces, costs and lookups of one record of a domain, for two addresses."""
    session, seen = Session(zone, known or Known()), []
    for ip in IPS:
        result = asyncio.run(
            check_host(
                ip=ip,
                domain=domain,
                sender=f"postmaster@{domain}",
                helo=domain,
                resolver=session,
                known_records={domain: record},
                known=session.policies if known else None,
            )
        )
        assert not isinstance(result.fault, Exception) or isinstance(result.fault, DnsFault)
        seen.append((clean_json(result.to_dict()), result.queries, sorted(result.records.items())))
    return seen, session.shown


def read(record, domain, zone, known):
    session, tree = Session(zone, known or Known()), Branch(domain, parse_leniently(record))
    place = {"ip": ip_address(IPS[0]), "sender": f"postmaster@{domain}"}
    asyncio.run(TreeReader(tree, session=session, **place).read())
    every = [(b.domain, b.problem, b.parent, b.via, b.variable, b.lookups) for b in tree.walk()]
    return clean_json(tree.rows()), every, tree.passing, tree.open_term, session.shown


def worlds():
    """(zone, record, domain): zones that go on changing, of which many records are made."""
    for seed in range(30):
        pick, zone = random.Random(seed), {}
        for n in range(0, 40, 3):  # what a macro leads to is not for everybody
            zone[f"d{n}.test.to.test", "TXT"] = (Texts((text(pick).encode(),)),)
        for _n in range(40):
            change(zone, pick)
        for n in range(40):
            if n % 8 == 7:
                change(zone, pick)
            # includes may lead back to the domain itself, whose record is another than in DNS
            domain = pick.choice((f"d{n}.test", f"d{n}.test", pick.choice(NAMES)))
            yield seed, zone, text(pick, longest=7), domain


def test_evaluations_come_to_the_same_with_what_others_came_to():
    known, used = {}, 0
    for seed, zone, record, domain in worlds():
        shared = known.setdefault(seed, Known())
        alone, shown = evaluated(record, domain, zone, None)
        for _again in range(2):
            assert evaluated(record, domain, zone, shared) == (alone, shown), (record, zone)
        used += bool(shared._kept)
    assert used > 600


def test_limits_count_what_a_known_include_costs():
    ends = {(f"e{n}.test", "TXT"): "v=spf1 a:far.test -all" for n in range(3)}
    includes = {("i.test", "TXT"): "v=spf1 " + " ".join(f"include:e{n}.test" for n in range(3))}
    zone = {key: (Texts((t.encode(),)),) for key, t in (ends | includes).items()}
    known = Known()
    for count in range(7):
        record = " ".join(["v=spf1 include:i.test", *["a:far.test"] * count, "-all"])
        shared, alone = (evaluated(record, "d.test", zone, k) for k in (known, None))
        assert shared == alone
    assert alone[0][0][0]["reason"] == "too_many_lookups"
    record = "v=spf1 " + "a:far.test " * 5 + "include:i.test -all"
    assert evaluated(record, "d.test", zone, known) == evaluated(record, "d.test", zone, None)


def test_trees_are_the_same_with_branches_of_other_trees():
    known = {}
    for seed, zone, record, domain in worlds():
        alone = read(record, domain, zone, None)
        for _again in range(2):
            shared = known.setdefault(seed, Known())
            assert read(record, domain, zone, shared) == alone, (record, zone)


def test_a_tree_beyond_the_bounds_is_cut_where_it_was():
    """Which branches are cut off hangs on the order of reading, so they are read in that order."""
    wide = {(f"w{n}.test", "TXT"): f"v=spf1 include:x{n}.test -all" for n in range(12)}
    deep = {(f"x{n}.test", "TXT"): f"v=spf1 include:y{n}.test -all" for n in range(12)}
    ends = {(f"y{n}.test", "TXT"): "v=spf1 ip4:192.0.2.10 -all" for n in range(12)}
    zone = {key: (Texts((t.encode(),)),) for key, t in (wide | deep | ends).items()}
    known = Known()
    for n in range(12):
        read(f"v=spf1 include:w{n}.test -all", f"d{n}.test", zone, known)
    for count in range(1, 13):
        record = " ".join(["v=spf1", *(f"include:w{n}.test" for n in range(count)), "-all"])
        assert read(record, "d.test", zone, known) == read(record, "d.test", zone, None)


def test_what_is_kept_is_bounded():
    known = Known()
    for n in range(3 * KEPT):
        known.keep(n, "result", [(Texts((b"v=spf1 -all",)),)])
    assert len(known._kept) == KEPT and known.get(3 * KEPT - 1) and known.get(0) is None
    known.keep("large", "result", [(Texts((b"x" * 9000,)),)])
    assert known.get("large") is None
