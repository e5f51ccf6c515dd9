"""Records as zone text: read back by dnspython, by NSD, and published in generated zones.

https://www.rfc-editor.org/rfc/rfc1035#section-5
"""

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.base import Action, DnsRecord
from collectors.names import is_below
from collectors.standards.zone_snippet import (
    TTL,
    line_of,
    quoted,
    relative,
    strings_of,
    zone_snippet,
)
from tests.collectors.dns.advice_judge import records_of
from tests.collectors.dns.customer_zones import generated
from tests.collectors.lab import look_at_all
from tests.collectors.publishing import published
from tests.collectors.zone_text import changes, loaded, taken_out

DNS_CHECKS = ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc")
NSD = shutil.which("nsd-checkzone") or shutil.which("nsd-checkzone", path="/usr/sbin")
ZONE = "kunde.test"
label = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
hosts = st.lists(label, min_size=1, max_size=3).map(".".join)
owner = st.one_of(st.just(ZONE), hosts.map(lambda n: f"{n}.{ZONE}"), st.just(f"*.{ZONE}"))
texts = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cf"]), min_size=1, max_size=700
)
data = st.one_of(
    st.tuples(st.just("TXT"), texts),
    st.tuples(st.just("MX"), st.builds("{} {}".format, st.integers(0, 65535), hosts)),
    st.tuples(st.just("MX"), st.just("0 .")),
    st.tuples(st.just("CNAME"), hosts),
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(str)),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(owner, data), min_size=1, max_size=4, unique=True))
def test_what_is_written_is_what_a_loader_reads(found):
    records = [DnsRecord(rdtype, name, value) for name, (rdtype, value) in found]
    lines = [line_of(r.type, r.name, r.value, ZONE) for r in records]
    text = zone_snippet(records, zone=ZONE, says=["Head\n@ IN A 192.0.2.66", "; x"])
    read = [r for line in lines for r in loaded(f"$ORIGIN {ZONE}.\n{line}\n", ZONE)]
    assert read == [(r.type, r.name, r.value) for r in records]
    assert "192.0.2.66" not in "".join(x for x in text.splitlines() if not x.startswith(";"))


@settings(max_examples=200)
@given(texts)
def test_long_texts_are_cut_into_strings_of_255_bytes_and_no_character_is_cut(value):
    parts = strings_of(value)
    assert "".join(parts) == value
    assert all(len(p.encode()) <= 255 for p in parts)
    assert all(len((a + b[0]).encode()) > 255 for a, b in itertools.pairwise(parts))
    assert loaded(f"@ {TTL} IN TXT {quoted('v=' + 'a' * 300)}\n", ZONE)[0][2] == "v=" + "a" * 300


def test_what_is_taken_out_or_replaced_is_a_comment_only():
    records = [
        DnsRecord("TXT", ZONE, "v=spf1 mx -all", Action.REPLACE, "v=spf1 -all"),
        DnsRecord("TXT", ZONE, "v=spf1 a", Action.REMOVE, "v=spf1 a"),
        DnsRecord("TXT", ZONE, "stays", Action.REPLACE, "stays"),
        DnsRecord("MX", ZONE, "10 mx1.host.test", Action.ADD),
    ]
    text = zone_snippet(records, zone=ZONE)
    assert loaded(text, ZONE) == [("TXT", ZONE, "v=spf1 mx -all"), ("MX", ZONE, "10 mx1.host.test")]
    assert taken_out(text, ZONE) == [("TXT", ZONE, "v=spf1 -all"), ("TXT", ZONE, "v=spf1 a")]
    assert "$ORIGIN kunde.test.\n" in text and "@ 3600 IN MX 10 mx1.host.test.\n" in text


@pytest.mark.parametrize(
    "record",
    [
        DnsRecord("A", "other.test", "192.0.2.1"),
        DnsRecord("A", "evilkunde.test", "192.0.2.1"),
        DnsRecord("A", "www.kunde.test", "no address"),
        DnsRecord("A", "www.kunde.test", "192.0.2.1\n@ IN A 192.0.2.2"),
        DnsRecord("MX", "kunde.test", "10 a b"),
        DnsRecord("NOTYPE", "kunde.test", "x"),
        DnsRecord("TXT", f"{'a' * 70}.kunde.test", "x"),
    ],
    ids=str,
)
def test_what_no_zone_of_the_customers_can_hold_is_a_comment(record):
    text = zone_snippet([record], zone=ZONE)
    assert all(x.startswith((";", "$ORIGIN")) for x in text.splitlines())
    assert loaded(text, ZONE) == []


def test_nothing_to_publish_is_no_text():
    assert zone_snippet([], zone=ZONE, says=["x"]) == ""


@pytest.mark.parametrize(
    ("name", "zone", "short"),
    [
        ("kunde.test", "kunde.test", "@"),
        ("_dmarc.kunde.test", "kunde.test", "_dmarc"),
        ("s1._domainkey.kunde.test", "kunde.test", "s1._domainkey"),
        ("_dmarc.mail.kunde.test", "kunde.test", "_dmarc.mail"),
        ("evilkunde.test", "kunde.test", ""),
        ("kunde.test", "mail.kunde.test", ""),
        ("kunde.test", "", ""),
    ],
)
def test_names_are_relative_to_the_zone_and_to_nothing_else(name, zone, short):
    assert relative(name, zone) == short


def _audit(found, names):
    return look_at_all({"names": names}, found.the_target, DNS_CHECKS, found.portal)


def _of_the_zone(results, domain):
    """What the customer publishes; the others are the host's and report receivers' own."""
    return [r for r in records_of(results.values()) if is_below(r.name, domain)]


def _sets(names):
    return {
        (name, rdtype, str(value))
        for name, types in names.items()
        for rdtype, values in types.items()
        for value in values
    }


@pytest.mark.parametrize("seed", range(40))
def test_the_zone_text_of_a_fix_publishes_what_its_records_do(seed):
    found = generated(seed)
    domain = found.customer.domain
    records = _of_the_zone(_audit(found, found.names), domain)
    text = zone_snippet(records, zone=domain)
    wanted = published(found.names, records)
    assert _sets(published(found.names, changes(text, domain))) == _sets(wanted)
    if seed % 8 == 0:  # and so the audit that follows says the same
        ours = _audit(found, published(found.names, changes(text, domain)))
        theirs = _audit(found, wanted)
        assert {c: r.status for c, r in ours.items()} == {c: r.status for c, r in theirs.items()}


@pytest.mark.skipif(not NSD, reason="NSD is not installed")
@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_nsd_loads_it_into_a_zone(seed, tmp_path):
    found = generated(seed)
    domain = found.customer.domain
    records = _of_the_zone(_audit(found, found.names), domain)
    extra = [
        DnsRecord("TXT", f"long.{domain}", 'é";\\ ' + "x" * 600),
        DnsRecord("MX", domain, "0 ."),
    ]
    assert _nsd(zone_snippet([*records, extra[0]], zone=domain, says=["; é\n x"]), domain, tmp_path)
    assert not _nsd(f"@ IN TXT {'x' * 300}", domain, tmp_path), "NSD judges nothing"


def _nsd(text, zone, folder):
    file = folder / "zone"
    soa = f"$ORIGIN {zone}.\n@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 3600\n"
    file.write_text(f"{soa}@ 3600 IN NS ns1.elsewhere.test.\n{text}")
    run = subprocess.run([NSD, zone, file], capture_output=True, text=True, check=False)
    return run.returncode == 0 and "error" not in run.stderr.lower()
