"""cert_le: the reported and the served certificate over real DNS, portal and TLS (cases 90-99)."""

import contextlib
import json
import re
import socket
import ssl
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from collectors.base import Owner, PortalFacts, Severity
from collectors.net.http_client import Handshake
from collectors.standards.certificate_chains import Intermediates
from collectors.standards.certificates import read_certificate, read_pem
from collectors.vm112.cert_le import sources
from collectors.vm112.cert_le.check import certificate_outcome
from collectors.vm112.cert_le.sources import Reported, Served
from scripts.ports import Reserved
from tests.collectors.certificate_maker import (
    DAY,
    DER,
    Authority,
    Leaf,
    TlsServer,
    authority,
    name,
    now,
    server_context,
)
from tests.collectors.lab import codes, look, target
from tests.collectors.portal_server import TOKEN, PortalServer

HOST = "webmail.kunde.test"
ZONE = {"names": {HOST: {"A": ["127.0.0.1"]}}}
SSH = "ssh"


class Visit:
    """What came of it: the result, and the logs of the servers."""

    def __init__(self, result, server, portal, dns):
        self.result, self.server, self.portal, self.dns = result, server, portal, dns
        self.status, self.codes, self.message = result.status, codes(result), str(result.message)
        self.evidence = result.evidence


def visit(
    tmp_path,
    served,
    *,
    portal=...,
    zone=ZONE,
    trusted=None,
    domain="kunde.test",
    context=None,
    url=None,
    seconds=6.0,
    **tenant,
):
    """Run cert_le: `served` is a Leaf, SSH or None (port closed).

    `portal` is a Leaf, an answer or None (no portal at all).
    """
    portal = served if portal is ... else portal
    answer = {"json": {"pem": portal.pem}} if hasattr(portal, "pem") else portal
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(b"".join(a.root_pem for a in (trusted or [authority()])))
    with contextlib.ExitStack() as stack:
        if served is None:
            server = stack.enter_context(Reserved())
        else:
            presents = None if served == SSH else context or server_context(tmp_path, served)
            server = stack.enter_context(TlsServer(presents))
        api = stack.enter_context(PortalServer({"certificate": answer} if answer else {}))
        the_target = target(
            domain,
            portal_url=api.url if portal is not None else "",
            portal_token=TOKEN,
            webmail_url=url or f"https://webmail.{{domain}}:{server.port}/",
            **tenant,
        )
        result, dns = look(
            "cert_le",
            zone,
            the_target,
            config_changes={"ca_file": str(ca_file), "check_seconds": seconds},
        )
    return Visit(result, server, api, dns)


def le(names=(HOST,), **kwargs):
    return authority().leaf(list(names), **kwargs)


# -- one case, one word


def test_a_good_certificate_is_ok(tmp_path):
    """Case 90."""
    got = visit(tmp_path, le())
    assert (got.status, got.codes) == ("ok", [])
    assert re.fullmatch(r"Let's Encrypt R12, days left: \d\d, the one that is served", got.message)
    assert got.server.names == [HOST]
    for side in ("portal", "served"):
        check = got.evidence[side]["certificate"]
        assert check["names"] == [HOST]
        assert set(check) >= {
            "subject",
            "issuer",
            "not_before",
            "not_after",
            "lifetime_days",
            "key",
            "serial",
            "sha256",
        }
    assert got.evidence["served"]["tls_version"] == "TLSv1.3"
    assert got.evidence["served"]["address"] == "127.0.0.1"
    assert got.evidence["served"]["chain"][0]["subject"] == "C=US, O=Let's Encrypt, CN=R12"


