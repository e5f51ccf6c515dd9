"""The search takes what people paste: cases 236 and 237 among it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from hypothesis import example, given
from hypothesis import strategies as st

from audit.models import AuditDomain, Seen
from audit.reading import search
from audit.reading.filters import Filters, select
from audit.reading.search import Kind, Pasted, parse, understand
from audit.results import store
from collectors.names import normalize_domain
from tests.audit import factories as make
from tests.audit.test_query_plans import plans_of, whole_tables
from tests.patient import patient

NAME, PART = Kind.NAME, Kind.PART


@pytest.fixture(autouse=True)
def english():
    """Whatever language a test before this one has left."""
    with translation.override("en"):
        yield


@pytest.mark.parametrize(
    "text, kind, value, within",
    [
        ("cliente", PART, "cliente", False),
        ("Cliente", PART, "cliente", False),
        ("  cliente.pt. ", NAME, "cliente.pt", False),
        ("CLIENTE.PT", NAME, "cliente.pt", False),
        ("ana@cliente.pt", NAME, "cliente.pt", True),
        ("Ana Sá <ana@cliente.pt>", NAME, "cliente.pt", True),
        ("mailto:ana@cliente.pt?subject=x", NAME, "cliente.pt", True),
        ('"ana@b"@cliente.pt', NAME, "cliente.pt", True),
        ("<cliente.pt>", NAME, "cliente.pt", False),
        ("“cliente.pt”,", NAME, "cliente.pt", False),
        ("https://webmail.cliente.pt/?q=a@b.pt#x", NAME, "webmail.cliente.pt", True),
        ("HTTPS://ana:x@Webmail.Cliente.PT:8443\\x", NAME, "webmail.cliente.pt", True),
        ("//cliente.pt", NAME, "cliente.pt", True),
        ("cliente.pt/webmail", NAME, "cliente.pt", True),
        ("cliente.pt:443", NAME, "cliente.pt", False),
        ("*.cliente.pt", NAME, "cliente.pt", True),
        ("_dmarc.cliente.pt.", NAME, "_dmarc.cliente.pt", True),
        ("s1._domainkey.cliente.pt", NAME, "s1._domainkey.cliente.pt", True),
        ("10 mx1.host.test.", NAME, "mx1.host.test", False),
        ("café.pt", NAME, "xn--caf-dma.pt", False),
        ("https://CAFÉ.pt", NAME, "xn--caf-dma.pt", True),
        ("São", PART, "são", False),
        ("cli\u200bente\u202e.pt", NAME, "cliente.pt", False),
        ("192.0.2.1", Kind.ADDRESS, "192.0.2.1", False),
        ("http://192.0.2.1:8080/x", Kind.ADDRESS, "192.0.2.1", False),
        ("[2001:DB8::1]:25", Kind.ADDRESS, "2001:db8::1", False),
        ("2001:db8:0::1", Kind.ADDRESS, "2001:db8::1", False),
        ("::ffff:192.0.2.1", Kind.ADDRESS, "192.0.2.1", False),
        ("ana@[192.0.2.1]", Kind.ADDRESS, "192.0.2.1", False),
        ("192.0.2", NAME, "192.0.2", False),
        ("spf_sender_not_authorised", Kind.FINDING, "spf_sender_not_authorised", False),
        ("`SPF_MISSING`", Kind.FINDING, "spf_missing", False),
        ("dns_spf", Kind.CHECK, "dns_spf", False),
        ("", PART, "", False),
        ("...", PART, "..", False),
        ("@", PART, "", False),
        ("https://", PART, "", False),
        ("http://[::1", Kind.ADDRESS, "::1", False),
        ("\0", PART, "", False),
    ],
)
def test_it_is_read_as_what_it_is(text, kind, value, within):
    assert parse(text) == Pasted(kind, value, within)


AROUND = st.sampled_from(["", " ", "  ", "\t", "\u00a0", "\u200b", '"', "“", "'", "«", "<", "("])
NAMES = st.from_regex(
    r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,5})?\.(pt|com|com\.br|example)", fullmatch=True
)


@patient
@given(st.text(max_size=300) | st.text(alphabet='a.@:/<>[]_*%\\ "-é\0\u202e1', max_size=40))
@example("%" * 50)
@example("x" * 253)
@example("xn--\u00e9.pt")
@example("http://[v1.x]/")
@example("http://[::1")
def test_any_text_is_something(text):
    """Case 236."""
    read = parse(text)
    assert read.kind in Kind
    assert "\0" not in read.value
    assert read == parse(text)


@patient
@given(NAMES, AROUND, AROUND, st.booleans())
def test_a_name_is_found_in_whatever_it_comes(name, before, after, upper):
    """Case 236: with blanks, quotes, dots and capitals around it, in a URL and in an address."""
    value = normalize_domain(name)
    written = name.upper() if upper else name
    for text in (written, written + "."):
        assert parse(before + text + after) == Pasted(NAME, value)
    for text in (
        f"ana@{written}",
        f"Ana <ana@{written}>",
        f"https://{written}/a/b?c=d@e.pt",
        f"https://{written}:8443",
        f"*.{written}",
    ):
        assert parse(before + text + after) == Pasted(NAME, value, within=True)


def found(text):
    rows = select(AuditDomain.objects.all(), Filters(q=text))
    return sorted(rows.values_list("domain", flat=True))


@pytest.fixture
def fleet(db):
    tenant = make.make_tenant()
    for name in ("cliente.pt", "novo-cliente.pt", "outro.pt", "são-joão.pt", "sao-bento.pt"):
        make.make_domain(name, tenant, checks={})
    by_name = {row.domain: row for row in AuditDomain.objects.all()}
    mx = {
        "mx": ["10 mx1.host.test"],
        "exchanges": [{"host": "mx1.host.test", "addresses": ["203.0.113.25"]}],
    }
    for name, status in (("cliente.pt", "ok"), ("outro.pt", "fail")):
        result = make.make_result("dns_mx", status, evidence=mx)
        assert store.record(by_name[name], {"dns_mx": result}, begun_at=timezone.now())
    return by_name


@pytest.mark.parametrize(
    "text, names, words",
    [
        ("liente", ["cliente.pt", "novo-cliente.pt"], ""),
        ("cliente.pt", ["cliente.pt", "novo-cliente.pt"], ""),
        ("Ana <ana@cliente.pt>", ["cliente.pt"], "Shown: the domain cliente.pt."),
        (
            "https://webmail.cliente.pt/x",
            ["cliente.pt"],
            "Shown: the domain cliente.pt, to which webmail.cliente.pt belongs.",
        ),
        (
            "webmail.cliente.pt",
            ["cliente.pt"],
            "Shown: the domain cliente.pt, to which webmail.cliente.pt belongs.",
        ),
        (
            "MX1.host.test.",
            ["cliente.pt", "outro.pt"],
            "Shown: domains whose mail, SPF record or webmail leads to mx1.host.test.",
        ),
        (
            "203.0.113.25",
            ["cliente.pt", "outro.pt"],
            "Shown: domains whose mail or webmail leads to 203.0.113.25.",
        ),
        ("203.0.113.99", [], "Shown: domains whose mail or webmail leads to 203.0.113.99."),
        (
            "dns_mx_problem",
            ["outro.pt"],
            "Shown: domains that have the finding dns_mx_problem now.",
        ),
        ("dns_mx", ["outro.pt"], "Shown: domains where Mail exchange (MX) is not ok."),
        ("São", ["sao-bento.pt", "xn--so-joo-3tae.pt"], ""),
        ("são-joão.pt", ["xn--so-joo-3tae.pt"], ""),
        ("SÃO-BENTO.pt", ["sao-bento.pt"], ""),
        ("x@nobody.example", [], ""),
        ("\0", [], ""),
        ("../..", [], ""),
        ("．", [], ""),
    ],
)
def test_it_shows_what_was_meant_and_says_so(fleet, text, names, words):
    assert found(text) == names
    assert understand(text).words == words


@pytest.mark.parametrize("few", [500, 0])
@pytest.mark.parametrize("field", ["sending_ips", "webmail_addresses"])
def test_an_address_that_only_a_server_has_means_its_domains(fleet, field, few, monkeypatch):
    monkeypatch.setattr(search, "FEW", few)
    other = make.make_domain("elsewhere.pt", make.make_tenant(name="VM113")).tenant
    server = fleet["cliente.pt"].tenant
    setattr(server, field, ["203.0.113.25", "203.0.113.80", "2001:DB8:0::80"])
    server.save()
    for text in ("203.0.113.80", "http://[2001:db8::80]/"):
        assert set(found(text)) == set(fleet)
        assert understand(text).words.startswith(f"Shown: domains of {server.name}, which has the")
    assert found("203.0.113.25") == ["cliente.pt", "outro.pt"]  # their mail leads there
    assert found("203.0.113.99") == []
    setattr(other, field, ["203.0.113.80"])
    other.save()
    assert set(found("203.0.113.80")) == {*fleet, "elsewhere.pt"}


def test_of_two_names_that_fit_the_longer_one_is_meant(fleet):
    make.make_domain("sub.cliente.pt")
    assert found("https://webmail.sub.cliente.pt/") == ["sub.cliente.pt"]


@pytest.mark.parametrize(
    "text", ["a.b.pt", "x@cliente.pt", "203.0.113.25", "spf_missing", "dns_mx", "são"]
)
def test_what_it_costs_does_not_grow(fleet, text, monkeypatch):
    """Case 237: few queries, each by an index, whatever the number of domains that are meant."""
    for few in (500, 0):
        monkeypatch.setattr(search, "FEW", few)
        asked = plans_of(lambda: found(text))
        assert len(asked) <= 4
        for sql, plan in asked:
            assert not whole_tables(plan), (sql, plan)
            assert not any(line.startswith("SCAN audit_seen") for line in plan), (sql, plan)


def test_many_are_found_as_few(fleet, monkeypatch):
    monkeypatch.setattr(search, "FEW", 0)
    assert found("203.0.113.25") == ["cliente.pt", "outro.pt"]
    assert found("dns_mx") == ["outro.pt"]


def test_it_asks_once_for_the_list_and_its_count(fleet):
    filters = Filters(q="mx1.host.test")
    select(AuditDomain.objects.all(), filters).count()
    with CaptureQueriesContext(connection) as captured:
        select(AuditDomain.objects.all(), filters).count()
    assert len(captured) == 1


def test_hosts_of_a_hostile_length_are_found_by_nobody(fleet):
    """Case 236."""
    assert found("a." * 126 + "pt") == found("a" * 253) == found("." * 253) == []
    assert Seen.objects.exists()
