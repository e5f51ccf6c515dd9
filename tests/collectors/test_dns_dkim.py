"""dns_dkim: can receivers verify the signature that the tenant's server makes? (RFC 6376, RFC 8301, RFC 8463)"""

import asyncio
import time
from types import SimpleNamespace

import pytest

from collectors.base import Fault
from collectors.records.dkim_read import USUAL
from collectors.text import _

from . import dkim_keys as keys
from .lab import codes, look, target

NAME = "s1._domainkey.kunde.test"
RECORD = f"v=DKIM1; k=rsa; p={keys.spki()}"
OTHER = f"v=DKIM1; k=rsa; p={keys.spki(name='other')}"


class Portal:
    """A portal that says what it is told to; `answer` may be an exception, and `seconds` is how long it thinks."""

    def __init__(self, answer, seconds=0.0):
        self.answer, self.seconds = answer, seconds

    async def get(self, url, token, what, domain, *, seconds):
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def close(self):
        pass


def signs(selector="s1", key=None):
    """A portal whose server signs with this selector and key."""
    dkim = {"selector": selector, "public_key": keys.spki() if key is None else key}
    return Portal(SimpleNamespace(found=True, data={"dkim": dkim}))


def check(zone, portal=None, **changes):
    """(result, server) of dns_dkim for kunde.test; `zone` is {name: TXT record or list of records or {type: records}}."""
    names = {name: texts if isinstance(texts, dict) else {"TXT": texts} for name, texts in zone.items()}
    url = "http://portal.test" if portal else ""
    return look("dns_dkim", {"names": {"kunde.test": {"A": ["192.0.2.1"]}, **names}}, target(portal_url=url, **changes), portal=portal)


def only(result, code):
    """The finding with this code, which must be the only one."""
    assert codes(result) == [code]
    return result.findings[0]


def records(finding):
    return [(r.action, r.type, r.name, r.value, r.current) for r in finding.fix.records]


# -- what is well


def test_a_key_that_the_server_signs_with_is_ok():
    result, server = check({NAME: RECORD}, signs())
    assert (result.status, codes(result)) == ("ok", [])
    assert result.message == "Selector s1: RSA, 2048 bits, the key that the server signs with"
    assert len(server.queries) == 2  # the selector and one that nobody uses
    assert result.evidence["selectors"][0]["txt"] == [RECORD]
    assert result.evidence["selectors"][0]["key"]["sha256"] == result.evidence["signing"]["sha256"]


def test_keys_are_compared_by_material_and_not_as_text():
    assert check({NAME: f"k=rsa; p={keys.pkcs1()[:30]} {keys.pkcs1()[30:]}"}, signs())[0].status == "ok"


def test_without_a_portal_the_tenants_selector_decides():
    result, _server = check({NAME: RECORD})
    assert result.status == "ok"
    assert result.message == "Selector s1: RSA, 2048 bits"
    assert (result.evidence["selectors_from"], result.evidence["portal"]) == ("tenant", "not_configured")


def test_the_domains_own_selectors_replace_the_tenants():
    result, server = check({"own._domainkey.kunde.test": RECORD}, dkim_selectors=("own",))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "domain")
    assert server.count(NAME) == 0


def test_the_portals_selector_counts_and_the_others_do_not():
    result, _server = check({"new._domainkey.kunde.test": RECORD}, signs("new"))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "portal")


def test_all_selectors_of_a_source_are_read():
    result, _server = check({NAME: RECORD, "s2._domainkey.kunde.test": OTHER}, dkim_selectors=("s1", "S2", "s2", "s3"))
    finding = only(result, "dkim_missing")
    assert "s3._domainkey.kunde.test" in finding.message
    assert [s["selector"] for s in result.evidence["selectors"]] == ["s1", "S2", "s3"]


def test_many_selectors_are_cut_and_it_says_so():
    zone = {f"k{i}._domainkey.kunde.test": RECORD for i in range(30)}
    result, server = check(zone, dkim_selectors=tuple(f"k{i}" for i in range(30)))
    assert (result.status, result.evidence["selectors_read_at_most"]) == ("ok", 10)
    assert len(server.queries) == 11


def test_an_ed25519_key_alone_is_ok_and_says_something():
    result, _server = check({NAME: f"v=DKIM1; k=ed25519; p={keys.ed25519_raw()}"}, signs(key=keys.ed25519_raw()))
    assert result.status == "ok"
    only(result, "dkim_ed25519_only")


def test_an_alias_is_followed():
    result, _server = check({NAME: {"CNAME": ["key.host.test."]}, "key.host.test": RECORD}, signs())
    assert result.status == "ok"
    assert result.evidence["selectors"][0]["cname"] == ["key.host.test"]