@pytest.mark.parametrize(
    ("make", "code", "status"),
    [
        pytest.param(lambda: le(start=-95, end=-5), "cert_expired", "fail", id="case_91_expired"),
        pytest.param(
            lambda: le(start=2, end=92), "cert_not_yet_valid", "fail", id="case_92_future"
        ),
        pytest.param(
            lambda: le(self_signed=True), "cert_self_signed", "fail", id="case_93_self_signed"
        ),
        pytest.param(lambda: ROGUE.leaf([HOST]), "cert_untrusted", "fail", id="case_94_untrusted"),
        pytest.param(
            lambda: le(["www.elsewhere.test"]),
            "cert_name_mismatch",
            "fail",
            id="case_95_wrong_name",
        ),
        pytest.param(
            lambda: le(["*.webmail.kunde.test"]),
            "cert_name_mismatch",
            "fail",
            id="case_95_wildcard_below",
        ),
        pytest.param(lambda: le(["127.0.0.1"]), "cert_name_mismatch", "fail", id="case_95_address"),
        pytest.param(lambda: le(san=False), "cert_name_mismatch", "fail", id="case_96_no_san"),
        pytest.param(
            lambda: le(key=rsa.generate_private_key(65537, 1024)),
            "cert_weak_key",
            "warn",
            id="case_97_weak",
        ),
        pytest.param(
            lambda: NOT_A_CA.leaf([HOST]), "cert_untrusted", "fail", id="case_97_not_a_ca"
        ),
        pytest.param(lambda: OTHER.leaf([HOST]), "cert_not_lets_encrypt", "warn", id="other_ca"),
        pytest.param(lambda: STAGING.leaf([HOST]), "cert_staging", "fail", id="staging"),
        pytest.param(
            lambda: BARE.leaf([HOST], bare=True),
            "cert_chain_incomplete",
            "fail",
            id="no_intermediate",
        ),
        pytest.param(lambda: le(start=-78, end=12), "cert_renewal_overdue", "warn", id="overdue"),
        pytest.param(
            lambda: le(start=-88.5, end=1.5), "cert_about_to_expire", "fail", id="about_to_expire"
        ),
        pytest.param(
            lambda: LATE.leaf([HOST]), "cert_untrusted", "fail", id="intermediate_expired"
        ),
    ],
)
def test_each_fault_has_its_own_word_alone(tmp_path, make, code, status):
    got = visit(tmp_path, make(), trusted=[authority(), OTHER, NOT_A_CA, BARE, LATE])
    assert (got.status, got.codes) == (status, [code])
    assert got.result.findings[0].owner == Owner.HOST
    assert got.result.findings[0].fix
    assert got.evidence["judged"] == "served"


ROGUE = Authority("Let's Encrypt")
OTHER = Authority("Other Trust Services")
NOT_A_CA = Authority("Let's Encrypt", ca=False)
STAGING = Authority("(STAGING) Let's Encrypt", intermediate="(STAGING) Riddling Rhubarb R12")
BARE = Authority("Let's Encrypt", intermediate="R13")
LATE = Authority("Let's Encrypt", intermediate="R3", days=-1)


TWINS = Authority("Let's Encrypt", intermediate="R4")


def test_an_expired_intermediate_beside_one_of_the_same_key_that_is_in_date_does_no_harm(tmp_path):
    leaf, expired = TWINS.leaf([HOST]), TWINS.twin(end=-1)
    for behind in ((expired, TWINS.intermediate), (TWINS.intermediate, expired)):
        assert visit(tmp_path, Leaf(leaf.cert, behind, leaf.key), trusted=[TWINS]).codes == []


def test_an_intermediate_of_tomorrow_is_untrusted_today(tmp_path):
    leaf = TWINS.leaf([HOST])
    got = visit(tmp_path, Leaf(leaf.cert, (TWINS.twin(start=1, end=9),), leaf.key), trusted=[TWINS])
    assert (got.codes, "is valid only from" in got.message) == (["cert_untrusted"], True)


def test_an_expired_certificate_above_the_intermediate_is_untrusted(tmp_path):
    key = TWINS.key  # the lower one has a key of its own; the upper one is out of date
    lower_key = ec.generate_private_key(ec.SECP256R1())
    lower = Authority._sign(
        name("Let's Encrypt", "Low"), TWINS.intermediate.subject, lower_key, key, 900, ca=True
    )
    below = Authority("Let's Encrypt")
    below.key, below.intermediate = lower_key, lower
    leaf = below.leaf([HOST])
    got = visit(tmp_path, Leaf(leaf.cert, (lower, TWINS.twin(end=-1)), leaf.key), trusted=[TWINS])
    assert (got.codes, "CN=R4" in got.message) == (["cert_untrusted"], True)
    assert (
        visit(
            tmp_path, Leaf(leaf.cert, (lower, TWINS.intermediate), leaf.key), trusted=[TWINS]
        ).codes
        == []
    )


