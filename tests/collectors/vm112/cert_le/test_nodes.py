"""cert_le over several addresses, with two keys, and beside a silent portal."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from collectors.base import PortalFacts
from collectors.net.circuit_breaker import PortalFault
from collectors.net.http_client import Handshake
from collectors.net.portal_facts import remembered_certificate
from collectors.standards.certificate_chains import Intermediates
from collectors.standards.certificates import read_certificate, read_pem
from collectors.text import _
from collectors.vm112.cert_le.check import certificate_outcome
from collectors.vm112.cert_le.sources import Reported, Served
from scripts.ports import Reserved
from tests.collectors.certificate_maker import DAY, DER, Authority, authority, now
from tests.collectors.hostile_http import Hostile, certificates
from tests.collectors.lab import codes, look, target

HOST = "webmail.kunde.test"
ONE, TWO = "192.0.2.1", "192.0.2.2"
SILENT = PortalFault("portal_timeout", _("The portal did not answer in time."))


def le(**kwargs):
    return authority().leaf([kwargs.pop("name", HOST)], **kwargs)


def at(address, leaf, *, trusted=True, behind=None):
    behind = leaf.behind if behind is None else behind
    chain = (leaf.read, *(read_certificate(c.public_bytes(DER)) for c in behind))
    shake = Handshake(address, trusted, 0 if trusted else 20, "", (), "TLSv1.3")
    return Served(shake, chain, address=address)


def gone(address, **changes):
    return Served(why=_("The webmail address refuses the connection."), address=address, **changes)


def judged(nodes, reported):
    reported = reported if isinstance(reported, Reported) else Reported((reported.read,))
    return certificate_outcome(HOST, reported, nodes, now=now(), intermediates=Intermediates())


def said(outcome):
    return [finding.code for finding in outcome.findings]


def both_orders(one, two):
    return [[one, two], [two, one]]


# -- several addresses


@pytest.mark.parametrize(
    "bad",
    [
        lambda: le(start=-95, end=-5),
        lambda: le(name="default.host.test"),
        lambda: le(self_signed=True),
        lambda: le(start=-80, end=10),
    ],
)
def test_an_address_that_serves_a_worse_certificate_is_named_in_any_order(bad):
    """Case 194."""
    good, worse = le(), bad()
    trusted = worse.behind != ()
    for nodes in both_orders(at(ONE, good), at(TWO, worse, trusted=trusted)):
        outcome = judged(nodes, good)
        assert said(outcome) == ["cert_node_differs"]
        assert TWO in str(outcome.findings[0].message)
        assert ONE not in str(outcome.findings[0].message)
        assert set(outcome.evidence["nodes"]) == {ONE, TWO}


def test_the_best_certificate_is_the_measure_and_not_the_newest():
    good, worse = le(), le(name="default.host.test", start=-1, end=89)
    for nodes in both_orders(at(ONE, good), at(TWO, worse)):
        outcome = judged(nodes, Reported(missing=True))
        assert said(outcome) == ["cert_node_differs", "cert_portal_missing"]
        assert TWO in str(outcome.findings[0].message)


@pytest.mark.parametrize(
    ("one", "two", "first", "second"),
    [
        ({"start": -85, "end": 5}, {"start": -95, "end": -5}, "about_to_expire", "expired"),
        ({"start": -85, "end": 5}, {"name": "x.test"}, "about_to_expire", "name_mismatch"),
        ({"name": "x.test"}, {"name": "x.test", "self_signed": True}, "name_mismatch", "self_sig"),
    ],
)
def test_where_every_address_fails_each_ones_own_reason_is_said(one, two, first, second):
    one, two = le(**one), le(**two)
    for nodes in both_orders(at(ONE, one), at(TWO, two, trusted=two.behind != ())):
        outcome = judged(nodes, one)
        assert first in said(outcome)[0]
        (differs,) = [f for f in outcome.findings if f.code == "cert_node_differs"]
        assert TWO in str(differs.message) and ONE not in str(differs.message)
        reasons = judged([at(TWO, two, trusted=two.behind != ())], two).findings
        why = next(str(f.message) for f in reasons if second in f.code)
        assert why in str(differs.message)


def test_what_all_addresses_serve_is_said_once():
    expired = le(start=-95, end=-5)
    assert said(judged([at(ONE, expired), at(TWO, expired)], expired)) == ["cert_expired"]


def test_certificates_that_are_as_good_as_each_other_harm_nobody():
    one, two = le(), le()
    for nodes in both_orders(at(ONE, one), at(TWO, two)):
        assert said(judged(nodes, one)) == []


def test_an_address_that_a_renewal_did_not_reach_is_named():
    new, old = le(start=-1, end=89), le(start=-31, end=59)
    for nodes in both_orders(at(ONE, new), at(TWO, old)):
        outcome = judged(nodes, new)
        assert said(outcome) == ["cert_served_differs"]
        assert TWO in str(outcome.findings[0].message)


def test_an_address_without_any_certificate_is_worse_and_a_closed_one_only_unseen():
    good = le()
    refuses = gone(TWO, absent=True, refused=True)
    assert said(judged([at(ONE, good), refuses], good)) == ["cert_node_differs"]
    assert said(judged([at(ONE, good), gone(TWO, absent=True)], good)) == ["cert_served_unseen"]


def test_every_address_gets_a_handshake_over_real_sockets():
    """Case 194."""
    networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    with (
        Reserved("127.0.0.1", "::1") as both,
        Hostile(certificates(), port=both.port) as one,
        Hostile(certificates(), host="::1", port=both.port) as six,
    ):
        names = {"good.test": {"A": ["127.0.0.1"], "AAAA": ["::1"]}}
        the_target = target(webmail_url=f"https://good.test:{one.port}/")
        changes = {"ca_file": certificates().ca_file, "allowed_networks": networks}
        result, _dns = look("cert_le", {"names": names}, the_target, config_changes=changes)
        assert (len(one.connections), len(six.connections)) == (1, 1)
    assert set(result.evidence["nodes"]) == {"127.0.0.1", "::1"}
    assert codes(result) == ["cert_not_lets_encrypt"]


# -- two keys, and where the leaf stands


@pytest.mark.parametrize(("left", "told"), [(40, False), (26, False), (20, True), (-5, True)])
def test_a_renewal_that_changed_the_keys_type_and_is_not_served_is_told(left, told):
    """As certbot did from RSA to ECDSA: what is served is not a second certificate."""
    old = le(key=rsa.generate_private_key(65537, 2048), start=left - 90, end=left)
    new = le(start=left - 30, end=left + 60)
    assert ("cert_served_differs" in said(judged([at(ONE, old)], new))) == told
    assert "cert_served_differs" not in said(judged([at(ONE, old)], old))
    assert "cert_served_differs" not in said(judged([at(ONE, new)], old))


def test_a_second_certificate_of_another_key_type_is_no_difference():
    rsa_leaf = le(key=rsa.generate_private_key(65537, 2048))
    ecdsa_leaf = le()
    assert said(judged([at(ONE, ecdsa_leaf)], rsa_leaf)) == []
    assert said(judged([at(ONE, rsa_leaf)], ecdsa_leaf)) == []
    other_names = authority().leaf([HOST, "x.test"], key=rsa_leaf.key)
    assert said(judged([at(ONE, ecdsa_leaf)], other_names)) == ["cert_served_differs"]


def test_the_leaf_is_found_wherever_it_stands_in_the_portals_file():
    leaf = le()
    intermediate = authority().intermediate.public_bytes(DER)
    turned = Reported((read_certificate(intermediate), leaf.read))
    assert said(judged([at(ONE, leaf)], turned)) == []
    both = Reported((le(key=rsa.generate_private_key(65537, 2048)).read, leaf.read))
    assert said(judged([at(ONE, leaf)], both)) == []
    of_another = Reported((le(name="x.test").read, le(start=-1, end=89).read))
    assert said(judged([at(ONE, leaf)], of_another)) == ["cert_served_differs"]


@pytest.mark.parametrize("sent", ["old", "none", "itself"])
def test_a_lets_encrypt_leaf_whose_chain_does_not_fit_is_incomplete(sent):
    leaf = Authority("Let's Encrypt", intermediate="R10").leaf([HOST])
    old = Authority("Let's Encrypt", intermediate="R3").intermediate
    behind = {"old": (old,), "none": (), "itself": (leaf.cert,)}[sent]
    outcome = judged([at(ONE, leaf, trusted=False, behind=behind)], leaf)
    assert said(outcome) == ["cert_chain_incomplete"]


# -- a silent portal


def remembered(leaf_or_pem, *, days_ago=1.0):
    pem = leaf_or_pem if isinstance(leaf_or_pem, str) else leaf_or_pem.pem
    facts = PortalFacts(certificate=pem, certificate_at=now() - days_ago * DAY)
    known = remembered_certificate(facts, SILENT)
    return Reported(read_pem(pem) if pem else (), known, missing=not pem)


def test_a_silent_portal_changes_no_verdict():
    """Case 187."""
    served, other = le(), le(start=-60, end=30)
    for pem, expected in ((served, []), (other, ["cert_served_differs"])):
        up = judged([at(ONE, served)], pem)
        down = judged([at(ONE, served)], remembered(pem))
        assert said(up) == said(down) == expected
    assert down.evidence["portal"]["error"] == "portal_timeout"
    assert "remembered_since" in down.evidence["portal"]
    assert down.facts == {}


def test_what_the_portal_said_is_handed_on_to_be_remembered():
    leaf = le()
    up = replace(
        remembered(leaf), known=replace(remembered(leaf).known, facts={"certificate": leaf.pem})
    )
    assert judged([at(ONE, leaf)], up).facts == {"certificate": leaf.pem}


def test_a_certificate_that_was_missing_stays_missing_while_the_portal_is_silent():
    """Case 187."""
    outcome = judged([gone(ONE, absent=True)], remembered(""))
    assert said(outcome) == ["cert_missing"]


def test_a_certificate_issued_since_the_portal_fell_silent_is_not_held_against_what_it_said():
    renewed = le(start=-0.5, end=89)
    outcome = judged([at(ONE, renewed)], remembered(le(start=-60, end=30), days_ago=2))
    assert said(outcome) == ["cert_not_compared"]
    begun_before = le(start=-3, end=87)
    outcome = judged([at(ONE, begun_before)], remembered(le(start=-60, end=30), days_ago=2))
    assert said(outcome) == ["cert_served_differs"]


def test_more_than_a_week_of_silence_is_forgotten():
    facts = PortalFacts(certificate=le().pem, certificate_at=now() - timedelta(days=8))
    with pytest.raises(PortalFault):
        remembered_certificate(facts, SILENT)
