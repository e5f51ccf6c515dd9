"""dns_mx: does mail for the domain reach the tenant? RFC 5321, 5.1; RFC 7505; RFC 2181, 10.3."""

import pytest

from tests.collectors.lab import codes, look, target

HOSTS = {
    "mx1.host.test": {"A": ["127.0.0.2"]},
    "mx2.host.test": {"A": ["127.0.0.3"]},
    "mx.elsewhere.test": {"A": ["127.0.0.9"]},
}


def check(*mx, rules=(), hosts=None, domain="kunde.test", **changes):
    """(result, server) of dns_mx for a domain with these MX records."""
    names = {**HOSTS, **(hosts or {}), domain: {"MX": list(mx)} if mx else {"A": ["127.0.0.1"]}}
    return look(
        "dns_mx",
        {"names": names, "rules": list(rules)},
        target(domain, **changes),
        config_changes={"check_seconds": 3.0},
    )


def found(result, code):
    (finding,) = [f for f in result.findings if f.code == code]
    return finding


def changes(finding):
    return [(r.action, r.value, r.current) for r in finding.fix.records]


# -- what is well


def test_the_tenants_exchange_alone_is_ok():
    result, server = check("10 mx1.host.test.")
    assert (result.status, codes(result)) == ("ok", [])
    assert result.message == "10 mx1.host.test (our server)"
    assert result.evidence["exchanges"][0]["addresses"] == ["127.0.0.2"]
    assert len(server.queries) == 4  # MX, NS, A, AAAA


def test_several_exchanges_of_the_tenant_are_ok_in_any_order():
    result, _server = check(
        "10 mx2.host.test.", "20 mx1.host.test.", mail_hosts=("mx1.host.test", "mx2.host.test")
    )
    assert (result.status, result.message) == (
        "ok",
        "10 mx2.host.test, 20 mx1.host.test (our server)",
    )


def test_without_mail_hosts_nothing_is_said_of_whose_it_is():
    result, _server = check("10 mx.elsewhere.test.", "20 mx1.host.test.", mail_hosts=())
    assert (result.status, result.message) == ("ok", "10 mx.elsewhere.test, 20 mx1.host.test")


def test_without_mail_hosts_a_fix_removes_only_what_it_is_given_for():
    result, _server = check("0 .", "10 gone.elsewhere.test.", "20 mx1.host.test.", mail_hosts=())
    assert changes(found(result, "mx_null_mixed")) == [("remove", "0 .", "0 .")]
    assert changes(found(result, "mx_target_unresolvable")) == []


# -- no MX


def test_a_domain_that_does_not_exist_fails():
    """Case 13."""
    result, _server = check(
        "10 mx1.host.test.",
        domain="other.test",
        rules=[{"name": "other.test", "action": "nxdomain"}],
    )
    assert codes(result) == ["mx_domain_not_found"]
    assert result.evidence["result"] == "NXDOMAIN"


def test_a_domain_without_mx_fails_though_it_has_an_address():
    """Case 14."""
    result, _server = check()
    finding = found(result, "mx_missing")
    assert (finding.severity, finding.owner) == ("fail", "customer")
    assert "127.0.0.1" in finding.message
    assert result.evidence["result"] == "NODATA"
    assert changes(finding) == [("add", "10 mx1.host.test", None)]
    assert (finding.fix.records[0].type, finding.fix.records[0].name) == ("MX", "kunde.test")


def test_a_domain_without_mx_and_without_address_fails():
    result, _server = check(rules=[{"name": "kunde.test", "type": "A", "action": "nodata"}])
    assert "cannot be delivered" in found(result, "mx_missing").message


def test_a_fault_of_the_address_does_not_change_that_there_is_no_mx():
    result, _server = check(
        rules=[
            {"name": "kunde.test", "type": "A", "action": "servfail"},
            {"name": "kunde.test", "type": "AAAA", "action": "servfail"},
        ]
    )
    assert codes(result) == ["mx_missing"]