def test_time_that_name_servers_used_up_makes_nothing_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "LEAST_SECONDS", 5.8)
    got = visit(
        tmp_path,
        le(),
        portal={"status": 404},
        zone={**ZONE, "rules": [{"name": HOST, "delay": 0.3}]},
    )
    assert (got.status, got.codes, got.server.connections) == ("unknown", ["cert_unreachable"], 0)


def test_a_wildcard_covers_the_name(tmp_path):
    assert visit(tmp_path, le(["*.kunde.test"])).codes == []


def test_a_short_lived_certificate_half_way_is_ok(tmp_path):
    assert visit(tmp_path, le(start=-2, end=4)).codes == []


def test_an_international_name_is_compared_as_its_a_label(tmp_path):
    domain = "xn--joo-silva-m2a.test"
    got = visit(
        tmp_path,
        le([f"webmail.{domain}"]),
        domain=domain,
        zone={"names": {f"webmail.{domain}": {"A": ["127.0.0.1"]}}},
    )
    assert (got.codes, got.server.names) == ([], [f"webmail.{domain}"])


def test_several_faults_are_all_said(tmp_path):
    got = visit(
        tmp_path,
        OTHER.leaf(["other.test"], start=-95, end=-5, key=rsa.generate_private_key(65537, 1024)),
        trusted=[OTHER],
    )
    assert sorted(got.codes) == [
        "cert_expired",
        "cert_name_mismatch",
        "cert_not_lets_encrypt",
        "cert_weak_key",
    ]


def test_a_missing_san_is_said_in_these_words(tmp_path):
    assert "no names (SAN) at all" in visit(tmp_path, le(san=False)).message


# -- the fractions, with a frozen clock


def judged(leaf, *, at=None, reported=None, served=True, memory=None, trusted=True, chain=None):
    """The Outcome of `certificate_outcome` for a leaf as it is served; `at` in days from now."""
    chain = (
        (leaf.read, *(read_certificate(c.public_bytes(DER)) for c in leaf.behind))
        if chain is None
        else chain
    )
    shake = Handshake(
        "192.0.2.1",
        trusted,
        0 if trusted else 20,
        "" if trusted else "unable to get local issuer certificate",
        (),
        "TLSv1.3",
    )
    side = Served(shake, chain) if served else Served(why="closed", absent=True)
    reported = reported or Reported((leaf.read,))
    return certificate_outcome(
        HOST,
        reported,
        [side],
        now=now() + (at or 0) * DAY,
        intermediates=Intermediates() if memory is None else memory,
    )


@pytest.mark.parametrize(
    ("lifetime", "left", "code"),
    [
        (90, 90, None),
        (90, 30, None),
        (90, 25.3, None),
        (90, 25.1, "cert_renewal_overdue"),
        (90, 10.1, "cert_renewal_overdue"),
        (90, 9.9, "cert_about_to_expire"),
        (90, 0.001, "cert_about_to_expire"),
        (90, 0, "cert_about_to_expire"),
        (90, -0.001, "cert_expired"),
        (64, 18.0, None),
        (64, 17.9, "cert_renewal_overdue"),
        (64, 7.1, "cert_about_to_expire"),
        (45, 12.7, None),
        (45, 12.5, "cert_renewal_overdue"),
        (45, 4.9, "cert_about_to_expire"),
        (6, 2, None),
        (6, 1.69, None),
        (6, 1.67, "cert_renewal_overdue"),
        (6, 0.66, "cert_about_to_expire"),
        (398, 112, None),
        (398, 111, "cert_renewal_overdue"),
        (90, 90.1, "cert_not_yet_valid"),
    ],
)
def test_dates_are_judged_by_the_share_of_the_lifetime_that_is_left(lifetime, left, code):
    """Case 98."""
    outcome = judged(authority().leaf([HOST], start=0, end=lifetime), at=lifetime - left)
    assert [f.code for f in outcome.findings] == ([code] if code else [])


# -- which chain


def test_the_missing_intermediate_is_known_from_another_trusted_chain():
    one = Authority("Let's Encrypt", intermediate="E7")
    memory = Intermediates()
    assert judged(one.leaf(["other.test"]), memory=memory).summary
    outcome = judged(one.leaf([HOST], bare=True), memory=memory, trusted=False)
    assert [f.code for f in outcome.findings] == ["cert_chain_incomplete"]
    assert "CN=E7, with which it would be trusted" in outcome.findings[0].message


