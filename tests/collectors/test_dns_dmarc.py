"""dns_dmarc over real DNS: every finding and its absence, the records that cure it, and the limits of what is asked."""

import json

import pytest

from collectors.base import Owner, Severity, Status
from tests.collectors.lab import codes, look, target

NAME = "_dmarc.kunde.test"
GOOD = "v=DMARC1; p=quarantine; rua=mailto:dmarc@host.test"
TAKES_REPORTS = {"*._report._dmarc.host.test": {"TXT": ["v=DMARC1;"]}}


def check(*texts, names=None, rules=(), domain="kunde.test", **fields):
    """(result, server) of the check with these TXT records at `_dmarc.<domain>`."""
    own = {f"_dmarc.{domain}": {"TXT": list(texts)}} if texts else {}
    zone = {"names": {domain: {"MX": [[10, "mx1.host.test"]]}, **TAKES_REPORTS, **own, **(names or {})}, "rules": list(rules)}
    return look("dns_dmarc", zone, target(domain, **fields))


def finding(result, code):
    return next(f for f in result.findings if f.code == code)


def records(result, code):
    """[(action, name, value, current)] of a finding's fix."""
    return [(str(r.action), r.name, r.value, r.current) for r in finding(result, code).fix.records]


def asked(server, rdtype="TXT"):
    return [q["name"].rstrip(".") for q in server.queries if q["type"] == rdtype]


# -- all is well


@pytest.mark.parametrize("policy", ["quarantine", "reject"])
def test_a_policy_with_reports_is_ok_and_costs_two_queries(policy):
    result, server = check(f"v=DMARC1; p={policy}; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result), result.message) == (Status.OK, [], f"p={policy}, reports to dmarc@host.test")
    assert asked(server) == [NAME, "kunde.test._report._dmarc.host.test"]
    assert len(server.queries) == 2


def test_the_evidence_says_what_applies_and_why():
    result, _ = check("v=DMARC1; p=reject; aspf=s; t=n; rua=mailto:dmarc@host.test, mailto:me@kunde.test; foo=1")
    evidence = result.evidence
    assert evidence["walk"][0]["name"] == NAME
    assert evidence["walk"][0]["applies"] is True
    assert evidence["policy"] == {"from": NAME, "inherited": False, "tag": "p", "policy": "reject", "applied": "reject"}
    assert evidence["alignment"] == {"dkim": "relaxed", "spf": "strict"}
    assert evidence["ignored"] == ["foo=1"]
    assert [(r["uri"], r["authorised"], r["by"]) for r in evidence["reports"]] == [
        ("mailto:dmarc@host.test", True, "the record at kunde.test._report._dmarc.host.test"),
        ("mailto:me@kunde.test", True, "the domain itself"),
    ]


def test_an_alias_at_the_record_is_followed():
    result, _ = check(names={NAME: {"CNAME": ["d.host.test"]}, "d.host.test": {"TXT": [GOOD]}})
    assert result.status == Status.OK
    assert result.evidence["lookups"][0]["cname"] == ["d.host.test"]


def test_a_record_in_several_strings_is_joined_without_a_blank():
    result, _ = check(["v=DMARC1; p=quar", "antine; rua=mailto:dmarc@host.test"])
    assert result.status == Status.OK


# -- no record, or not a usable one


def test_a_missing_record_fails_with_the_record_to_add():
    result, server = check()
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_missing"])
    assert finding(result, "dmarc_missing").owner == Owner.CUSTOMER
    assert records(result, "dmarc_missing") == [("add", NAME, GOOD, None)]
    assert asked(server) == [NAME, "_dmarc.test", f"{NAME}.kunde.test", "kunde.test"]
    assert [(w["name"], w["result"]) for w in result.evidence["walk"]] == [(NAME, "NXDOMAIN"), ("_dmarc.test", "NXDOMAIN")]


@pytest.mark.parametrize("rua", ["", "nonsense", "javascript:alert(1)"])
def test_without_a_tenants_address_the_record_to_add_has_none_and_says_so(rua):
    result, _ = check(dmarc_rua=rua)
    assert records(result, "dmarc_missing") == [("add", NAME, "v=DMARC1; p=quarantine", None)]
    assert "rua=mailto" in finding(result, "dmarc_missing").fix.text


def test_other_texts_in_its_place_are_named():
    result, _ = check("v=spf1 -all")
    assert codes(result) == ["dmarc_missing"]
    assert "v=spf1 -all" in result.message
    assert result.evidence["walk"][0]["other_texts"] == ["v=spf1 -all"]


def test_case_66_a_wildcard_with_other_text_is_no_record_and_one_with_dmarc_is():
    result, _ = check(names={"*.kunde.test": {"TXT": ["v=spf1 -all"]}})
    assert codes(result) == ["dmarc_missing"]
    result, _ = check(names={"*.kunde.test": {"TXT": [GOOD]}})
    assert result.status == Status.OK


def test_case_64_two_records_fail_and_the_parents_is_not_used():
    parent = {"_dmarc.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}}
    result, server = check(
        "v=DMARC1; p=none; rua=mailto:a@kunde.test", "v=DMARC1; p=reject; adkim=s; rua=mailto:dmarc@host.test", names=parent
    )
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_multiple"])
    assert "policy" not in result.evidence
    assert "_dmarc.test" not in asked(server)
    first, second = records(result, "dmarc_multiple")
    assert first[:2] == ("replace", NAME)
    assert first[2].startswith("v=DMARC1; p=reject; adkim=s; rua=")
    assert set(first[2].partition("rua=")[2].split(",")) == {"mailto:a@kunde.test", "mailto:dmarc@host.test"}
    assert (second[0], second[2]) == ("remove", second[3])
    assert {first[3], second[3]} == set(result.evidence["walk"][0]["records"])


@pytest.mark.parametrize(
    "text", ["v=dmarc1; p=reject", " v=DMARC1; p=reject", '"v=DMARC1; p=reject"', "p=reject; v=DMARC1", "v=DMARC1 p=reject"]
)
def test_case_64_a_version_that_is_not_exact_is_no_record(text):
    result, _ = check(text)
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_syntax"])
    assert "policy" not in result.evidence
    assert records(result, "dmarc_syntax") == [("replace", NAME, "v=DMARC1; p=reject; rua=mailto:dmarc@host.test", text)]


def test_case_64_beside_a_broken_record_the_inherited_policy_is_shown_and_the_fault_stays():
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}}
    result, _ = check("v=dmarc1; p=none", domain="mail.parent.test", names=names)
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_syntax", "dmarc_inherited"])