def test_all_mail_hosts_are_proposed_in_their_order():
    result, _server = check(mail_hosts=("mx1.host.test", "MX2.host.test."))
    assert changes(found(result, "mx_missing")) == [
        ("add", "10 mx1.host.test", None),
        ("add", "20 mx2.host.test", None),
    ]


def test_without_mail_hosts_the_fix_is_a_sentence():
    finding = found(check(mail_hosts=())[0], "mx_missing")
    assert finding.fix.text and not finding.fix.records


# -- null MX


@pytest.mark.parametrize("text", ["0 .", "10 ."])
def test_a_null_mx_fails(text):
    result, server = check(text)
    assert codes(result) == ["mx_null"]
    assert changes(found(result, "mx_null")) == [("replace", "10 mx1.host.test", text)]
    assert server.count(".") == 0


def test_a_null_mx_beside_others_fails():
    result, _server = check("0 .", "10 mx1.host.test.")
    assert (result.status, codes(result)) == ("fail", ["mx_null_mixed"])
    assert changes(found(result, "mx_null_mixed")) == [("remove", "0 .", "0 .")]


def test_a_null_mx_beside_others_can_go_also_without_mail_hosts():
    result, _server = check("0 .", "10 mx.elsewhere.test.", mail_hosts=())
    assert changes(found(result, "mx_null_mixed")) == [("remove", "0 .", "0 .")]


# -- whose exchanges


def test_foreign_exchanges_fail_and_are_replaced():
    result, _server = check(
        "10 mx.elsewhere.test.",
        "20 mx2.elsewhere.test.",
        hosts={"mx2.elsewhere.test": {"A": ["127.0.0.9"]}},
    )
    finding = found(result, "mx_not_ours")
    assert codes(result) == ["mx_not_ours"]
    assert changes(finding) == [
        ("replace", "10 mx1.host.test", "10 mx.elsewhere.test"),
        ("remove", "20 mx2.elsewhere.test", "20 mx2.elsewhere.test"),
    ]


def test_a_domain_that_the_panel_added_is_recognised():
    result, _server = check("10 mx1.host.test.kunde.test.")
    assert "the domain was added" in found(result, "mx_not_ours").message


def test_a_name_that_only_ends_like_ours_is_foreign():
    result, _server = check(
        "10 evil-mx1.host.test.", hosts={"evil-mx1.host.test": {"A": ["127.0.0.9"]}}
    )
    assert codes(result) == ["mx_not_ours"]


def test_a_foreign_exchange_before_ours_fails():
    result, _server = check("20 mx1.host.test.", "10 mx.elsewhere.test.")
    assert codes(result) == ["mx_not_primary"]
    assert "first" in result.message
    assert changes(found(result, "mx_not_primary")) == [
        ("remove", "10 mx.elsewhere.test", "10 mx.elsewhere.test")
    ]


def test_a_foreign_exchange_of_equal_preference_takes_part_of_the_mail():
    result, _server = check("10 mx1.host.test.", "10 mx.elsewhere.test.")
    assert codes(result) == ["mx_not_primary"]
    assert "part of the mail" in result.message


def test_a_foreign_exchange_behind_ours_is_a_warning():
    result, _server = check("10 mx1.host.test.", "20 mx.elsewhere.test.")
    assert (result.status, codes(result)) == ("warn", ["mx_foreign_backup"])
    assert changes(found(result, "mx_foreign_backup")) == [
        ("remove", "20 mx.elsewhere.test", "20 mx.elsewhere.test")
    ]


def test_an_exchange_listed_twice_is_shown_and_changes_nothing():
    result, server = check("10 mx1.host.test.", "20 MX1.host.test.")
    assert (result.status, codes(result)) == ("ok", ["mx_duplicate"])
    assert changes(found(result, "mx_duplicate")) == [
        ("remove", "20 mx1.host.test", "20 mx1.host.test")
    ]
    assert server.count("mx1.host.test", "A") == 1