# -- the portal, in every mood


@pytest.mark.parametrize("data", [{"dkim": None}, None], ids=["no key", "domain not found"])
def test_a_portal_without_a_key_leaves_it_to_the_next_source(data):
    result, _server = check({NAME: RECORD}, Portal(SimpleNamespace(found=data is not None, data=data)))
    assert (result.status, result.evidence["selectors_from"]) == ("ok", "tenant")


def test_a_portal_that_fails_leaves_it_to_the_next_source():
    result, _server = check({NAME: RECORD}, Portal(Fault("portal_auth", _("The portal refused the token."))))
    assert (result.status, result.evidence["portal"]) == ("ok", "portal_auth")


def test_a_silent_portal_is_not_waited_for():
    portal = signs("elsewhere")
    portal.seconds = 8
    started = time.monotonic()
    zone = {"names": {NAME: {"TXT": RECORD}}}
    result, _server = look("dns_dkim", zone, target(portal_url="http://portal.test"), config_changes={"check_seconds": 3.0}, portal=portal)
    assert (result.status, codes(result), result.evidence["portal"]) == ("ok", [], "too_late")
    assert time.monotonic() - started < 3


def test_the_selectors_are_read_while_the_portal_thinks():
    portal = signs()
    portal.seconds = 1
    zone = {"names": {NAME: {"TXT": RECORD}}, "rules": [{"name": NAME, "delay": 1}]}
    result, _server = look("dns_dkim", zone, target(portal_url="http://portal.test"), portal=portal)
    assert result.status == "ok"
    assert result.duration_ms < 1900


def test_a_server_key_that_is_none_leaves_the_comparison_open():
    result, _server = check({NAME: RECORD}, signs(key="not a key"))
    assert result.status == "unknown"
    only(result, "portal_bad_response")


def test_without_a_portal_url_nobody_is_asked():
    portal = Portal(AssertionError("the portal was asked"))
    result, _server = look("dns_dkim", {"names": {NAME: {"TXT": RECORD}}}, target(), portal=portal)
    assert result.status == "ok"


# -- selectors


@pytest.mark.parametrize(
    "selector", ["../../x", "a b", "", ".", "a..b", "-a", "a_", "s1._domainkey.kunde.test", "x" * 64, "a." * 120 + "a", "ü", "a\n"]
)
def test_case_65_a_selector_that_is_no_name_is_refused_before_any_query(selector):
    result, server = check({NAME: RECORD}, dkim_selectors=(selector,))
    assert result.status == "unknown"
    only(result, "dkim_selector_invalid")
    assert server.queries == []


def test_case_65_a_portals_selector_that_is_no_name_fails():
    result, server = check({NAME: RECORD}, signs("../../x"))
    finding = only(result, "dkim_selector_invalid")
    assert (finding.severity, finding.owner) == ("fail", "host")
    assert [q["name"] for q in server.queries] == [f"{NAME}."]


def test_a_selector_may_have_several_parts_and_underscores_inside():
    assert check({"2026.mail_1._domainkey.kunde.test": RECORD}, signs("2026.Mail_1"))[0].status == "ok"


def test_with_no_selector_and_nothing_below_domainkey_it_is_missing():
    result, server = check({}, tenant_dkim_selectors=())
    finding = only(result, "dkim_missing")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert len(server.queries) == 2


def test_with_no_selector_a_key_at_the_apex_is_told():
    result, _server = check({"kunde.test": RECORD}, tenant_dkim_selectors=())
    assert "stands at kunde.test" in only(result, "dkim_misplaced").message


def test_with_no_selector_and_names_below_domainkey_usual_ones_are_tried():
    zone = {"google._domainkey.kunde.test": RECORD, "selector1._domainkey.kunde.test": "v=spf1 -all"}
    result, server = check(zone, tenant_dkim_selectors=())
    assert (result.status, codes(result)) == ("unknown", ["dkim_selector_unknown", "dkim_guessed"])
    assert "google" in result.findings[1].message
    assert len(server.queries) == len(USUAL) + 2


def test_with_a_wildcard_no_selector_is_guessed():
    result, _server = check({"*._domainkey.kunde.test": RECORD}, tenant_dkim_selectors=())
    only(result, "dkim_selector_unknown")


def test_with_no_selector_because_the_portal_failed_both_are_said():
    portal = Portal(Fault("portal_timeout", _("The portal did not answer in time.")))
    result, _server = check({"other._domainkey.kunde.test": RECORD}, portal, tenant_dkim_selectors=())
    assert (result.status, codes(result)) == ("unknown", ["dkim_selector_unknown", "portal_timeout"])