@pytest.mark.parametrize(
    "tags", ["", "; p=", "; p=block", "; p=reject; sp=block", "; p=reject rua=mailto:a@kunde.test", "; rua=a@kunde.test"]
)
def test_neither_policy_nor_address_is_a_syntax_fault(tags):
    result, _ = check("v=DMARC1" + tags)
    assert (result.status, codes(result)[0]) == (Status.FAIL, "dmarc_syntax")
    (fix,) = records(result, "dmarc_syntax")
    assert fix[0] == "replace"
    assert check(fix[2])[0].status == Status.OK


@pytest.mark.parametrize("wrong", [f"{NAME}.kunde.test", "kunde.test"])
def test_a_record_at_a_wrong_place_is_found_when_there_is_none(wrong):
    result, _ = check(names={wrong: {"TXT": ["v=spf1 -all", "v=DMARC1; p=reject; rua=mailto:me@kunde.test"]}})
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_misplaced"])
    text = "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
    assert records(result, "dmarc_misplaced") == [("add", NAME, text, None), ("remove", wrong, text, text)]
    assert wrong in json.dumps(result.evidence)


def test_a_record_at_a_wrong_place_is_not_looked_for_beside_the_right_one():
    result, server = check(GOOD, names={"kunde.test": {"TXT": [GOOD]}})
    assert result.status == Status.OK
    assert "kunde.test" not in asked(server)


def test_a_failed_probe_of_a_wrong_place_leaves_the_verdict():
    result, _ = check(
        rules=[{"name": f"{NAME}.kunde.test", "action": "servfail"}, {"name": "kunde.test", "type": "TXT", "action": "servfail"}]
    )
    assert codes(result) == ["dmarc_missing"]


# -- policy