def test_a_chain_with_the_wrong_intermediate_is_incomplete_where_the_right_one_is_known():
    one, old = (
        Authority("Let's Encrypt", intermediate="E8"),
        Authority("Let's Encrypt", intermediate="R3"),
    )
    memory = Intermediates()
    judged(one.leaf(["other.test"]), memory=memory)
    leaf = one.leaf([HOST], bare=True)
    chain = (leaf.read, read_certificate(old.intermediate.public_bytes(DER)))
    assert [f.code for f in judged(leaf, memory=memory, trusted=False, chain=chain).findings] == [
        "cert_chain_incomplete"
    ]
    assert [f.code for f in judged(leaf, trusted=False, chain=chain).findings] == [
        "cert_chain_incomplete"
    ]


def test_the_missing_intermediate_is_in_the_portals_file():
    leaf = Authority("Let's Encrypt", intermediate="E9").leaf([HOST])
    outcome = judged(
        leaf, reported=Reported(read_pem(leaf.full_pem)), trusted=False, chain=(leaf.read,)
    )
    assert [f.code for f in outcome.findings] == ["cert_chain_incomplete"]
    assert "in the portal's file" in outcome.findings[0].message


def test_an_unknown_authority_is_not_learnt_from_an_untrusted_chain():
    memory = Intermediates()
    judged(ROGUE.leaf([HOST]), memory=memory, trusted=False)
    assert len(memory) == 0
    outcome = judged(ROGUE.leaf([HOST]), memory=memory, trusted=False)
    assert [f.code for f in outcome.findings] == ["cert_untrusted"]
    assert "no authority that clients know has signed it" in outcome.findings[0].message
    assert "unable to get local issuer certificate" in str(
        outcome.evidence["served"]["verify_error"]
    )


def test_a_private_root_sent_along_is_untrusted_and_not_incomplete():
    leaf = ROGUE.leaf([HOST])
    chain = (
        leaf.read,
        *(read_certificate(c.public_bytes(DER)) for c in (ROGUE.intermediate, ROGUE.root)),
    )
    reported = Reported(read_pem(leaf.full_pem + ROGUE.root_pem.decode()))
    for sent in (chain, chain[:2]):
        assert [
            f.code for f in judged(leaf, reported=reported, trusted=False, chain=sent).findings
        ] == ["cert_untrusted"]


def test_a_self_signed_certificate_that_this_machine_trusts_is_only_not_lets_encrypts():
    leaf = le(self_signed=True)
    assert [f.code for f in judged(leaf).findings] == ["cert_not_lets_encrypt"]
    assert [f.code for f in judged(leaf, trusted=False).findings] == ["cert_self_signed"]


# -- two sources


def test_another_certificate_served_than_reported(tmp_path):
    got = visit(tmp_path, le(), portal=le(start=-1, end=89))
    assert (got.status, got.codes) == ("warn", ["cert_served_differs"])
    assert "renewed" in got.message
    assert (
        got.evidence["portal"]["certificate"]["sha256"]
        != got.evidence["served"]["certificate"]["sha256"]
    )
    older = visit(tmp_path, le(), portal=le(start=-60, end=30))
    assert (older.codes, "renewed" in older.message) == (["cert_served_differs"], False)


def test_the_served_one_decides(tmp_path):
    good_in_the_file = visit(tmp_path, le(start=-95, end=-5), portal=le())
    assert (good_in_the_file.status, sorted(good_in_the_file.codes)) == (
        "fail",
        ["cert_expired", "cert_served_differs"],
    )
    bad_in_the_file = visit(tmp_path, le(), portal=le(start=-95, end=-5))
    assert (bad_in_the_file.status, bad_in_the_file.codes) == ("warn", ["cert_served_differs"])


def test_without_a_portal_the_served_one_alone_decides(tmp_path):
    got = visit(tmp_path, le(), portal=None)
    assert (got.status, got.codes) == ("ok", [])
    assert visit(tmp_path, le(self_signed=True), portal=None).codes == ["cert_self_signed"]


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 503},
        {"status": 401},
        {"body": b"<html>"},
        {"drop": True},
        {"json": {"pem": "no certificate"}},
    ],
)
def test_a_portal_in_trouble_leaves_the_verdict_to_the_served_one(tmp_path, answer):
    got = visit(tmp_path, le(), portal=answer)
    assert (got.status, got.codes) == ("ok", ["cert_not_compared"])
    assert "error" in got.evidence["portal"]