# -- missing, and in the wrong place


def test_case_13_nxdomain_is_missing_and_the_fix_is_the_servers_key():
    result, _server = check({}, signs())
    finding = only(result, "dkim_missing")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert records(finding) == [("add", "TXT", NAME, RECORD, None)]
    assert result.evidence["selectors"][0]["result"] == "NXDOMAIN"


def test_case_14_nodata_is_missing():
    result, _server = check({NAME: {"A": ["192.0.2.1"]}})
    finding = only(result, "dkim_missing")
    assert result.evidence["selectors"][0]["result"] == "NODATA"
    assert finding.fix.records == () and finding.fix.text


def test_a_servers_key_of_type_ed25519_is_proposed_as_one():
    finding = only(check({}, signs(key=keys.ed25519_raw()))[0], "dkim_missing")
    assert finding.fix.records[0].value == f"v=DKIM1; k=ed25519; p={keys.ed25519_raw()}"


@pytest.mark.parametrize(
    "place", [f"{NAME}.kunde.test", f"{NAME}._domainkey.kunde.test", "s1.kunde.test", "_domainkey.kunde.test", "kunde.test"]
)
def test_a_key_in_a_wrong_place_is_found(place):
    result, server = check({place: [RECORD, "some other text"]})
    finding = only(result, "dkim_misplaced")
    assert f"stands at {place}," in finding.message
    assert records(finding) == [("add", "TXT", NAME, RECORD, None), ("remove", "TXT", place, RECORD, RECORD)]
    assert place in str(result.evidence["misplaced"])
    assert len(server.queries) == 6


def test_the_misplaced_key_is_replaced_by_the_servers():
    finding = only(check({"s1.kunde.test": OTHER}, signs())[0], "dkim_misplaced")
    assert records(finding) == [("add", "TXT", NAME, RECORD, None), ("remove", "TXT", "s1.kunde.test", OTHER, OTHER)]


def test_other_texts_in_those_places_are_not_keys():
    only(check({"kunde.test": ["v=spf1 -all"], "s1.kunde.test": ["x"], "_domainkey.kunde.test": ["o=~; t=y"]})[0], "dkim_missing")


def test_wrong_places_are_not_looked_at_while_the_record_is_there():
    _result, server = check({NAME: RECORD, "kunde.test": OTHER})
    assert server.count("kunde.test") == 0


def test_wrong_places_of_many_missing_selectors_stay_within_the_limit():
    result, server = check({}, dkim_selectors=tuple(f"k{i}" for i in range(10)))
    assert set(codes(result)) == {"dkim_missing"}
    assert len(server.queries) <= 20


def test_a_fault_in_a_wrong_place_does_not_change_the_verdict():
    zone = {"names": {"kunde.test": {}}, "rules": [{"name": "kunde.test", "action": "servfail"}]}
    only(look("dns_dkim", zone, target())[0], "dkim_missing")


def test_an_alias_that_leads_nowhere_is_taken_out_for_the_record():
    finding = only(check({NAME: {"CNAME": ["gone.elsewhere.test."]}}, signs())[0], "dkim_missing")
    assert "alias of gone.elsewhere.test" in finding.message
    assert records(finding) == [
        ("remove", "CNAME", NAME, "gone.elsewhere.test", "gone.elsewhere.test"),
        ("add", "TXT", NAME, RECORD, None),
    ]


def test_an_alias_into_the_tenants_zone_is_the_hosts_to_serve():
    finding = only(check({NAME: {"CNAME": ["s1.dkim.host.test."]}}, signs())[0], "dkim_missing")
    assert finding.owner == "host"
    assert records(finding) == [("add", "TXT", "s1.dkim.host.test", RECORD, None)]


# -- the record


@pytest.mark.parametrize(
    ("text", "code", "severity"),
    [
        ("v=DKIM1; k=rsa; p=AAAA", "dkim_syntax", "fail"),
        (RECORD + "; p=", "dkim_syntax", "fail"),
        ("v=spf1 -all", "dkim_syntax", "fail"),
        (RECORD.replace("DKIM1", "DKIM2"), "dkim_wrong_version", "fail"),
        ("v=DKIM1; k=rsa; p=", "dkim_revoked", "fail"),
        (f"v=DKIM1; p={keys.RSA_512}", "dkim_key_too_short", "fail"),
        (f"v=DKIM1; p={keys.spki(1024)}", "dkim_key_weak", "warn"),
        ("v=DKIM1; k=dsa; p=AAAA", "dkim_key_type_unknown", "fail"),
        (RECORD + "; h=sha1", "dkim_hash_sha1_only", "fail"),
        (RECORD + "; s=tlsrpt", "dkim_service_excluded", "fail"),
        (RECORD + "; t=y", "dkim_testing", "warn"),
    ],
)
def test_case_65_a_record_with_a_fault_is_told(text, code, severity):
    result, _server = check({NAME: text})
    finding = only(result, code)
    assert (finding.severity, result.status, finding.owner) == (severity, severity, "customer")
    assert finding.fix
    assert result.evidence["selectors"][0]["txt"] == [text]