# -- where they lead


def test_an_address_alone_is_not_ours_either():
    result, _server = check("10 192.0.2.1.")
    assert codes(result) == ["mx_target_is_ip", "mx_not_ours"]
    assert changes(found(result, "mx_not_ours")) == [
        ("replace", "10 mx1.host.test", "10 192.0.2.1")
    ]


@pytest.mark.parametrize("action", ["nxdomain", "nodata"])
def test_our_only_exchange_without_address_fails_and_is_the_hosts(action):
    result, _server = check(
        "10 mx1.host.test.", rules=[{"name": "mx1.host.test", "action": action}]
    )
    finding = found(result, "mx_target_unresolvable")
    assert (codes(result), finding.severity, finding.owner) == (
        ["mx_target_unresolvable"],
        "fail",
        "host",
    )


def test_one_of_our_exchanges_without_address_is_a_warning():
    hosts = ("mx1.host.test", "mx3.host.test")
    result, _server = check("10 mx1.host.test.", "20 mx3.host.test.", mail_hosts=hosts)
    assert (result.status, codes(result)) == ("warn", ["mx_target_unresolvable"])


def test_all_of_our_exchanges_without_address_fail():
    result, _server = check(
        "10 mx3.host.test.", "20 mx4.host.test.", mail_hosts=("mx3.host.test", "mx4.host.test")
    )
    assert [f.severity for f in result.findings] == ["fail", "fail"]


def test_a_foreign_exchange_without_address_is_a_warning_also_where_ours_fail():
    result, _server = check(
        "10 mx3.host.test.", "20 gone.elsewhere.test.", mail_hosts=("mx3.host.test",)
    )
    found_by_host = {
        f.message.params["host"]: f.severity
        for f in result.findings
        if f.code == "mx_target_unresolvable"
    }
    assert found_by_host == {"mx3.host.test": "fail", "gone.elsewhere.test": "warn"}


def test_a_foreign_exchange_without_address_is_the_customers_to_remove():
    result, _server = check("10 mx1.host.test.", "20 gone.elsewhere.test.")
    finding = found(result, "mx_target_unresolvable")
    assert (finding.severity, finding.owner, changes(finding)) == (
        "warn",
        "customer",
        [("remove", "20 gone.elsewhere.test", "20 gone.elsewhere.test")],
    )


def test_an_exchange_that_is_an_alias_is_a_warning():
    result, _server = check(
        "10 mx1.host.test.", hosts={"mx1.host.test": {"CNAME": ["mx2.host.test."]}}
    )
    finding = found(result, "mx_target_is_cname")
    assert (result.status, finding.owner) == ("warn", "host")
    assert "mx2.host.test" in finding.message


def test_an_exchange_of_the_customers_own_is_the_customers():
    hosts = {"mail.kunde.test": {"CNAME": ["mx2.host.test."]}}
    result, _server = check("10 mail.kunde.test.", mail_hosts=("mail.kunde.test",), hosts=hosts)
    assert found(result, "mx_target_is_cname").owner == "customer"


@pytest.mark.parametrize(
    "address", ["10.0.0.5", "100.64.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0"]
)
def test_an_exchange_with_private_addresses_only_fails(address):
    result, _server = check("10 mx1.host.test.", hosts={"mx1.host.test": {"A": [address]}})
    assert codes(result) == ["mx_target_private"]
    assert address in result.message


# -- faults


@pytest.mark.parametrize(
    ("action", "code"),
    [("servfail", "dns_servfail"), ("refused", "dns_refused"), ("drop", "dns_timeout")],
)
def test_a_fault_of_the_mx_lookup_is_unknown(action, code):
    """Case 15."""
    result, _server = check(
        "10 mx1.host.test.", rules=[{"name": "kunde.test", "type": "MX", "action": action}]
    )
    assert (result.status, codes(result)) == ("unknown", [code])