def test_a_certificate_that_the_portal_does_not_know_is_judged(tmp_path):
    got = visit(tmp_path, le(), portal={"status": 404})
    assert (got.status, got.codes) == ("ok", ["cert_portal_missing"])


def test_nothing_reported_and_nothing_served_is_missing(tmp_path):
    got = visit(tmp_path, None, portal={"status": 404})
    assert (got.status, got.codes) == ("fail", ["cert_missing"])
    nowhere = visit(tmp_path, None, portal={"status": 404}, zone={"names": {}})
    assert (nowhere.status, nowhere.codes) == ("fail", ["cert_missing"])


def test_nothing_is_said_to_be_served_where_nothing_was_dialled(tmp_path):
    got = visit(
        tmp_path, None, portal={"status": 404}, zone={"names": {HOST: {"A": ["10.11.12.13"]}}}
    )
    assert (got.status, got.codes) == ("fail", ["cert_missing"])
    assert "not public (10.11.12.13); nothing is dialled" in got.message


def test_a_server_that_speaks_tls_and_only_not_with_us_may_have_a_certificate(tmp_path):
    made = server_context(tmp_path, le())
    with pytest.warns(DeprecationWarning):
        made.minimum_version = made.maximum_version = ssl.TLSVersion.TLSv1
    got = visit(tmp_path, le(), portal={"status": 404}, context=made)
    assert (got.status, got.codes) == ("unknown", ["cert_unreachable"])
    assert "TLS versions that are no longer safe" in got.message


def test_silence_in_what_slow_name_servers_left_of_the_time_makes_nothing_missing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        url = f"https://{HOST}:{stalled.getsockname()[1]}/"
        slow = {**ZONE, "rules": [{"name": HOST, "type": "AAAA", "action": "drop"}]}
        got = visit(tmp_path, None, portal={"status": 404}, url=url, zone=slow, seconds=2.0)
        assert (got.status, got.codes) == ("unknown", ["cert_unreachable"])
        assert "too little time to answer" in got.message
        assert visit(tmp_path, None, portal={"status": 404}, url=url, seconds=2.0).codes == [
            "cert_missing"
        ]


def test_nothing_reported_and_no_way_to_look_is_unknown(tmp_path):
    got = visit(
        tmp_path,
        None,
        portal={"status": 404},
        zone={"rules": [{"name": HOST, "action": "servfail"}]},
    )
    assert (got.status, got.codes) == ("unknown", ["cert_unreachable", "dns_servfail"])


def test_neither_source_is_unknown_with_the_portals_code(tmp_path):
    assert visit(tmp_path, None, portal={"status": 500}).codes == [
        "cert_unreachable",
        "portal_error",
    ]
    got = visit(tmp_path, None, portal=None)
    assert (got.status, got.codes) == ("unknown", ["cert_unreachable", "portal_not_configured"])
    assert {f.owner for f in got.result.findings} == {Owner.MEASUREMENT}
    assert visit(tmp_path, None, portal={"json": {"pem": "x"}}).codes == [
        "cert_unreachable",
        "portal_bad_response",
    ]


@pytest.mark.parametrize(
    "zone",
    [
        {"names": {}},
        {"names": {HOST: {"A": ["10.11.12.13"]}}},
        {"names": {HOST: {"A": ["127.0.0.1", "10.11.12.13"]}}},
        {"names": {HOST: {"A": ["127.0.0.1"], "AAAA": ["fd00::1"]}}},
        {"rules": [{"name": HOST, "action": "servfail"}]},
    ],
)
def test_an_address_that_may_not_be_dialled_leaves_the_portals_and_nothing_is_dialled(
    tmp_path, zone
):
    got = visit(tmp_path, ROGUE.leaf([HOST]), zone=zone)
    assert (got.status, got.codes) == ("ok", ["cert_served_unseen"])
    assert "could not be looked at" in got.message
    assert got.server.connections == 0
    assert got.evidence["judged"] == "portal"
    assert got.evidence["trust"].startswith("not judged")
    assert any(
        word in got.evidence["served"]["error"]
        for word in ("10.11.12.13", "fd00::1", "no address", "did not", "SERVFAIL")
    )


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: le(start=-95, end=-5), "cert_expired"),
        (lambda: le(["x.test"]), "cert_name_mismatch"),
        (lambda: le(self_signed=True), "cert_self_signed"),
        (lambda: STAGING.leaf([HOST]), "cert_staging"),
        (lambda: OTHER.leaf([HOST]), "cert_not_lets_encrypt"),
        (lambda: le(key=rsa.generate_private_key(65537, 1024)), "cert_weak_key"),
    ],
)
def test_the_portals_certificate_alone_is_judged_for_all_but_its_chain(tmp_path, make, code):
    for served in (None, SSH):
        assert visit(tmp_path, served, portal=make()).codes == [code, "cert_served_unseen"]