@pytest.mark.parametrize(
    "text", ["v=DKIM1; k=rsa; p=AAAA", "v=spf1 -all", RECORD.replace("DKIM1", "DKIM2"), "v=DKIM1; p=", "v=DKIM1; k=dsa; p=AAAA"]
)
def test_a_useless_record_is_replaced_by_the_servers_key(text):
    finding = check({NAME: text}, signs())[0].findings[0]
    assert records(finding) == [("replace", "TXT", NAME, RECORD, text)]


@pytest.mark.parametrize(
    ("tail", "wanted"),
    [("; h=sha1", ""), ("; s=tlsrpt", ""), ("; t=y", ""), ("; t=y:s; n=kept", "; t=s; n=kept")],
)
@pytest.mark.parametrize("portal", [None, signs()], ids=["alone", "portal"])
def test_a_tag_that_is_in_the_way_is_taken_out_and_the_rest_kept(tail, wanted, portal):
    finding = check({NAME: RECORD + tail}, portal)[0].findings[0]
    assert records(finding) == [("replace", "TXT", NAME, RECORD + wanted, RECORD + tail)]


def test_several_tags_in_the_way_are_cured_by_one_record():
    tail = "; h=sha1; s=x; t=y; n=kept"
    findings = check({NAME: RECORD + tail})[0].findings
    assert [f.code for f in findings] == ["dkim_hash_sha1_only", "dkim_service_excluded", "dkim_testing"]
    assert {f.fix.records[0].value for f in findings} == {RECORD + "; n=kept"}


@pytest.mark.parametrize(
    "text",
    [
        RECORD.replace(";", "\\;"),
        f'"{RECORD[:60]}" "{RECORD[60:]}"',
        RECORD.replace("DKIM1", "DKIM2"),
        f"k=rsa; v=DKIM1; p={keys.spki()}",
        f"v=DKIM1; k=rsa;; p={keys.spki()}",
    ],
)
def test_without_the_servers_key_a_usual_slip_is_mended(text):
    finding = check({NAME: text})[0].findings[0]
    assert records(finding) == [("replace", "TXT", NAME, RECORD, text)]


@pytest.mark.parametrize("text", ["v=spf1 -all", "v=DKIM1; p=AAAA", f"{RECORD}; p={keys.spki(name='other')}"])
def test_what_cannot_be_mended_is_to_be_had_from_the_operator(text):
    finding = check({NAME: text})[0].findings[0]
    assert finding.fix.records == () and "Ask the operator" in finding.fix.text


def test_an_empty_text_is_replaced_and_not_added_to():
    finding = only(check({NAME: [""]}, signs())[0], "dkim_syntax")
    assert records(finding) == [("replace", "TXT", NAME, RECORD, "")]


def test_a_weak_key_needs_a_new_one_first():
    finding = only(check({NAME: f"v=DKIM1; p={keys.spki(1024)}"}, signs(key=keys.spki(1024)))[0], "dkim_key_weak")
    assert finding.fix.records == ()


def test_case_65_two_records_are_never_ok():
    result, _server = check({NAME: [RECORD, OTHER]}, signs())
    finding = only(result, "dkim_multiple_records")
    assert finding.severity == "fail"
    assert records(finding) == [("remove", "TXT", NAME, OTHER, OTHER)]
    assert "key" not in result.evidence["selectors"][0]


def test_of_two_records_without_the_servers_key_one_is_replaced_and_the_other_removed():
    finding = only(check({NAME: [OTHER, "x"]}, signs())[0], "dkim_multiple_records")
    assert {(r[0], r[3]) for r in records(finding)} in ({("replace", RECORD), ("remove", OTHER)}, {("replace", RECORD), ("remove", "x")})
    assert {r[4] for r in records(finding)} == {OTHER, "x"}


def test_of_two_records_the_only_one_with_a_key_is_kept():
    finding = only(check({NAME: [RECORD, "x"]})[0], "dkim_multiple_records")
    assert records(finding) == [("remove", "TXT", NAME, "x", "x")]


