"""The one reason of a domain: causes before effects, the worst first, what is known last."""

from datetime import timedelta

import pytest
from django.utils import timezone, translation

from audit.reading.reason import LONGEST, CheckRow, reason_of, sentence, words_of
from collectors.base import Cause, Finding, Owner, Severity
from collectors.text import _

NOW = timezone.now()


def row(check_id, *findings, hours=1):
    return CheckRow(check_id, [f.to_dict() for f in findings], NOW - timedelta(hours=hours))


def finding(code, severity="fail", *, because=None, owner=Owner.CUSTOMER):
    cause = because and Cause(*because)
    return Finding(code, Severity(severity), _("It is broken. Mend it."), owner, None, cause)


def test_nothing_wrong_has_no_reason():
    assert reason_of([row("dns_mx"), row("dns_spf", finding("spf_ptr", "info"))]) is None


def test_a_cause_stands_before_what_waits_for_it():
    gone = ("dns_mx", "mx_domain_not_found")
    reason = reason_of(
        [
            row("cert_le", finding("cert_missing", because=gone)),
            row("dns_mx", finding("mx_domain_not_found"), hours=3),
            row("dns_spf", finding("spf_missing", because=gone)),
            row("dns_dmarc", finding("dmarc_policy_none", "warn")),
        ]
    )
    assert sentence(reason) == "MX: the domain does not exist in DNS"
    assert (reason["check_id"], reason["owner"]) == ("dns_mx", "customer")
    assert reason["waits"] == ["Certificate", "SPF"] and reason["others"] == ["DMARC"]
    assert reason["since"] == NOW - timedelta(hours=3)


def test_the_worst_is_named_and_the_newest_where_that_is_asked_for():
    rows = [
        row("dns_spf", finding("spf_sender_not_authorised"), hours=50),
        row("dns_dmarc", finding("dmarc_policy_none", "warn"), hours=1),
    ]
    assert reason_of(rows)["code"] == "spf_sender_not_authorised"
    assert reason_of(rows, newest=True)["code"] == "dmarc_policy_none"


@pytest.mark.parametrize("code", ["dmarc_policy_none", ""])
def test_what_is_known_is_named_where_there_is_nothing_else(code):
    dmarc = row("dns_dmarc", finding("dmarc_policy_none"))
    waived = {("dns_dmarc", code)}
    assert reason_of([dmarc], waived=waived)["code"] == "dmarc_policy_none"
    spf = row("dns_spf", finding("spf_ptr", "warn"))
    reason = reason_of([dmarc, spf], waived=waived)
    assert reason["code"] == "spf_ptr" and reason["others"] == []


def test_what_follows_from_what_is_known_is_known_too():
    cause = ("cert_le", "cert_expired")
    rows = [
        row("cert_le", finding("cert_expired")),
        row("webmail_http", finding("webmail_tls", because=cause)),
        row("dns_spf", finding("spf_ptr", "warn")),
    ]
    assert reason_of(rows, waived={cause})["code"] == "spf_ptr"


def test_a_row_of_the_server_card_is_the_cause_though_the_domain_has_no_such_finding():
    down = finding(
        "nginx_down", because=("server_proxy", "server_proxy_down"), owner=Owner.CUSTOMER
    )
    reason = reason_of([row("nginx_vhost", down)])
    assert sentence(reason) == "The server: nginx is not running"
    assert (reason["check_id"], reason["owner"], reason["waits"]) == (
        "",
        "host",
        ["nginx virtual host"],
    )


def test_a_cause_that_is_gone_leaves_the_finding_itself():
    left = finding("webmail_tls", because=("cert_le", "cert_expired"))
    assert reason_of([row("webmail_http", left)])["code"] == "webmail_tls"


def test_causes_in_a_circle_end():
    rows = [
        row("cert_le", finding("cert_missing", because=("webmail_http", "webmail_tls"))),
        row("webmail_http", finding("webmail_tls", because=("cert_le", "cert_missing"))),
    ]
    assert reason_of(rows)["check_id"] in ("cert_le", "webmail_http")


def test_what_could_not_be_measured_for_one_reason_is_one():
    away = finding("portal_unreachable", "unknown", owner=Owner.MEASUREMENT)
    reason = reason_of([row("carbonio", away), row("nginx_vhost", away)])
    assert sentence(reason) == "Not measured: the portal cannot be reached"
    assert reason["waits"] == ["Carbonio", "nginx virtual host"]
    assert reason["owner"] == "measurement"
    failing = row("dns_mx", finding("mx_missing"))
    assert reason_of([row("carbonio", away), failing])["code"] == "mx_missing"


def test_a_code_without_a_title_is_told_by_the_beginning_of_its_message():
    assert words_of("old_code", "It is broken. Mend it.") == "It is broken"
    assert len(words_of("old_code", "x" * 500)) == LONGEST


def test_it_speaks_the_readers_language():
    with translation.override("pt"):
        assert sentence(reason_of([row("dns_mx", finding("mx_missing"))])).startswith("MX: ")
