"""Every fix of the DNS checks against the rules of advice, alone and together, on generated zones.

The zones have wildcards, aliases, several records, slips, other services' keys, macros and up to
twenty foreign senders; the tenant may have broken names of its own, its portal may be silent.
"""

from collections.abc import Collection, Iterator, Mapping

import pytest

from collectors.base import CheckResult, Finding, Severity
from collectors.dns.dmarc.fix import STEPS
from tests.collectors.dns.advice_judge import harm, records_of
from tests.collectors.dns.customer_zones import Found, generated
from tests.collectors.lab import look_at_all
from tests.collectors.publishing import published

DNS_CHECKS = ("dns_mx", "dns_spf", "dns_dkim", "dns_dmarc")
# What may come up once a record counts: the next step, or the customer's own term or length.
GRADUAL = STEPS | {"spf_lookups_near_limit", "spf_ptr", "spf_record_long"}
OF_A_TERM = {"spf_syntax", "spf_slip", "spf_include_missing", "spf_loop", "spf_all_pass"}
SAME_HARM = {"dns_mx": {"mx_missing"}, "dns_spf": {"spf_too_many_void_lookups"}}
Results = Mapping[str, CheckResult]
SEEDS = range(60)


def audit(found: Found, names: Mapping) -> Results:
    return look_at_all({"names": names}, found.the_target, DNS_CHECKS, found.portal)


def counting(result: CheckResult) -> set[tuple[str, str]]:
    """What is wrong by a result: the codes, and of whose there may be several, what they say."""
    return {_fact(f) for f in result.findings if f.severity != Severity.INFO}


def _fact(finding: Finding) -> tuple[str, str]:
    return finding.code, str(finding.message) if finding.code in OF_A_TERM else ""


def wrong_with(found: Found) -> Iterator[str]:
    """Which rules of advice the fixes of one audit break; a line each."""
    domain, names = found.customer.domain, found.names
    before = audit(found, names)
    also = [f"{label}.{domain}" for label in ("www", "webmail", "autodiscover", "a.b")]
    yield from harm(names, found.customer, before, also)
    yield from own_fault(found, before)
    for check_ids in [*((c,) for c in DNS_CHECKS), DNS_CHECKS]:
        records = records_of(before[c] for c in check_ids)
        if records:
            label = check_ids[0] if len(check_ids) == 1 else "all together"
            after = audit(found, published(names, records))
            yield from (f"{label}: {line}" for line in not_enough(before, after, check_ids))


def not_enough(before: Results, after: Results, check_ids: Collection[str]) -> Iterator[str]:
    """Rule 7: what the fixes of these checks leave of what they were given for, or bring up."""
    for check_id in DNS_CHECKS:
        given_for = {_fact(f) for f in before[check_id].findings if f.fix and f.fix.records}
        was, now = counting(before[check_id]), counting(after[check_id])
        if check_id in check_ids and (left := {f for f in now & given_for if f[0] not in GRADUAL}):
            yield f"{check_id} is left with {left}"
        new = {code for code, _what in now} - {code for code, _what in was} - GRADUAL
        if new - SAME_HARM.get(check_id, set()) or (new and not was):
            yield f"brings up {new} in {check_id}"


def own_fault(found: Found, results: Results) -> Iterator[str]:
    """What is broken of the tenant's own is in no record that a fix publishes."""
    for record in records_of(results.values()):
        new = found.broken in record.value and found.broken not in (record.current or "")
        if found.broken and new and record.action != "remove":
            yield f"{record} proposes what is broken: {found.broken}"


@pytest.mark.parametrize("seed", SEEDS)
def test_no_fix_breaks_a_rule_alone_or_with_the_others(seed):
    assert list(wrong_with(generated(seed))) == []
