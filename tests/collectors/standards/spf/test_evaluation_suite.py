"""check_host() held against RFC 7208 section by section, in the order of the openspf suite.

The suite has 203 cases. The other modules hold what each section is about; here stand its corners,
and dnspython's own resolver over real DNS.
https://www.rfc-editor.org/rfc/rfc7208
"""

import asyncio

import dns.asyncresolver
import pytest

from collectors.standards.spf.evaluation import check_host
from mock_tenant.dnsserver import DnsServer
from tests.collectors.spf_resolver import HOSTS, check, txt

REVERSE = {
    "10.2.0.192.in-addr.arpa": {"PTR": ["Mail.D.Test.", "loop.d.test."]},
    "mail.d.test": {"A": ["192.0.2.10"]},
    "loop.d.test": None,
}
ZONE = {
    **HOSTS,
    **REVERSE,
    "n.test": txt("v=spf1 ip4:192.0.2.10"),
    "idn.xn--zckzah": {"A": ["192.0.2.10"]},
    "_under-score.d.test": {"A": ["192.0.2.10"]},
    "r1.test": txt("v=spf1 redirect=r2.test"),
    "r2.test": txt("v=spf1 ip4:192.0.2.10 -all"),
    "many.test": {"A": [f"192.0.2.{i}" for i in range(20)]},
    "10.2.0.192.in-addr.list.test": {"A": ["127.0.0.2"]},
    "user.d.test.list.test": {"A": ["127.0.0.2"]},
    "why.test": txt("%{h} %{c} %{p}"),
    "sp.test": txt("a  b%_c%%"),
    "rec.test": txt("%{d}", ""),
}

SUITE = """
4.4 two spaces between terms | v=spf1  ip4:192.0.2.10  -all | pass
4.4 a blank at the end | v=spf1 -all  | fail
4.6 a term that is the bare sign | v=spf1 + -all | permerror
4.6 a control character in a term | v=spf1 a:ctrl.test\x0dptr -all | permerror
4.6 a byte above 127 in a value | v=spf1 a:v4\xe9.test -all | permerror
4.6 a byte above 127 in a modifier | v=spf1 ip4:192.0.2.10 foo=\xe9 -all | permerror
4.6 an unknown modifier with macros | v=spf1 foo=%{s}%_%-%%.%{r} ip4:192.0.2.10 -all | pass
4.6 an unknown modifier with an empty value | v=spf1 foo= ip4:192.0.2.10 -all | pass
4.6 an unknown modifier twice | v=spf1 foo=a foo=b ip4:192.0.2.10 -all | pass
4.6 an unknown modifier with odd name characters | v=spf1 a-b.c_9=x ip4:192.0.2.10 -all | pass
4.6 the obsolete default= | v=spf1 default=pass | neutral
4.6 an equals sign behind a colon | v=spf1 a:x=y.test ip4:192.0.2.10 -all | pass
4.6 upper case throughout | V=SPF1 IP4:192.0.2.10 -ALL | pass
4.6.2 every qualifier | v=spf1 ?ip4:192.0.2.10 -all | neutral
4.6.2 every qualifier | v=spf1 ~ip4:192.0.2.10 -all | softfail
4.7 no match and no all | v=spf1 ip4:198.51.100.1 | neutral
5.1 all with a dot | v=spf1 -all. | permerror
5.1 all twice, the first counts | v=spf1 ?all -all | neutral
5.2 include of neutral | v=spf1 include:n.test include:a.test -all | pass
5.2 include that redirects | v=spf1 include:r1.test -all | pass
5.2 include with a cidr | v=spf1 include:n.test/24 -all | permerror
5.3 a below an IDN top label | v=spf1 a:idn.xn--zckzah -all | pass
5.3 an underscore in a name | v=spf1 a:_under-score.d.test -all | pass
5.3 a top label that ends in a hyphen | v=spf1 a:x.xn-- -all | permerror
5.3 a top label of digits | v=spf1 a:x.1 -all | permerror
5.3 a NUL in a name | v=spf1 a:v4.test\x00 -all | permerror
5.3 more than ten addresses | v=spf1 a:many.test -all | pass
5.3 both prefixes zero | v=spf1 a:far.test/0//0 -all | pass
5.4 no exchange although there is an address | v=spf1 mx:a.test -all | fail
5.5 ptr without regard to case | v=spf1 ptr:D.TEST -all | pass
5.5 a pointer whose lookup fails | v=spf1 ptr:loop.d.test -all | fail
5.6 an address of the other family | v=spf1 ip6:2001:db8::10 -all | fail
5.6 prefix zero | v=spf1 ip4:198.51.100.9/0 -all | pass
5.6 a port | v=spf1 ip4:192.0.2.10:25 -all | permerror
5.7 exists asks for A only | v=spf1 exists:v6.test -all | fail
5.7 exists with reversed address | v=spf1 exists:%{ir}.%{v}.list.test -all | pass
5.7 exists with local part and domain | v=spf1 exists:%{l}.%{d}.list.test -all | pass
6.1 redirect after all | v=spf1 ?all redirect=r2.test | neutral
6.1 redirect stands first and counts last | v=spf1 redirect=r2.test ip4:192.0.2.10 | pass
6.1 redirect to a record that redirects | v=spf1 redirect=r1.test | pass
6.1 redirect and a mechanism that fails | v=spf1 a:slow.test redirect=r2.test | temperror
6.2 exp twice | v=spf1 exp=why.test exp=why.test ip4:192.0.2.10 -all | permerror
6.2 exp without a value | v=spf1 ip4:192.0.2.10 exp= -all | permerror
7.1 a macro without brace | v=spf1 exists:%d.test -all | permerror
7.1 a blank inside a macro | v=spf1 exists:%{d }.test -all | permerror
7.1 an unknown letter | v=spf1 exists:%{a}.test -all | permerror
7.1 digits zero | v=spf1 exists:%{d00}.test -all | permerror
7.1 letters in the wrong order | v=spf1 exists:%{dr1}.test -all | permerror
7.3 a name that becomes empty | v=spf1 a:%{h} -all | fail
"""