@pytest.mark.parametrize("tags", ["p=none", "adkim=r", "p=block", "p=reject; sp=block", "p=quarantine; np=block"])
def test_a_policy_of_none_in_effect_is_a_warning(tags):
    result, _ = check(f"v=DMARC1; {tags}; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_policy_none"])
    assert result.evidence["policy"]["policy"] == "none"
    (fix,) = records(result, "dmarc_policy_none")
    assert check(fix[2])[0].status == Status.OK


def test_the_cure_of_none_keeps_all_else_that_the_owner_wrote():
    result, _ = check("v=DMARC1;p=none;adkim=s;rua=mailto:Me@kunde.test,mailto:dmarc@host.test;fo=1;ruf=mailto:f@kunde.test;x=Y")
    assert records(result, "dmarc_policy_none")[0][2] == (
        "v=DMARC1; p=quarantine; adkim=s; rua=mailto:Me@kunde.test,mailto:dmarc@host.test; fo=1; ruf=mailto:f@kunde.test; x=Y"
    )


def test_test_mode_is_a_warning_and_lowers_what_is_applied():
    result, _ = check("v=DMARC1; p=reject; t=y; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_testing"])
    assert (result.evidence["policy"]["policy"], result.evidence["policy"]["applied"]) == ("reject", "quarantine")
    assert records(result, "dmarc_testing")[0][2] == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"
    assert check("v=DMARC1; p=reject; t=n; rua=mailto:dmarc@host.test")[0].status == Status.OK


@pytest.mark.parametrize(
    ("tags", "weaker"),
    [
        ("p=reject; sp=none", True),
        ("p=reject; sp=quarantine", True),
        ("p=quarantine; np=none", True),
        ("p=reject; sp=reject; np=quarantine", True),
        ("p=quarantine; sp=reject; np=quarantine", False),
        ("p=reject; sp=reject; np=reject", False),
    ],
)
def test_weaker_subdomains_are_a_warning(tags, weaker):
    result, _ = check(f"v=DMARC1; {tags}; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result)) == ((Status.WARN, ["dmarc_subdomains_weaker"]) if weaker else (Status.OK, []))
    if weaker:
        assert check(records(result, "dmarc_subdomains_weaker")[0][2])[0].status == Status.OK


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        ("pct=100", "ok"),
        ("pct=99", "warn"),
        ("pct=0", "warn"),
        ("pct=abc", "ok"),
        ("pct=-1", "ok"),
        ("pct=1000", "ok"),
        ("rf=afrf", "ok"),
        ("ri=3600", "ok"),
    ],
)
def test_removed_tags_are_shown_and_a_share_below_all_is_a_warning(tag, status):
    result, _ = check(f"v=DMARC1; p=reject; {tag}; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result)) == (status, ["dmarc_removed_tag"])
    assert records(result, "dmarc_removed_tag")[0][2] == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"


def test_repeated_tags_are_a_warning_and_unknown_ones_a_note():
    result, _ = check("v=DMARC1; p=reject; p=none; foo=bar; rua=mailto:dmarc@host.test")
    assert [(f.code, f.severity) for f in result.findings] == [("dmarc_duplicate_tag", Severity.WARN), ("dmarc_ignored", Severity.INFO)]
    assert "foo=bar" in finding(result, "dmarc_ignored").message


# -- inherited


def test_an_inherited_policy_is_ok_and_said():
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}}
    result, server = check(domain="mail.parent.test", names=names)
    assert (result.status, codes(result)) == (Status.OK, ["dmarc_inherited"])
    assert "_dmarc.parent.test" in result.message
    assert result.evidence["policy"] == {
        "from": "_dmarc.parent.test",
        "inherited": True,
        "tag": "p",
        "policy": "reject",
        "applied": "reject",
    }
    assert result.evidence["organisational_domain"] == "parent.test"
    assert asked(server) == ["_dmarc.mail.parent.test", "_dmarc.parent.test", "_dmarc.test", "parent.test._report._dmarc.host.test"]


