"""Where a trouble belongs, by its findings and evidence: pure."""

import pytest

from audit.results.cause import AWAY, RESOLVER, Kind, Place, away, cause_of, server_place
from collectors.causes import OF_THE_SERVER
from tests.audit.troubles import fault, found, unmeasured


def place(check_id, **faults):
    cause = cause_of(7, 3, check_id, found(**faults))
    return cause and cause.place[:2], cause and cause.shared and cause.shared[:2]


def test_a_trouble_of_its_own_is_one_check_of_one_domain():
    assert place("dns_mx", dns_mx=fault("mx_missing")) == (("check", "7:dns_mx"), None)


def test_what_is_ok_has_no_cause():
    assert cause_of(7, 3, "dns_mx", found()) is None
    unknown = fault("dns_timeout", severity="unknown", owner="measurement")
    assert cause_of(7, 3, "dns_mx", found(dns_mx=unknown)) is None


def test_what_follows_from_a_row_of_the_server_card_belongs_to_it():
    spf = fault("spf_include_missing", because=("server_spf", "server_spf_broken"))
    assert place("dns_spf", dns_spf=spf)[0] == ("server", "3:server_spf")


def test_what_follows_from_another_check_belongs_to_that():
    webmail = fault("webmail_x", because=("dns_mx", "mx_missing"))
    faults = {"webmail_http": webmail, "dns_mx": fault("mx_missing")}
    assert place("webmail_http", **faults)[0] == ("check", "7:dns_mx")


def test_a_circle_of_causes_ends():
    one = fault("a", because=("dns_spf", "b"))
    two = fault("b", because=("dns_mx", "a"))
    assert place("dns_mx", dns_mx=one, dns_spf=two)[0][0] == "check"


@pytest.mark.parametrize("check_id, code", OF_THE_SERVER)
def test_what_a_host_says_for_all_its_domains_is_a_row_of_its_card(check_id, code):
    if check_id in found():
        row = OF_THE_SERVER[check_id, code].check_id
        expected = server_place(3, row)[:2]
        assert place(check_id, **{check_id: fault(code, owner="host")})[0] == expected


def test_a_portal_is_one_cause_for_its_card_and_its_domains():
    found = away(3, unmeasured("portal_unreachable"))
    assert server_place(3, "server_portal") == found[Kind.PORTAL].place == Place("portal", "3")
    assert server_place(3, "server_spf") == Place("server", "3:server_spf", "server_spf")
    assert away(3, unmeasured("resolver_down"))[Kind.RESOLVER].place == RESOLVER


@pytest.mark.parametrize(
    "check_id, code, evidence, shared",
    [
        ("webmail_http", "webmail_refused", {"addresses": ["b", "a"]}, ("address", "a, b")),
        ("webmail_http", "webmail_refused", {"addresses": []}, None),
        ("webmail_http", "webmail_refused", {}, None),
        (
            "dns_mx",
            "mx_target_unresolvable",
            {"exchanges": [{"host": "ok.pt", "addresses": ["a"]}, {"host": "mx.pt"}]},
            ("mail_host", "mx.pt"),
        ),
        ("dns_mx", "mx_target_is_cname", {"exchanges": None}, None),
        (
            "cert_le",
            "cert_expired",
            {"served": {"certificate": {"sha256": "aa"}}},
            ("certificate", "aa"),
        ),
        ("cert_le", "cert_expired", {"served": None}, None),
        ("cert_le", "cert_not_configured", {"served": {"certificate": {"sha256": "a"}}}, None),
    ],
)
def test_what_domains_may_share(check_id, code, evidence, shared):
    assert place(check_id, **{check_id: fault(code, **evidence)})[1] == shared


def test_a_shared_name_of_any_length_fits_its_columns():
    addresses = [f"2001:db8::{n}" for n in range(99)]
    refused = fault("webmail_refused", addresses=addresses)
    shared = cause_of(7, 3, "webmail_http", found(webmail_http=refused)).shared
    assert (len(shared.key), len(shared.subject)) == (300, 255)


def test_a_cause_knows_its_places():
    refused = fault("webmail_refused", addresses=["a"])
    cause = cause_of(7, 3, "webmail_http", found(webmail_http=refused))
    assert cause.belongs_to("check", "7:webmail_http") and cause.belongs_to("address", "a")
    assert not cause.belongs_to("address", "b") and not cause.belongs_to("mail_host", "a")


@pytest.mark.parametrize("code", ["portal_unreachable", "resolver_down"])
def test_what_is_away_is_said_once(code):
    assert set(away(3, unmeasured(code))) == {AWAY[code]}


def test_a_question_without_answer_says_nothing_of_the_resolver():
    unknown = fault("dns_timeout", severity="unknown", owner="measurement")
    assert away(3, found(dns_mx=unknown)) == {} == away(3, found())