@pytest.mark.parametrize("line", SUITE.strip("\n").split("\n"))
def test_every_section_of_rfc_7208(line):
    """Case 62."""
    _section, record, expected = line.split(" | ", 2)
    zone = {**ZONE, "d.test": {"TXT": [record.encode("latin-1")], "A": ["192.0.2.99"]}}
    assert check(zone, helo="").result == expected


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("why.test", "mail.d.test 192.0.2.10 mail.d.test"),
        ("sp.test", "a  b c%"),
        ("rec.test", ""),
        ("nul.test", ""),
    ],
)
def test_explanations(name, text):
    """Case 62."""
    zone = {**ZONE, "nul.test": {"TXT": [b"a\x00b"]}, "d.test": txt(f"v=spf1 exp={name} -all")}
    assert check(zone).explanation == text


@pytest.mark.parametrize("strings", [[""], ["", ""], [b"\x00"]])
def test_texts_without_content_are_no_records(strings):
    """Case 62."""
    assert check({"d.test": {"TXT": [strings, "v=spf1 -all"]}}).result == "fail"


# -- over dnspython's own resolver and real DNS

LONG = ".".join(["a" * 63] * 3)
ODD = {
    "d.test": {"TXT": ["v=spf1 include:i.test -all"]},
    "chain0.test": {"CNAME": ["chain1.test"]},
    "chain1.test": {"CNAME": ["v4.test"]},
    "v4.test": {"A": ["192.0.2.10"]},
    "ring.test": {"CNAME": ["ring.test"]},
    'a b"c@$;().d.test': {"A": ["192.0.2.10"]},
    "text.test": {"CNAME": ["spf.test"]},
    "spf.test": {"TXT": ["v=spf1 ip4:192.0.2.10 -all"]},
    "mx.test": {"MX": ["10 v4\\.test", "20 \xff.test", "30 chain0.test"]},
}
RULES = [
    {"name": f"{action}.rule.test", "action": action}
    for action in ("servfail", "refused", "notimp", "garbage", "drop", "wrong_owner")
]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("a:chain0.test", "pass"),
        ("include:text.test", "pass"),
        ("redirect=text.test", "pass"),
        ("a:gone.test", "fail"),
        ("a:spf.test", "fail"),
        ("mx:mx.test", "pass"),
        ("a:ring.test", "temperror"),
        ("a:servfail.rule.test", "temperror"),
        ("a:refused.rule.test", "temperror"),
        ("a:notimp.rule.test", "temperror"),
        ("a:garbage.rule.test", "temperror"),
        ("a:drop.rule.test", "temperror"),
        ('a:a%_b"c@$;().d.test', "pass"),
        ("a:a\\b\\\\.d.test", "fail"),
        ("a:\\.d.test", "fail"),
        ("a:%{h}", "fail"),
        (f"a:{'a' * 64}.test", "fail"),
        (f"a:{LONG}.{LONG}.test", "fail"),
        (f"a:{'a' * 62}.{LONG}.test", "fail"),
        ("a:x..test", "fail"),
        ("a:.test", "fail"),
    ],
)
def test_with_dnspythons_own_resolver(term, expected):
    """Case 62."""

    async def ask(server):
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime, resolver.timeout = (
            [server.host],
            server.port,
            0.6,
            0.2,
        )
        return await check_host(
            ip="192.0.2.10", domain="d.test", sender="u@d.test", helo="@", resolver=resolver
        )

    end = "" if term.startswith("redirect") else " -all"
    names = {**ODD, "d.test": {"TXT": [f"v=spf1 {term}{end}"]}}
    with DnsServer({"names": names, "rules": RULES}) as server:
        assert asyncio.run(ask(server)).result == expected