def test_case_66_a_public_suffix_with_psd_y_gives_its_policy_and_ends_the_walk():
    names = {
        "_dmarc.bank.test": {"TXT": ["v=DMARC1; p=reject; psd=y; rua=mailto:dmarc@host.test"]},
        "_dmarc.test": {"TXT": ["v=DMARC1; p=none"]},
    }
    result, server = check(domain="kunde.bank.test", names=names)
    assert (result.status, codes(result)) == (Status.OK, ["dmarc_inherited"])
    assert result.evidence["organisational_domain"] == "kunde.bank.test"
    assert "_dmarc.test" not in asked(server)


def test_sp_of_the_parent_is_what_applies():
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@host.test"]}}
    result, _ = check(domain="mail.parent.test", names=names)
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_policy_none", "dmarc_inherited"])
    assert result.evidence["policy"]["tag"] == "sp"
    fix = records(result, "dmarc_policy_none")
    assert fix == [("add", "_dmarc.mail.parent.test", GOOD, None)]


@pytest.mark.parametrize(
    ("own", "tag"), [({"MX": [[10, "mx1.host.test"]]}, "sp"), ({"A": ["192.0.2.1"]}, "sp"), ({"TXT": ["x"]}, "np"), (None, "np")]
)
def test_np_of_the_parent_applies_to_a_domain_without_mail_and_address(own, tag):
    names = {
        "_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; sp=quarantine; np=none; rua=mailto:dmarc@host.test"]},
        "mail.parent.test": own or {},
    }
    if own is None:
        del names["mail.parent.test"]
    zone = {"names": {**TAKES_REPORTS, **names}}
    result, _ = look("dns_dmarc", zone, target("mail.parent.test"))
    assert result.evidence["policy"]["tag"] == tag
    assert ("dmarc_policy_none" in codes(result)) == (tag == "np")
    assert ("dmarc_subdomains_weaker" in codes(result)) == (tag == "sp")


def test_sp_of_the_parent_says_nothing_about_what_is_below_a_domain_that_does_not_exist():
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; sp=none; np=reject; rua=mailto:dmarc@host.test"]}}
    result, _ = look("dns_dmarc", {"names": {**TAKES_REPORTS, **names}}, target("mail.parent.test"))
    assert (result.status, codes(result), result.evidence["policy"]["tag"]) == (Status.OK, ["dmarc_inherited"], "np")


def test_a_failed_question_whether_the_domain_exists_counts_only_where_it_decides():
    for np, code in (("none", "dns_servfail"), ("reject", None)):
        names = {"_dmarc.parent.test": {"TXT": [f"v=DMARC1; p=quarantine; np={np}; rua=mailto:dmarc@host.test"]}}
        result, _ = check(domain="mail.parent.test", names=names, rules=[{"name": "mail.parent.test", "type": "MX", "action": "servfail"}])
        assert (code in codes(result)) == bool(code)
        assert result.status == (Status.WARN if code else Status.OK)  # np=none is a weakness in any case


def test_an_inherited_record_that_cannot_be_used_fails():
    result, _ = check(domain="mail.parent.test", names={"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=block"]}})
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_syntax"])
    assert "_dmarc.parent.test" in result.message
    assert records(result, "dmarc_syntax") == [("add", "_dmarc.mail.parent.test", GOOD, None)]


# -- faults of the measurement


@pytest.mark.parametrize(("action", "code"), [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("garbage", "dns_bad_response")])
def test_case_64_a_failed_first_lookup_is_unknown_and_not_the_parents_policy(action, code):
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}}
    rules = [{"name": "_dmarc.mail.parent.test", "action": action}]
    result, server = look(
        "dns_dmarc", {"names": {**TAKES_REPORTS, **names}, "rules": rules}, target("mail.parent.test"), config_changes={"check_seconds": 3}
    )
    assert (result.status, codes(result)) == (Status.UNKNOWN, [code])
    assert "_dmarc.parent.test" not in asked(server)


def test_a_failed_lookup_further_up_the_walk_is_unknown():
    result, _ = check(domain="mail.parent.test", rules=[{"name": "_dmarc.parent.test", "action": "servfail"}])
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])


# -- reports


def test_no_address_for_reports_is_a_warning_with_the_tenants_address_as_cure():
    result, _ = check("v=DMARC1; p=reject")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_no_rua"])
    assert records(result, "dmarc_no_rua") == [("replace", NAME, "v=DMARC1; p=reject; rua=mailto:dmarc@host.test", "v=DMARC1; p=reject")]
    result, _ = check("v=DMARC1; p=reject", dmarc_rua="")
    assert finding(result, "dmarc_no_rua").fix.records == ()
    assert "rua=mailto" in finding(result, "dmarc_no_rua").fix.text