def test_of_two_keys_nobody_can_say_which_without_the_server():
    assert only(check({NAME: [RECORD, OTHER]})[0], "dkim_multiple_records").fix.records == ()


def test_case_65_60_kb_of_nonsense_is_judged_in_time():
    result, _server = check({NAME: {"TXT": [{"repeat": ["A", 60_000]}]}})
    only(result, "dkim_syntax")
    assert result.duration_ms < 2000
    assert "60000 characters" in result.evidence["selectors"][0]["txt"][0]


# -- not the server's key


def test_a_key_that_the_server_does_not_sign_with_fails():
    result, _server = check({NAME: OTHER}, signs())
    finding = only(result, "dkim_key_mismatch")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert "reject" in finding.message
    assert records(finding) == [("replace", "TXT", NAME, RECORD, OTHER)]


def test_a_weak_key_that_is_to_be_replaced_is_told_once():
    only(check({NAME: f"v=DKIM1; p={keys.spki(1024)}"}, signs())[0], "dkim_key_mismatch")


def test_it_says_who_moved_where_the_servers_key_stands_under_another_selector():
    zone = {"new._domainkey.kunde.test": OTHER, NAME: RECORD}
    finding = only(check(zone, signs("new"))[0], "dkim_key_mismatch")
    assert finding.owner == "host"
    assert "moved to selector “new”; its key is published for “s1”" in finding.message


def test_it_says_who_moved_where_the_servers_selector_has_no_record():
    finding = only(check({NAME: RECORD}, signs("new"))[0], "dkim_missing")
    assert "moved to selector “new”; its key is published for “s1”" in finding.message
    assert records(finding) == [("add", "TXT", "new._domainkey.kunde.test", RECORD, None)]


def test_the_key_behind_an_alias_into_the_tenants_zone_is_the_hosts():
    finding = only(check({NAME: {"CNAME": ["key.host.test."]}, "key.host.test": OTHER}, signs())[0], "dkim_key_mismatch")
    assert finding.owner == "host"
    assert records(finding) == [("replace", "TXT", "key.host.test", RECORD, OTHER)]


# -- wildcards


def test_a_wildcard_is_told():
    result, _server = check({"*._domainkey.kunde.test": RECORD})
    assert (result.status, codes(result)) == ("warn", ["dkim_wildcard"])


def test_case_43_spf_text_from_a_wildcard_zone_is_not_a_key():
    result, _server = check({"*.kunde.test": "v=spf1 -all"}, signs())
    assert (result.status, codes(result)) == ("fail", ["dkim_syntax", "dkim_wildcard"])
    assert "is not a DKIM key" in result.message
    assert records(result.findings[0]) == [("add", "TXT", NAME, RECORD, None)]


def test_a_wildcard_probe_that_fails_changes_nothing():
    zone = {
        "names": {NAME: {"TXT": RECORD}},
        "rules": [{"name": NAME, "action": "answer"}, {"name": "*._domainkey.kunde.test", "action": "servfail"}],
    }
    assert look("dns_dkim", zone, target())[0].status == "ok"


# -- faults of DNS


@pytest.mark.parametrize(("action", "code"), [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("garbage", "dns_bad_response")])
def test_case_15_a_fault_is_unknown_and_not_missing(action, code):
    zone = {"names": {}, "rules": [{"name": NAME, "action": action}]}
    result, _server = look("dns_dkim", zone, target(), config_changes={"check_seconds": 2.0})
    assert result.status == "unknown"
    only(result, code)


def test_a_fault_of_one_selector_does_not_hide_what_another_says():
    zone = {"names": {NAME: {"TXT": "v=DKIM1; p="}}, "rules": [{"name": "s2._domainkey.kunde.test", "action": "servfail"}]}
    result, _server = look("dns_dkim", zone, target(tenant_dkim_selectors=("s1", "s2")))
    assert (result.status, codes(result)) == ("fail", ["dkim_revoked", "dns_servfail"])


def test_a_fault_of_a_selector_that_does_not_count_changes_nothing():
    zone = {"names": {"new._domainkey.kunde.test": {"TXT": RECORD}}, "rules": [{"name": NAME, "action": "servfail"}]}
    result, _server = look("dns_dkim", zone, target(portal_url="http://portal.test"), portal=signs("new"))
    assert (result.status, codes(result)) == ("ok", [])


def test_bytes_of_a_record_are_shown_escaped():
    result, _server = check({NAME: {"TXT": [{"hex": "763d444b494d313b20703dff00fe"}]}})
    only(result, "dkim_syntax")
    assert r"p=\xff\x00\xfe" in result.evidence["selectors"][0]["txt"][0]
