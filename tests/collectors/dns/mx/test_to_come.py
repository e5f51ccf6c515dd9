"""An MX fix and the SPF record go together: a mail host without IPv6 is a void lookup for `mx`.

https://www.rfc-editor.org/rfc/rfc7208#section-4.6.4
"""

import pytest

from tests.collectors.dns.advice_judge import passing, records_of
from tests.collectors.lab import codes, look_at_all, target
from tests.collectors.publishing import published

CHECKS = ("dns_mx", "dns_spf")
HOSTS = ("mx1.host.test", "mx2.host.test")
ADDRESSES = {"203.0.113.25", "2001:db8::25"}
NAMES = {
    "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 ip6:2001:db8::25 -all"]},
    "mx1.host.test": {"A": ["127.0.0.1"]},
    "mx2.host.test": {"A": ["127.0.0.2"]},
    "mx.other.test": {"A": ["127.0.0.9"]},
}


def audit(names):
    return look_at_all({"names": names}, target(mail_hosts=HOSTS, dmarc_rua=""), CHECKS)


@pytest.mark.parametrize("mx", [[], ["10 mx.other.test"]], ids=["none", "foreign"])
@pytest.mark.parametrize(
    "texts",
    [
        ["v=spf1 a mx -all"],
        ["v=spf1 a mx include:_spf.host.test -all"],
        ["v=spf1 a mx -all", "v=spf1 include:_spf.host.test mx ~all"],
        ["v=spf1 a mx ip6:2001:db8:5::1 include:_spf.host.test -all"],
    ],
    ids=["not named", "named", "two records", "another sender"],
)
def test_the_fixes_of_mx_and_spf_break_nothing_alone_or_together(texts, mx):
    own = {"A": ["192.0.2.80"], "TXT": texts, **({"MX": mx} if mx else {})}
    names = {**NAMES, "kunde.test": own}
    senders = ADDRESSES | {"2001:db8:5::1", "127.0.0.9"}
    before, allowed = audit(names), passing(names, "kunde.test", senders)
    for checks in (CHECKS, *((c,) for c in CHECKS)):
        after_names = published(names, records_of(before[c] for c in checks))
        assert allowed <= passing(after_names, "kunde.test", senders)
        after = audit(after_names)
        assert all(after[c].status == "ok" for c in checks), checks
        if checks == CHECKS:
            assert passing(after_names, "kunde.test", senders) >= ADDRESSES


def test_a_mail_host_that_is_left_out_is_named_with_the_reason():
    text = "v=spf1 a mx include:_spf.host.test -all"
    mx = audit({**NAMES, "kunde.test": {"A": ["192.0.2.80"], "TXT": [text]}})["dns_mx"]
    assert codes(mx) == ["mx_missing"]
    assert [r.value for r in mx.findings[0].fix.records] == ["10 mx1.host.test"]
    assert "mx2.host.test is left out" in str(mx.findings[0].fix.text)


def test_both_mail_hosts_are_published_where_spf_bears_them():
    text = "v=spf1 include:_spf.host.test a mx -all"
    mx = audit({**NAMES, "kunde.test": {"A": ["192.0.2.80"], "TXT": [text]}})["dns_mx"]
    assert len(mx.findings[0].fix.records) == 2