def test_an_address_that_lacks_only_its_mailto_gets_it_in_the_fix():
    result, _ = check("v=DMARC1; p=reject; rua=me@kunde.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_invalid"])
    assert records(result, "dmarc_rua_invalid")[0][2] == "v=DMARC1; p=reject; rua=mailto:me@kunde.test"


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "https://x.test/", "mailto:", "data:text/html,<script>alert(1)</script>"])
def test_case_64_an_address_that_is_none_is_a_warning_and_never_in_a_fix(uri):
    result, _ = check(f"v=DMARC1; p=reject; rua={uri}, mailto:me@kunde.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_invalid"])
    assert records(result, "dmarc_rua_invalid")[0][2] == "v=DMARC1; p=reject; rua=mailto:me@kunde.test"
    assert result.evidence["reports"][0]["problem"]
    assert "authorised" not in result.evidence["reports"][0]
    result, _ = check(f"v=DMARC1; p=reject; rua={uri}")
    assert codes(result) == ["dmarc_rua_invalid"]
    assert records(result, "dmarc_rua_invalid")[0][2] == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"


def test_case_64_a_destination_outside_without_its_record_is_a_warning():
    result, server = check("v=DMARC1; p=reject; rua=mailto:x@reports.elsewhere.test")
    name = "kunde.test._report._dmarc.reports.elsewhere.test"
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_unauthorised"])
    assert name in asked(server)
    assert result.evidence["reports"][0]["authorised"] is False
    assert records(result, "dmarc_rua_unauthorised") == [("add", name, "v=DMARC1;", None)]
    assert "reports.elsewhere.test" in finding(result, "dmarc_rua_unauthorised").fix.text


@pytest.mark.parametrize(
    ("text", "good"),
    [("v=DMARC1", 1), ("v=DMARC1; rua=mailto:y@reports.elsewhere.test", 1), ("v=dmarc1", 0), ("v=spf1 -all", 0), ("yes", 0)],
)
def test_a_destination_is_authorised_by_a_dmarc_record_and_by_nothing_else(text, good):
    names = {"kunde.test._report._dmarc.reports.elsewhere.test": {"TXT": ["other", text]}}
    result, _ = check("v=DMARC1; p=reject; rua=mailto:x@reports.elsewhere.test", names=names)
    assert result.status == (Status.OK if good else Status.WARN)


def test_a_destination_may_name_another_address_at_its_own_host_only():
    names = {"kunde.test._report._dmarc.d.test": {"TXT": ["v=DMARC1; rua=mailto:y@d.test,mailto:z@victim.test"]}}
    result, _ = check("v=DMARC1; p=reject; rua=mailto:x@d.test", names=names)
    assert result.evidence["reports"][0]["redirected_to"] == ["y@d.test"]


def test_a_destination_in_the_same_organisation_needs_no_record():
    result, server = check("v=DMARC1; p=reject; rua=mailto:a@kunde.test,mailto:b@mail.kunde.test")
    assert (result.status, asked(server)) == (Status.OK, [NAME])
    result, server = check("v=DMARC1; p=reject; rua=mailto:a@parent.test", domain="mail.parent.test")
    assert (result.status, asked(server)) == (Status.OK, ["_dmarc.mail.parent.test"])


def test_a_border_drawn_with_psd_n_makes_the_parent_a_stranger():
    result, _ = check("v=DMARC1; p=reject; psd=n; rua=mailto:a@parent.test,mailto:b@x.mail.parent.test", domain="mail.parent.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_rua_unauthorised"])
    assert [r["authorised"] for r in result.evidence["reports"]] == [False, True]