def test_a_server_that_never_finishes_the_handshake_leaves_the_portals_in_time(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as stalled:
        got = visit(
            tmp_path,
            None,
            portal=le(),
            url=f"https://webmail.{{domain}}:{stalled.getsockname()[1]}/",
            seconds=1.0,
        )
        client, _peer = stalled.accept()
        client.settimeout(5)
        while client.recv(4096):  # until the client has gone
            pass
        client.close()
    assert got.codes == ["cert_served_unseen"]


def test_a_webmail_address_that_is_not_https_is_not_dialled(tmp_path):
    got = visit(tmp_path, None, portal=le(), url="http://webmail.{domain}/")
    assert got.codes == ["cert_served_unseen"]
    got = visit(tmp_path, None, portal=le(), url="https://10.0.0.1/")
    assert (got.status, got.codes) == ("unknown", ["webmail_url_invalid"])


# -- case 99 and bytes that make no sense


def test_a_strange_certificate_is_shown_and_cut(tmp_path):
    """Case 99."""
    names = [HOST, *(f"n{n}.kunde.test" for n in range(1500))]
    got = visit(tmp_path, le(names, common="<script>alert(1)</script>\u202e"))
    assert got.codes == []
    shown = got.evidence["served"]["certificate"]
    assert shown["subject"] == "CN=<script>alert(1)</script>\\u202e"
    assert (len(shown["names"]), shown["names_in_all"]) == (50, 1501)
    assert len(json.dumps(got.evidence)) < 20_000


def test_endless_names_leave_every_sentence_short():
    """Case 99."""
    made = authority().leaf(["x" * 20_000], common="y")
    long = replace(
        read_certificate(made.cert.public_bytes(DER)),
        issuer_organisations=("o" * 20_000,),
        issuer_common_names=("c" * 20_000,),
    )
    shake = Handshake("192.0.2.1", False, 20, "", (long.der,), "TLSv1.3")
    outcome = certificate_outcome(
        HOST,
        Reported(missing=True),
        [Served(shake, (long, long))],
        now=now(),
        intermediates=Intermediates(),
    )
    assert [f.code for f in outcome.findings] == [
        "cert_name_mismatch",
        "cert_chain_incomplete",
        "cert_portal_missing",
    ]
    assert (
        max(len(text) for text in (outcome.summary, *(f.message for f in outcome.findings))) < 400
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (HOST.encode(), b"\xff" + HOST[1:].encode(), ["cert_unreadable"]),
        (b"Let's Encrypt", b"\xff\xff\xff's Encrypt", ["cert_unreadable"]),
        (bytes.fromhex("2a8648ce3d030107"), bytes.fromhex("2a8648ce3d03017f"), ["cert_unreadable"]),
        (b"a-subject", b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff", []),
    ],
)
def test_a_part_that_cannot_be_read_makes_it_unknown_where_it_matters(old, new, expected):
    """Case 99."""
    leaf = authority().leaf([HOST], common="a-subject")
    broken = read_certificate(leaf.cert.public_bytes(DER).replace(old, new))
    outcome = judged(leaf, reported=Reported((broken,)), chain=(broken,))
    assert [f.code for f in outcome.findings] == expected
    assert all(f.severity == Severity.UNKNOWN for f in outcome.findings)


def test_a_served_certificate_that_cannot_be_read_at_all():
    """Case 99."""
    shake = Handshake("192.0.2.1", False, 2, "", (b"\x30\x00",), "TLSv1.3")
    served = Served(shake, why="The certificate that is served cannot be read.")
    for reported, expected in (
        (Reported(missing=True), ["cert_unreadable"]),
        (Reported((le().read,)), ["cert_unreadable"]),
    ):
        outcome = certificate_outcome(
            HOST, reported, [served], now=now(), intermediates=Intermediates()
        )
        assert [f.code for f in outcome.findings] == expected


def test_the_token_is_not_in_the_result(tmp_path, caplog):
    with caplog.at_level("DEBUG"):
        got = visit(tmp_path, le(), portal={"status": 404, "json": {"detail": f"no {TOKEN}"}})
    assert got.portal.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in json.dumps(got.evidence) + repr(got.result) + caplog.text


def test_what_the_portal_says_is_to_be_remembered_and_its_silence_is_not(tmp_path):
    """Case 187."""
    leaf = le()
    assert visit(tmp_path, leaf).result.facts == {"certificate": leaf.pem}
    missing = {"status": 404, "json": {"detail": "none"}}
    assert visit(tmp_path, leaf, portal=missing).result.facts == {"certificate": ""}
    assert visit(tmp_path, leaf, portal={"status": 500}).result.facts == {}
    assert visit(tmp_path, leaf, portal=None).result.facts == {}


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (lambda: le(end=-1), "cert_expired"),
        (lambda: le(start=1), "cert_not_yet_valid"),
        (lambda: Authority().leaf([HOST]), "cert_untrusted"),
        (lambda: le(["other.test"]), "cert_name_mismatch"),
        (lambda: le(["other.test"], end=-1), "cert_expired"),
    ],
)
def test_a_wrong_certificate_costs_one_handshake_more_than_a_good_one(tmp_path, made, code):
    """Cases 91 to 95: the one that refused it says why, another one shows what it was."""
    got = visit(tmp_path, made())
    assert code in got.codes
    most = 3 if len(got.codes) > 1 and "cert_name_mismatch" in got.codes else 2
    assert len(got.server.names) <= most


