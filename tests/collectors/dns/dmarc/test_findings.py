"""What is to be said of a record: policy, tags, what is inherited, public suffixes."""

import pytest

from collectors.base import Severity, Status
from tests.collectors.dns.dmarc.lab import (
    FIRST,
    OTHERS,
    TAKES_REPORTS,
    asked,
    check,
    finding,
    records,
)
from tests.collectors.lab import codes, look, target

# -- policy


@pytest.mark.parametrize(
    "tags", ["p=none", "adkim=r", "p=block", "p=reject; sp=block", "p=quarantine; np=block"]
)
def test_a_policy_of_none_in_effect_is_a_warning(tags):
    result, _ = check(f"v=DMARC1; {tags}; rua=mailto:dmarc@host.test", beside=OTHERS)
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_policy_none"])
    assert result.evidence["policy"]["policy"] == "none"
    (fix,) = records(result, "dmarc_policy_none")
    assert set(codes(check(fix[2])[0])) <= {"dmarc_subdomains_weaker"}


def test_the_cure_of_none_keeps_all_else_that_the_owner_wrote():
    result, _ = check(
        "v=DMARC1;p=none;adkim=s;rua=mailto:Me@kunde.test,mailto:dmarc@host.test;fo=1;ruf=mailto:f@kunde.test;x=Y",
        beside=OTHERS,
    )
    assert records(result, "dmarc_policy_none")[0][2] == (
        "v=DMARC1; p=quarantine; adkim=s; rua=mailto:Me@kunde.test,mailto:dmarc@host.test; "
        "fo=1; ruf=mailto:f@kunde.test; x=Y"
    )


def test_test_mode_is_a_warning_and_lowers_what_is_applied():
    result, _ = check("v=DMARC1; p=reject; t=y; rua=mailto:dmarc@host.test", beside=OTHERS)
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_testing"])
    assert (result.evidence["policy"]["policy"], result.evidence["policy"]["applied"]) == (
        "reject",
        "quarantine",
    )
    assert (
        records(result, "dmarc_testing")[0][2] == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"
    )
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
    result, _ = check(f"v=DMARC1; {tags}; rua=mailto:dmarc@host.test", beside=OTHERS)
    assert (result.status, codes(result)) == (
        (Status.WARN, ["dmarc_subdomains_weaker"]) if weaker else (Status.OK, [])
    )
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
    result, _ = check(f"v=DMARC1; p=reject; {tag}; rua=mailto:dmarc@host.test", beside=OTHERS)
    assert (result.status, codes(result)) == (status, ["dmarc_removed_tag"])
    assert (
        records(result, "dmarc_removed_tag")[0][2]
        == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"
    )


def test_repeated_tags_are_a_warning_and_unknown_ones_a_note():
    result, _ = check("v=DMARC1; p=reject; p=none; foo=bar; rua=mailto:dmarc@host.test")
    assert [(f.code, f.severity) for f in result.findings] == [
        ("dmarc_duplicate_tag", Severity.WARN),
        ("dmarc_ignored", Severity.INFO),
    ]
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
    assert asked(server) == [
        "_dmarc.mail.parent.test",
        "_dmarc.parent.test",
        "_dmarc.test",
        "parent.test._report._dmarc.host.test",
    ]


def test_a_public_suffix_with_psd_y_gives_its_policy_ends_the_walk_and_is_a_warning():
    """Case 66."""
    names = {
        "_dmarc.bank.test": {"TXT": ["v=DMARC1; p=reject; psd=y; rua=mailto:dmarc@host.test"]},
        "_dmarc.test": {"TXT": ["v=DMARC1; p=none"]},
    }
    result, server = check(domain="kunde.bank.test", names=names)
    assert (result.status, codes(result)) == (
        Status.WARN,
        ["dmarc_registry_only", "dmarc_inherited"],
    )
    assert records(result, "dmarc_registry_only") == [
        ("add", "_dmarc.kunde.bank.test", FIRST, None)
    ]
    assert result.evidence["organisational_domain"] == "kunde.bank.test"
    assert "_dmarc.test" not in asked(server)


def test_sp_of_the_parent_is_what_applies():
    names = {
        "_dmarc.parent.test": {"TXT": ["v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@host.test"]}
    }
    result, _ = check(domain="mail.parent.test", names=names)
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_policy_none", "dmarc_inherited"])
    assert result.evidence["policy"]["tag"] == "sp"
    fix = finding(result, "dmarc_policy_none").fix
    assert fix.records == ()
    assert "_dmarc.parent.test" in fix.text