def test_a_record_above_two_names_makes_them_one_organisation():
    """github.io is a public suffix, but a record there without `psd=y` is an organisational domain (RFC 9989, 4.10.2)."""
    names = {"_dmarc.github.io": {"TXT": ["v=DMARC1; p=reject"]}}
    text = "v=DMARC1; p=reject; rua=mailto:a@reports.github.io"
    assert check(text, domain="kunde.github.io", names=names)[0].status == Status.OK
    assert codes(check(text, domain="kunde.github.io")[0]) == ["dmarc_rua_unauthorised"]
    many = "v=DMARC1; p=reject; rua=" + ",".join(f"mailto:a@{i}.github.io" for i in range(4))
    result, server = check(many, domain="kunde.github.io", names=names)
    assert [r["authorised"] for r in result.evidence["reports"]] == [True, True, None, None]
    assert "_dmarc.2.github.io" not in asked(server)


def test_a_destination_that_cannot_be_verified_is_unknown_unless_something_worse_stands():
    rules = [{"name": "kunde.test._report._dmarc.d.test", "action": "servfail"}]
    result, _ = check("v=DMARC1; p=reject; rua=mailto:x@d.test", rules=rules)
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])
    assert result.evidence["reports"][0]["authorised"] is None
    result, _ = check("v=DMARC1; p=none; rua=mailto:x@d.test", rules=rules)
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_policy_none", "dns_servfail"])


def test_addresses_for_failure_reports_are_verified_and_judge_nothing():
    rules = [{"name": "kunde.test._report._dmarc.e.test", "action": "servfail"}]
    result, _ = check("v=DMARC1; p=reject; rua=mailto:me@kunde.test; ruf=mailto:x@d.test,mailto:x@e.test,nonsense", rules=rules)
    assert (result.status, codes(result)) == (Status.OK, [])
    assert [r.get("authorised", "none") for r in result.evidence["reports"]] == [True, False, None, "none"]


def test_a_name_too_long_for_dns_is_not_asked():
    host = ".".join(["x" * 60] * 4)
    result, server = check(f"v=DMARC1; p=reject; rua=mailto:a@{host}")
    assert codes(result) == ["dmarc_rua_unauthorised"]
    assert asked(server) == [NAME]
    assert finding(result, "dmarc_rua_unauthorised").fix is None


# -- limits


def test_case_64_a_name_of_13_labels_costs_at_most_eight_dmarc_queries():
    domain = "a.b.c.d.e.f.g.h.i.j.k.kunde.test"
    result, server = check(domain=domain)
    assert codes(result) == ["dmarc_missing"]
    walked = [name for name in asked(server) if name != f"_dmarc.{domain}.{domain}" and name.startswith("_dmarc.")]
    assert walked == [f"_dmarc.{domain}", *(f"_dmarc.{'.'.join(domain.split('.')[i:])}" for i in range(6, 13))]
    result, server = check(domain=domain, names={"_dmarc.kunde.test": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@host.test"]}})
    assert (result.status, codes(result)) == (Status.OK, ["dmarc_inherited"])
    assert sum(name.startswith("_dmarc.") for name in asked(server)) == 8


@pytest.mark.parametrize(("domain", "zone"), [("kunde.test", "test"), ("a.b.c.d.e.f.g.h.i.j.k.github.io", "w.u.t.github.io")])
def test_case_64_2000_addresses_cost_at_most_40_queries(domain, zone):
    uris = ",".join(f"mailto:a@{i}.{zone}" for i in range(2000))
    result, server = check(f"v=DMARC1; p=none; rua={uris}", domain=domain)
    assert len(server.queries) <= 40
    assert codes(result).count("dmarc_rua_unauthorised") == 10
    assert {"dmarc_policy_none", "dmarc_rua_many"} <= set(codes(result))
    assert result.duration_ms < 5000
    assert len(json.dumps(result.evidence)) < 200_000
    policy = finding(result, "dmarc_policy_none")
    assert policy.fix.records == ()  # a record of this length is not shown, and never cut
    assert len(json.dumps([f.to_dict() for f in result.findings])) < 50_000


def test_hostile_text_stays_text():
    result, _ = check("v=DMARC1; p=<script>alert(1)</script>\x1b[31m\u202e; {domain}={0.__class__}; rua=mailto:me@kunde.test")
    shown = json.dumps([f.to_dict() for f in result.findings])
    assert "\x1b" not in shown
    assert "\\u001b" not in shown
    assert codes(result)[0] == "dmarc_policy_none"
