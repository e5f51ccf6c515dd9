"""Hostile zones: a check asks at most 40 queries, ends, and says what fits into one page."""

import json
import time

import pytest

from collectors.dns.mx.fix import MAX_CHANGES
from tests.collectors.lab import look, target
from tests.collectors.spf_check import FAR, HOST

POLICY = "_dmarc.kunde.test"
KEY = "s1._domainkey.kunde.test"


def repeated(text, times, prefix):
    return {"TXT": [{"repeat": [text, times], "prefix": prefix}]}


def fill(count, form):
    return " ".join(form.format(i=i) for i in range(count))


ZONES = {
    "dns_spf": {
        "wrong terms": {"kunde.test": repeated(" moo", 15000, "v=spf1")},
        "terms to correct": {"kunde.test": repeated(" ipv4:1.2.3.4", 4600, "v=spf1")},
        "ranges": {
            "kunde.test": {
                "TXT": [
                    "v=spf1 "
                    + " ".join(f"ip4:10.{i >> 8}.{i & 255}.0/24" for i in range(3000))
                    + " ?all"
                ]
            }
        },
        "late includes": {"kunde.test": repeated(" include:gone.test", 3400, "v=spf1 -all")},
        "includes": {
            "kunde.test": {"TXT": ["v=spf1 " + fill(2000, "include:a{i}.w.test") + " +all"]},
            "*.w.test": {"TXT": ["v=spf1 mx"]},
        },
        "records": {
            "kunde.test": {
                "TXT": [f"v=spf1 ip4:10.0.{i}.0/24 include:i{i}.w.test -all" for i in range(250)]
            }
        },
        "two long records": {
            "kunde.test": {
                "TXT": ["v=spf1 " + fill(3000, "moo{i}"), "v=spf1 " + fill(3000, "woo{i}")]
            }
        },
        "misplaced": {
            "kunde.test.kunde.test": {"TXT": [f"v=spf1 ip4:10.0.0.{i} -all" for i in range(250)]}
        },
    },
    "dns_dmarc": {
        "addresses": {
            POLICY: {
                "TXT": [
                    "v=DMARC1; p=none; rua=" + fill(2000, "mailto:a@h{i}.x.test").replace(" ", ",")
                ]
            }
        },
        "records": {POLICY: {"TXT": [f"v=DMARC1; p=none; x={i}" for i in range(300)]}},
        "commas": {POLICY: repeated(", ", 30000, "v=dmarc1 p=none ")},
        "tags": {POLICY: repeated(", p=", 15000, "v=dmarc1 p=none ")},
        "blanks": {POLICY: repeated(" ", 60000, "v=dmarc1 ")},
    },
    "dns_dkim": {
        "key": {KEY: repeated("A", 60000, "v=DKIM1; p=")},
        "tags": {KEY: repeated(";p=", 20000, "v=DKIM1")},
        "records": {KEY: {"TXT": [f"v=DKIM1; p={i}" for i in range(300)]}},
    },
    "dns_mx": {"exchanges": {"kunde.test": {"MX": [f"{i} m{i}.t{i}.test" for i in range(1500)]}}},
}


@pytest.mark.parametrize(
    ("check_id", "name"), [(check_id, name) for check_id, zones in ZONES.items() for name in zones]
)
def test_a_hostile_zone_ends_soon_with_few_queries_and_a_short_answer(check_id, name):
    """Case 33."""
    started = time.process_time()
    result, server = look(check_id, {"names": {**HOST, **FAR, **ZONES[check_id][name]}})
    said = json.dumps([f.to_dict() for f in result.findings])
    assert time.process_time() - started < 5
    assert (result.status in ("fail", "warn"), len(server.queries) <= 40) == (True, True)
    assert len(said) < 100_000


def test_hundreds_of_selectors_cost_few_queries():
    the_target = target(dkim_selectors=tuple(f"s{i}" for i in range(500)))
    result, server = look("dns_dkim", {"names": {"kunde.test": {"A": ["192.0.2.1"]}}}, the_target)
    assert (result.status, len(server.queries) <= 40) == ("fail", True)


def test_a_fix_lists_single_exchanges_up_to_a_bound():
    for count in (MAX_CHANGES, MAX_CHANGES + 1):
        names = {
            "kunde.test": {
                "MX": ["1 mx1.host.test", *(f"{i + 2} m{i}.t.test" for i in range(count))]
            },
            "mx1.host.test": {"A": ["127.0.0.1"]},
        }
        result, _server = look("dns_mx", {"names": names})
        (records,) = {f.fix.records for f in result.findings}
        assert len(records) == (count if count == MAX_CHANGES else 0)
    assert (
        result.findings[0].fix.text
        == "The MX records should be: 1 mx1.host.test. Remove all others."
    )
