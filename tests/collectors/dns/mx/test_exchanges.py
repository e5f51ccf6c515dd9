"""What MX records name, and where these names lead."""

import pytest

from tests.collectors.dns.mx.test_check import changes, check, found
from tests.collectors.lab import codes


def test_names_are_compared_without_case_and_trailing_dot():
    assert check("10 MX1.Host.TEST.", mail_hosts=("mx1.HOST.test.",))[0].status == "ok"


def test_at_most_ten_exchanges_are_looked_up():
    exchanges = [f"{i} mx{i}.elsewhere.test." for i in range(100, 200)]
    result, server = check("10 mx1.host.test.", *exchanges)
    asked = {(q["name"], q["type"]) for q in server.queries if q["type"] in ("A", "AAAA")}
    assert len(asked) == 20
    assert result.evidence["exchanges_looked_up_at_most"] == 10
    assert len(result.evidence["exchanges"]) == 10


@pytest.mark.parametrize("host", ["192.0.2.1", "[192.0.2.1]", "2001:db8::1"])
def test_an_address_in_place_of_a_name_fails(host):
    result, server = check(f"10 {host}.", "20 mx1.host.test.")
    finding = found(result, "mx_target_is_ip")
    assert codes(result) == ["mx_target_is_ip"]
    assert changes(finding) == [("remove", f"10 {host}", f"10 {host}")]
    assert server.count(host) == 0


def test_one_address_family_is_enough():
    result, _server = check(
        "10 mx1.host.test.", rules=[{"name": "mx1.host.test", "type": "AAAA", "action": "servfail"}]
    )
    assert result.status == "ok"
    assert result.evidence["exchanges"][0]["unseen"] == "dns_servfail"


def test_one_reachable_address_is_enough():
    assert (
        check("10 mx1.host.test.", hosts={"mx1.host.test": {"A": ["10.0.0.5", "127.0.0.2"]}})[
            0
        ].status
        == "ok"
    )
    assert (
        check(
            "10 mx1.host.test.",
            hosts={"mx1.host.test": {"A": ["10.0.0.5"], "AAAA": ["2a00:1450::1"]}},
        )[0].status
        == "ok"
    )