# -- a tenant without a portal, on purpose


@pytest.mark.parametrize(
    ("make", "codes"), [(lambda: le(), []), (lambda: le(start=-95, end=-5), ["cert_expired"])]
)
def test_without_a_portal_what_is_served_is_judged_and_nothing_is_missed(tmp_path, make, codes):
    leaf = make()
    last = PortalFacts(certificate=le().pem, certificate_at=now())
    for facts in (PortalFacts(), last):  # what a portal said that is no more is held against nobody
        got = visit(tmp_path, leaf, portal=None, without_portal=True, portal_facts=facts)
        assert (got.status, got.codes) == ("fail" if codes else "ok", codes)
        assert got.evidence["judged"] == "served" and got.evidence["portal"] == {"absent": True}
        assert got.result.facts == {}


def test_without_a_portal_and_with_nothing_served_it_is_unknown_for_that_alone(tmp_path):
    got = visit(tmp_path, None, portal=None, without_portal=True)
    assert (got.status, got.codes) == ("unknown", ["cert_unreachable"])


# -- what a missing certificate would mend, and what it would not

ISRG = Authority(root="Internet Security Research Group")
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH


def test_a_wrong_purpose_is_not_mended_by_another_chain(tmp_path):
    for leaf in (ISRG.leaf([HOST], usage=CLIENT), authority().leaf([HOST], usage=CLIENT)):
        got = visit(tmp_path, leaf, trusted=[ISRG, authority()])
        assert (got.status, got.codes) == ("fail", ["cert_untrusted"])
        assert "not meant for web servers" in got.message
    bare = ISRG.leaf([HOST], usage=CLIENT, bare=True)
    assert visit(tmp_path, bare, trusted=[ISRG]).codes == ["cert_chain_incomplete"]


@pytest.mark.parametrize("behind", [("intermediate",), ("intermediate", "root")])
def test_a_chain_to_a_root_that_clients_do_not_know_yet_lacks_its_link(tmp_path, behind):
    leaf = ISRG.leaf([HOST])
    leaf = replace(leaf, behind=tuple(getattr(ISRG, part) for part in behind))
    got = visit(tmp_path, leaf, trusted=[authority()])
    assert (got.status, got.codes) == ("fail", ["cert_chain_incomplete"])
    assert "ends at C=US, O=Internet Security Research Group, CN=Root X1" in got.message
    strange = replace(leaf, behind=(authority().intermediate,))
    got = visit(tmp_path, strange, trusted=[authority()])
    assert "do not belong to its own" in got.message
