"""What changed, in words: each kind of change, and evidence of any shape (cases 235, 238)."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation
from hypothesis import given
from hypothesis import strategies as st

from audit.models import CheckTransition
from audit.reading import changes
from audit.reading.changes_of_server import issuer_name
from audit.results import store
from audit.results.history import differing_evidence
from tests.audit import factories as make
from tests.patient import patient

OURS = {"_spf.host.test", "mx1.host.test"}
PRINTS = "4b9e11f5431a7ad3", "d4793ee7dfa74bc0"


@pytest.fixture(autouse=True)
def english():
    """Whatever language a test before this one has left."""
    with translation.override("en"):
        yield


def spf(*records, tree=(), count=1, **more):
    return {"record": list(records), "tree": list(tree), "dns_lookups": {"count": count}, **more}


def branch(domain, record="", problem="missing"):
    found = {"record": record} if record else {"problem": problem}
    return {"depth": 2, "domain": domain, **found}


def walk(*records, name="_dmarc.cliente.pt", **more):
    return {"walk": [{"name": name, "records": list(records)}], **more}


def dkim(print_=PRINTS[0], signing=PRINTS[0], *, txt="v=DKIM1; p=x", **more):
    key = {"key": {"sha256": print_}} if print_ else {}
    return {
        "portal": "answered",
        "selectors": [{"selector": "s1", "txt": [txt] if print_ else [], **key}],
        "signing": {"selector": "s1", "sha256": signing},
        **more,
    }


def mx(*texts, hosts=("mx1.host.test",), addresses=("203.0.113.25",), ours=True, **more):
    return {
        "mx": list(texts),
        "mail_hosts": list(hosts),
        "exchanges": [{"host": "mx1.host.test", "ours": ours, "addresses": list(addresses)}],
        **more,
    }


def certificate(print_=PRINTS[0], issuer="C=US, O=Let's Encrypt, CN=R12", names=("a.pt",)):
    return {
        "certificate": {
            "sha256": print_,
            "issuer": issuer,
            "names": list(names),
            "not_before": "2026-10-28T11:55:12+00:00",
            "not_after": "2027-01-26T11:55:12+00:00",
        }
    }


def cert(served, portal=None, **more):
    return {"host": "webmail.a.pt", "served": served, "portal": portal or certificate(), **more}


def webmail(status=200, *, addresses=("203.0.113.80",), **more):
    outcome = {"status": status} if isinstance(status, int) else {"error": status}
    return {
        "url": "https://webmail.cliente.pt/",
        "addresses": list(addresses),
        "requests": [{"address": "203.0.113.80", **outcome}],
        **more,
    }


def portal(http=200, **answer):
    return {"portal": {"http_status": http, **({"answer": answer} if answer else {})}}


CASES = [
    (
        "dns_spf",
        spf("v=spf1 include:_spf.host.test ip4:192.0.2.1 ~all"),
        spf("v=spf1 include:_spf.google.com ip4:192.0.2.1 -all", count=4),
        [
            "SPF: ~all became -all.",
            "SPF: added include:_spf.google.com.",
            "SPF: removed include:_spf.host.test.",
            "DNS lookups of the SPF record: 4 now instead of 1.",
        ],
    ),
    ("dns_spf", spf("v=spf1 a -all"), spf("v=spf1 ?a -all"), ["SPF: a became ?a."]),
    (
        "dns_spf",
        spf("v=spf1 redirect=a.test"),
        spf("v=spf1 redirect=b.test"),
        ["SPF: redirect=a.test became redirect=b.test."],
    ),
    (
        "dns_spf",
        spf("v=spf1 a mx -all"),
        spf("v=spf1 mx a -all"),
        ["SPF: the same terms in another order."],
    ),
    ("dns_spf", spf("v=spf1 a a -all"), spf("v=spf1 a -all"), ["SPF: removed a."]),
    ("dns_spf", spf(), spf("v=spf1 -all"), ["An SPF record was published: v=spf1 -all"]),
    ("dns_spf", spf("v=spf1 -all"), spf(), ["The SPF record is gone; it was: v=spf1 -all"]),
    (
        "dns_spf",
        spf("v=spf1 -all"),
        spf("v=spf1 -all", "v=spf1 +all"),
        ["SPF records: 2 now instead of 1.", "SPF records: added v=spf1 +all."],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", "v=spf1 +all"),
        spf("v=spf1 -all"),
        ["SPF records: 1 now instead of 2.", "SPF records: removed v=spf1 +all."],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", "v=spf1 +all"),
        spf("v=spf1 +all", "v=spf1 ?all"),
        ["SPF records: added v=spf1 ?all.", "SPF records: removed v=spf1 -all."],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", tree=[branch("_spf.host.test", "v=spf1 ip4:192.0.2.1 -all")]),
        spf("v=spf1 -all", tree=[branch("_spf.host.test", "v=spf1 ip4:192.0.2.2 -all")]),
        [
            "Our SPF record _spf.host.test: added ip4:192.0.2.2.",
            "Our SPF record _spf.host.test: removed ip4:192.0.2.1.",
        ],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", tree=[branch("x.test", "v=spf1 ~all")]),
        spf("v=spf1 -all", tree=[branch("x.test", "v=spf1 -all")]),
        ["x.test, which SPF includes: ~all became -all."],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", tree=[branch("x.test", "v=spf1 ~all"), branch("y.test")]),
        spf("v=spf1 -all", tree=[branch("x.test"), branch("y.test", "v=spf1 ?all")]),
        [
            "x.test, which SPF includes, has no SPF record any more; it was: v=spf1 ~all",
            "y.test, which SPF includes, has an SPF record now: v=spf1 ?all",
        ],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", tree=[branch("_spf.host.test", "v=spf1 ~all")]),
        spf("v=spf1 -all", tree=[branch("_spf.host.test")]),
        ["Our SPF record _spf.host.test is gone; it was: v=spf1 ~all"],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", tree=[branch("_spf.host.test", "v=spf1 ~all")]),
        spf("v=spf1 -all", tree=[branch("_spf.host.test", problem="dns_timeout")]),
        [],
    ),
    (
        "dns_spf",
        spf("v=spf1 -all", expected={"spf_include": "a.test", "sending_ips": ["192.0.2.1"]}),
        spf("v=spf1 -all", expected={"spf_include": "b.test", "sending_ips": ["192.0.2.2"]}),
        [
            "Our settings: sending addresses added: 192.0.2.2.",
            "Our settings: sending addresses removed: 192.0.2.1.",
            "Our settings: the SPF include is b.test now instead of a.test.",
        ],
    ),
    (
        "dns_spf",
        {"record": ["v=spf1 -all"], "void_lookups": {"count": 0}},
        {"record": ["v=spf1 -all"], "void_lookups": {"count": 3}},
        ["SPF lookups that find nothing: 3 now instead of 0."],
    ),
    (
        "dns_dmarc",
        walk("v=DMARC1; p=quarantine; rua=mailto:a@x.pt; pct=50"),
        walk("v=DMARC1; p=none; rua=mailto:a@x.pt; sp=reject"),
        [
            "DMARC: p is none now instead of quarantine.",
            "DMARC: removed pct=50.",
            "DMARC: added sp=reject.",
        ],
    ),
    (
        "dns_dmarc",
        walk(),
        walk("v=DMARC1; p=none"),
        ["A DMARC record was published at _dmarc.cliente.pt: v=DMARC1; p=none"],
    ),
    (
        "dns_dmarc",
        walk("v=DMARC1; p=none"),
        walk(),
        ["The DMARC record at _dmarc.cliente.pt is gone; it was: v=DMARC1; p=none"],
    ),
    (
        "dns_dmarc",
        walk("v=DMARC1; p=none"),
        walk("v=DMARC1; p=none", "v=DMARC1; p=reject"),
        [
            "DMARC records at _dmarc.cliente.pt: 2 now instead of 1.",
            "DMARC records at _dmarc.cliente.pt: added v=DMARC1; p=reject.",
        ],
    ),
    (
        "dns_dmarc",
        walk("v=DMARC1; p=none"),
        walk("v=DMARC1;p=none"),
        ["DMARC: the same tags, written otherwise."],
    ),
    (
        "dns_dmarc",
        {"policy": {"from": "_dmarc.a.pt"}, "reports": [{"uri": "mailto:x", "authorised": True}]},
        {"policy": {"from": "_dmarc.b.pt"}, "reports": [{"uri": "mailto:x", "authorised": False}]},
        [
            "The DMARC policy comes from _dmarc.b.pt now instead of _dmarc.a.pt.",
            "mailto:x does not take the reports any more.",
        ],
    ),
    (
        "dns_dmarc",
        {"walk": "[… [9000 bytes]", "record": "v=DMARC1; p=none"},
        {"walk": "[… [9000 bytes]", "record": "v=DMARC1; p=reject"},
        ["DMARC: p is reject now instead of none."],
    ),
    (
        "dns_dkim",
        dkim(),
        dkim(PRINTS[1], PRINTS[1]),
        [
            "The DKIM key of selector s1 is another one: d4793ee7 instead of 4b9e11f5.",
            "The key that the server signs with is another one: d4793ee7 instead of 4b9e11f5.",
        ],
    ),
    ("dns_dkim", dkim(), dkim(""), ["The DKIM key of selector s1 is gone; it was 4b9e11f5."]),
    ("dns_dkim", dkim(""), dkim(), ["A DKIM key was published for selector s1: 4b9e11f5."]),
    (
        "dns_dkim",
        dkim(),
        dkim(txt="v=DKIM1; t=y; p=x"),
        ["The DKIM record of selector s1 has the same key and other tags."],
    ),
    (
        "dns_dkim",
        dkim(expected={"dkim_selectors": [], "tenant_dkim_selectors": ["s1"]}),
        dkim(expected={"dkim_selectors": ["s9"], "tenant_dkim_selectors": []}),
        [
            "Our settings: DKIM selectors of the domain added: s9.",
            "Our settings: DKIM selectors removed: s1.",
        ],
    ),
    (
        "dns_mx",
        mx("10 mx1.host.test", "20 old.test"),
        mx("20 mx1.host.test", "10 new.test", addresses=["203.0.113.26"]),
        [
            "MX: mx1.host.test has the preference 20 now instead of 10.",
            "MX: added 10 new.test.",
            "MX: removed 20 old.test.",
            "Our mail host mx1.host.test leads to 203.0.113.26 now instead of 203.0.113.25.",
        ],
    ),
    (
        "dns_mx",
        mx("10 x.test", ours=False),
        mx("10 x.test", ours=False, addresses=[]),
        ["mx1.host.test has no address any more; before: 203.0.113.25."],
    ),
    (
        "dns_mx",
        mx("10 mx1.host.test"),
        mx("10 mx1.host.test", hosts=["mx9.host.test"]),
        [
            "Our settings: mail hosts added: mx9.host.test.",
            "Our settings: mail hosts removed: mx1.host.test.",
        ],
    ),
    (
        "dns_mx",
        mx("10 x.test", zone="k.test", name_servers=["a.old.test", "b.old.test"]),
        mx("10 x.test", zone="k.test", name_servers=["b.old.test", "c.new.test"]),
        ["Name servers: added c.new.test.", "Name servers: removed a.old.test."],
    ),
    (
        "dns_mx",
        mx("10 x.test", zone="k.test", name_servers=["a.test", "b.test"]),
        mx("10 x.test", zone="k.test", name_servers=["b.test", "a.test"]),
        [],
    ),
    (
        "dns_mx",
        mx("10 x.test"),
        mx("10 x.test", zone="k.test", name_servers=["b.test", "a.test"]),
        [],
    ),
    (
        "dns_mx",
        mx("10 x.test", zone="k.test", name_servers=["a.test"]),
        mx("10 x.test", zone="post.k.test", name_servers=["a.test"]),
        ["The domain stands in the zone post.k.test now instead of k.test."],
    ),
    (
        "dns_mx",
        mx(result="NOERROR"),
        mx(result="NXDOMAIN"),
        ["The domain does not exist in DNS any more."],
    ),
    (
        "cert_le",
        cert({**certificate(), "trusted": True}),
        cert({**certificate(PRINTS[1], "CN=Own CA", ["a.pt", "b.pt"]), "trusted": False}),
        [
            "Another certificate is served: Own CA, 28 Oct 2026 – 26 Jan 2027; before: "
            "Let's Encrypt R12, 28 Oct 2026 – 26 Jan 2027.",
            "Names of the certificate: added b.pt.",
            "Clients do not trust the certificate any more.",
        ],
    ),
    (
        "cert_le",
        cert(certificate(names=["a.pt", "b.pt"])),
        cert({"certificate": certificate(names=["a.pt"])["certificate"] | {"names_in_all": 60}}),
        [],
    ),
    (
        "cert_le",
        cert(certificate()),
        cert({"error": "x"}, {"http_status": 404}),
        [
            "No certificate can be seen from outside any more; it was: Let's Encrypt R12, "
            "28 Oct 2026 – 26 Jan 2027.",
            "The portal names no certificate any more; it was: Let's Encrypt R12, "
            "28 Oct 2026 – 26 Jan 2027.",
        ],
    ),
    (
        "cert_le",
        cert(certificate(), nodes={"::1": {"sha256": PRINTS[0]}}),
        cert(certificate(), nodes={"::1": {"sha256": PRINTS[1]}}),
        ["Another certificate is served at ::1."],
    ),
    (
        "webmail_http",
        webmail(),
        webmail(502, addresses=["203.0.113.81"], url="https://mail.cliente.pt/"),
        [
            "Our settings: the webmail address is https://mail.cliente.pt/ now instead of "
            "https://webmail.cliente.pt/.",
            "The webmail name leads to 203.0.113.81 now instead of 203.0.113.80.",
            "The webmail at 203.0.113.80: status 502 now instead of status 200.",
        ],
    ),
    (
        "webmail_http",
        webmail("tls", title="Old"),
        webmail(title="New"),
        [
            "The webmail at 203.0.113.80: status 200 now instead of no valid TLS.",
            "The title of the page is “New” now instead of “Old”.",
        ],
    ),
    (
        "carbonio",
        portal(services={"mta": "running", "amavis": "stopped"}, status="active"),
        portal(services={"mta": "stopped", "amavis": "running"}, status="locked", accounts=3),
        [
            "The domain's status in Carbonio is locked now instead of active.",
            "Services that stopped: mta.",
            "Services that run again: amavis.",
        ],
    ),
    ("carbonio", portal(), portal(404), ["Carbonio does not know the domain any more."]),
    (
        "carbonio",
        portal(dkim={"public_key": "a"}),
        portal(dkim={"public_key": "b"}),
        ["The server signs with another DKIM key."],
    ),
    (
        "carbonio",
        portal(dkim={"public_key": "a"}),
        portal(dkim=None),
        ["The server has no DKIM key any more."],
    ),
    (
        "nginx_vhost",
        portal(vhost=True, tls=True, config_ok=True, running=True, server_names=["a"]),
        portal(vhost=True, tls=False, config_ok=False, running=False, server_names=["b"]),
        [
            "The virtual host has no TLS any more.",
            "The configuration of nginx has an error now.",
            "nginx does not run any more.",
            "Names of the virtual host: added b.",
            "Names of the virtual host: removed a.",
        ],
    ),
    ("nginx_vhost", portal(vhost=True), portal(404), ["The virtual host is gone."]),
]


@pytest.mark.parametrize("check_id, before, after, said", CASES)
def test_each_kind_of_change_is_said(check_id, before, after, said):
    with translation.override("en"):
        assert changes.sentences(check_id, before, after, own=OURS) == said
        kept = differing_evidence(before, after)
        assert changes.sentences(check_id, *kept, own=OURS) == said, "as the history keeps it"
        assert changes.sentences(check_id, after, after, own=OURS) == []


def test_a_first_answer_and_evidence_that_is_gone_say_nothing():
    for before, after in (({}, spf("v=spf1 -all")), (spf("v=spf1 -all"), {}), ({}, {})):
        assert changes.sentences("dns_spf", before, after) == []
    assert changes.sentences("server_ptr", {"a": 1}, {"a": 2}) == []


def test_what_could_not_be_measured_before_is_no_change():
    silent = {"lookups": [{"name": "cliente.pt", "type": "TXT", "result": "dns_servfail"}]}
    for check_id, _before, after, _said in CASES:
        assert changes.sentences(check_id, silent, {**after, "lookups": []}) == []


@pytest.mark.parametrize(
    ("issuer", "shown"),
    [
        ("C=US, O=Let's Encrypt, CN=R12", "Let's Encrypt R12"),
        ("O=GoDaddy.com, Inc., OU=http://certs.godaddy.com, CN=G2", "GoDaddy.com, Inc. G2"),
        ("CN=a=b, c", "a=b, c"),
        ("2.5.4.97=NTRPT, O=Multicert, S.A.", "Multicert, S.A."),
        ("", ""),
    ],
)
def test_an_issuer_keeps_its_commas(issuer, shown):
    assert issuer_name({"issuer": issuer}) == shown


@pytest.mark.parametrize("both", [False, True])
def test_addresses_that_were_not_all_looked_up_are_not_compared(both):
    """IPv6 that nobody could look up has not gone away."""
    six = ["203.0.113.80", "2001:db8::80"]
    part = {"addresses": six[:1], "unseen": "dns_servfail"}
    host = {"host": "mx1.host.test", "ours": True}
    for check_id, whole, less in (
        ("webmail_http", webmail(addresses=six), {**webmail(), **part}),
        (
            "dns_mx",
            {**mx("10 mx1.host.test"), "exchanges": [{**host, "addresses": six}]},
            {**mx("10 mx1.host.test"), "exchanges": [{**host, **part}]},
        ),
    ):
        for before, after in ((whole, less), (less, whole)):
            kept = differing_evidence(before, after) if both else (before, after)
            assert changes.sentences(check_id, *kept, own=OURS) == []


def test_values_are_visible_short_and_counted():
    """Case 238."""
    evil = "include:\u202e<script>\0" + "x" * 500
    many = " ".join(f"ip4:192.0.2.{n}" for n in range(60))
    (said,) = changes.sentences("dns_spf", spf("v=spf1"), spf(f"v=spf1 {evil} {many}"))
    assert "\u202e" not in said and "\0" not in said and "\\u202e<script>\\x00" in said
    assert said.endswith("and 56 more.") and len(said) < 1000


@pytest.mark.parametrize("language", ["en", "pt"])
def test_braces_of_a_stranger_reach_nothing(language):
    """Case 238."""
    with translation.override(language):
        (said,) = changes.sentences("dns_spf", spf("v=spf1"), spf("v=spf1 {values.__class__}"))
    assert "{values.__class__}" in said


KEYS = sorted({key for _id, *sides, _said in CASES for side in sides for key in side})
INNER = (
    "domain depth record count name records from uri authorised key selector sha256 txt host ours "
    "addresses certificate issuer names not_after trusted address status error http_status answer "
    "services"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(INNER.split()) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)
EVIDENCE = st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), JSON, max_size=6)


@patient
@given(st.sampled_from(sorted({case[0] for case in CASES})), EVIDENCE, EVIDENCE)
def test_evidence_of_any_shape_says_what_it_can(check_id, before, after):
    """Case 235."""
    said = changes.sentences(check_id, before, after)
    assert len(said) <= changes.MOST
    assert all(text and len(text) < 1200 and text.isprintable() for text in said)


def record(domain, at, status, *texts, **fields):
    found = {"dns_mx": make.make_result("dns_mx", status, at=at, evidence=mx(*texts), **fields)}
    assert store.record(domain, found, begun_at=at)
    domain.refresh_from_db()


@pytest.mark.django_db
def test_what_changed_since_it_was_ok_is_all_that_came_after():
    domain = make.make_domain("cliente.pt")
    at = timezone.now() - timedelta(hours=9)
    for n, (status, text) in enumerate(
        [("ok", "10 a.test"), ("warn", "10 b.test"), ("fail", "10 c.test"), ("fail", "10 d.test")]
    ):
        record(domain, at + timedelta(hours=n), status, text)
    said = changes.since_ok(domain, ["dns_mx", "dns_spf"])
    assert said == {
        "dns_mx": [
            "MX: added 10 b.test.",
            "MX: removed 10 a.test.",
            "MX: added 10 c.test.",
            "MX: removed 10 b.test.",
        ]
    }
    assert changes.since_ok(domain, []) == {}


@pytest.mark.django_db
def test_one_that_was_never_ok_has_nothing_since():
    domain = make.make_domain("cliente.pt")
    record(domain, timezone.now(), "warn", "10 a.test")
    record(domain, timezone.now(), "fail", "10 b.test")
    assert changes.since_ok(domain, ["dns_mx"]) == {}
    (change,) = CheckTransition.objects.exclude(from_status="")
    assert changes.of_transition(change) == ["MX: added 10 b.test.", "MX: removed 10 a.test."]