@pytest.mark.parametrize("action", ["tc", "tc_partial"])
def test_a_truncated_answer_is_had_over_tcp(action):
    """Case 20."""
    result, _server = check(
        "10 mx1.host.test.",
        "20 mx.elsewhere.test.",
        rules=[{"name": "kunde.test", "type": "MX", "action": action}],
    )
    assert codes(result) == ["mx_foreign_backup"]


def test_a_fault_of_our_exchanges_address_is_unknown():
    result, _server = check(
        "10 mx1.host.test.", rules=[{"name": "mx1.host.test", "action": "servfail"}]
    )
    assert (result.status, codes(result)) == ("unknown", ["dns_servfail"])
    assert result.evidence["mx"] == ["10 mx1.host.test"]


def test_a_fault_of_a_foreign_exchanges_address_changes_nothing():
    result, _server = check(
        "10 mx1.host.test.",
        "20 mx.elsewhere.test.",
        rules=[{"name": "mx.elsewhere.test", "action": "servfail"}],
    )
    assert codes(result) == ["mx_foreign_backup"]


def test_a_fault_of_an_address_does_not_hide_that_mail_goes_elsewhere():
    result, _server = check(
        "20 mx1.host.test.",
        "10 mx.elsewhere.test.",
        rules=[{"name": "mx1.host.test", "action": "servfail"}],
    )
    assert (result.status, codes(result)) == ("fail", ["mx_not_primary", "dns_servfail"])


def aliased(end, **types):
    names = {**HOSTS, "kunde.test": {"CNAME": [f"{end}."]}, **({end: types} if types else {})}
    return look("dns_mx", {"names": names}, target())[0]


def test_a_domain_that_is_an_alias_of_another_gets_its_records_in_place_of_the_alias():
    finding = found(
        aliased("real.kunde2.test", MX=["10 mx.elsewhere.test.", "20 mx1.host.test."]),
        "mx_not_primary",
    )
    assert [(r.action, r.type, r.name, r.value) for r in finding.fix.records] == [
        ("remove", "CNAME", "kunde.test", "real.kunde2.test"),
        ("add", "MX", "kunde.test", "20 mx1.host.test"),
    ]
    assert "alias of real.kunde2.test" in finding.fix.text


def test_a_domain_that_is_an_alias_of_a_name_below_it_has_its_records_changed_there():
    finding = found(aliased("mail.kunde.test", MX=["10 mx.elsewhere.test."]), "mx_not_ours")
    assert [(r.action, r.name) for r in finding.fix.records] == [("replace", "mail.kunde.test")]


def test_a_domain_that_is_an_alias_of_nothing_is_not_said_to_be_unregistered():
    finding = found(aliased("gone.kunde2.test"), "mx_domain_not_found")
    assert "kunde.test is an alias of gone.kunde2.test" in finding.message
    assert finding.fix.records[-1].name == "kunde.test"


def test_an_alias_of_the_mail_server_is_named_as_that():
    result, _server = check(
        "10 mail.kunde.test.", hosts={"mail.kunde.test": {"CNAME": ["mx1.host.test."]}}
    )
    assert codes(result) == ["mx_not_ours", "mx_target_is_cname"]
    assert "an alias of the mail server mx1.host.test" in result.message


def test_private_addresses_are_no_verdict_while_the_other_family_could_not_be_had():
    rules = [{"name": "mx1.host.test", "type": "A", "action": "servfail"}]
    result, _server = check(
        "10 mx1.host.test.", hosts={"mx1.host.test": {"AAAA": ["fd00::1"]}}, rules=rules
    )
    assert (result.status, codes(result)) == ("unknown", ["dns_servfail"])


def test_markup_and_bytes_in_an_exchange_are_shown_as_text():
    result, _server = check("10 <script>\xff.elsewhere.test.")
    assert r"<script>\255.elsewhere.test" in result.evidence["mx"][0]
    assert codes(result) == ["mx_not_ours", "mx_target_unresolvable"]