@pytest.mark.parametrize(
    ("own", "tag"),
    [
        ({"MX": [[10, "mx1.host.test"]]}, "sp"),
        ({"A": ["192.0.2.1"]}, "sp"),
        ({"TXT": ["x"]}, "sp"),
        ({"CNAME": ["gone.test"]}, "sp"),
        (None, "np"),
    ],
)
def test_np_of_the_parent_applies_to_a_domain_that_does_not_exist(own, tag):
    """RFC 9989, 3.2.13: nothing but NXDOMAIN says so."""
    names = {
        "_dmarc.parent.test": {
            "TXT": ["v=DMARC1; p=reject; sp=quarantine; np=none; rua=mailto:dmarc@host.test"]
        },
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
    names = {
        "_dmarc.parent.test": {
            "TXT": ["v=DMARC1; p=reject; sp=none; np=reject; rua=mailto:dmarc@host.test"]
        }
    }
    result, _ = look("dns_dmarc", {"names": {**TAKES_REPORTS, **names}}, target("mail.parent.test"))
    assert (result.status, codes(result), result.evidence["policy"]["tag"]) == (
        Status.OK,
        ["dmarc_inherited"],
        "np",
    )


def test_a_failed_question_whether_the_domain_exists_counts_only_where_it_decides():
    for np, code in (("none", "dns_servfail"), ("reject", None)):
        names = {
            "_dmarc.parent.test": {
                "TXT": [f"v=DMARC1; p=quarantine; np={np}; rua=mailto:dmarc@host.test"]
            }
        }
        result, _ = check(
            domain="mail.parent.test",
            names=names,
            rules=[{"name": "mail.parent.test", "type": "MX", "action": "servfail"}],
        )
        assert (code in codes(result)) == bool(code)
        assert result.status == (
            Status.WARN if code else Status.OK
        )  # np=none is a weakness in any case


def test_an_inherited_record_that_cannot_be_used_fails():
    result, _ = check(
        domain="mail.parent.test", names={"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=block"]}}
    )
    assert (result.status, codes(result)) == (Status.FAIL, ["dmarc_syntax"])
    assert "_dmarc.parent.test" in result.message
    assert records(result, "dmarc_syntax") == [("add", "_dmarc.mail.parent.test", FIRST, None)]


# -- public suffixes


def test_a_registrys_record_alone_is_a_warning_and_no_fix_copies_its_address():
    names = {
        "_dmarc.com.br": {"TXT": ["v=DMARC1; p=reject; rua=mailto:dmarc@registro.test; pct=50"]}
    }
    result, _server = check(domain="cliente.com.br", names=names)
    assert codes(result) == ["dmarc_registry_only", "dmarc_inherited"]
    assert result.evidence["policy"]["policy"] == "reject"
    (fix,) = records(result, "dmarc_registry_only")
    assert fix == ("add", "_dmarc.cliente.com.br", FIRST, None)


def test_a_registrys_record_that_is_none_counts_for_nothing():
    names = {"_dmarc.com.br": {"TXT": ["v=DMARC1; p=block"]}}
    result, _server = check(domain="cliente.com.br", names=names)
    assert codes(result) == ["dmarc_missing"]


def test_beside_a_registrys_record_a_misplaced_one_of_its_own_is_found():
    wrong = "_dmarc.cliente.com.br.cliente.com.br"
    text = "v=DMARC1; p=reject; rua=mailto:me@cliente.com.br"
    names = {"_dmarc.com.br": {"TXT": ["v=DMARC1; p=reject"]}, wrong: {"TXT": [text]}}
    result, _server = check(domain="cliente.com.br", names=names)
    assert codes(result) == ["dmarc_misplaced", "dmarc_registry_only", "dmarc_inherited"]
    assert finding(result, "dmarc_registry_only").fix is None  # cured with it, and given once
    assert records(result, "dmarc_misplaced")[0][2] == text


def test_an_organisations_record_above_is_none_of_a_registry():
    names = {"_dmarc.kunde.com.br": {"TXT": ["v=DMARC1; p=reject; rua=mailto:a@kunde.com.br"]}}
    result, _server = check(domain="mail.kunde.com.br", names=names)
    assert (result.status, codes(result)) == (Status.OK, ["dmarc_inherited"])


@pytest.mark.parametrize("tag", ["psd=y", "PSD = Y"])
def test_psd_y_on_a_customers_domain_is_a_warning(tag):
    result, _server = check(f"v=DMARC1; p=reject; {tag}; rua=mailto:dmarc@host.test")
    assert (result.status, codes(result)) == (Status.WARN, ["dmarc_psd"])
    assert records(result, "dmarc_psd")[0][2] == "v=DMARC1; p=reject; rua=mailto:dmarc@host.test"
    good = "v=DMARC1; p=reject; psd=n; rua=mailto:me@kunde.test"
    assert check(good)[0].status == Status.OK


# -- below the organizational domain


@pytest.mark.parametrize("tag", ["sp=none", "np=none"])
def test_sp_and_np_have_no_effect_below_the_organizational_domain(tag):
    """RFC 9989, 4.7."""
    text = f"v=DMARC1; p=reject; {tag}; rua=mailto:dmarc@host.test"
    names = {"_dmarc.parent.test": {"TXT": ["v=DMARC1; p=none"]}}
    result, _server = check(text, domain="mail.parent.test", names=names)
    assert (result.status, codes(result)) == (Status.OK, [])
    assert result.evidence["organisational_domain"] == "parent.test"
    assert codes(check(text, domain="mail.parent.test")[0]) == ["dmarc_subdomains_weaker"]


def test_a_failed_walk_leaves_open_whether_sp_has_an_effect():
    result, _server = check(
        "v=DMARC1; p=reject; sp=none; rua=mailto:dmarc@host.test",
        domain="mail.parent.test",
        rules=[{"name": "_dmarc.parent.test", "action": "servfail"}],
    )
    assert (result.status, codes(result)) == (Status.UNKNOWN, ["dns_servfail"])
