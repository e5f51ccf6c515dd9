"""What a waiver covers and which finding it still is: pure."""

import pytest

from audit.results.waived import print_of, waived_findings


def finding(code="spf_missing", severity="fail", owner="customer", current="v=spf1 -all", **more):
    record = {"type": "TXT", "name": "cliente.pt", "value": "new", "current": current}
    fix = {"text": "Publish it.", "records": [record]}
    return {"code": code, "severity": severity, "owner": owner, "fix": fix, "message": "A.", **more}


def test_a_waiver_covers_a_code_or_all_that_is_wrong():
    a, b = finding("a", "warn"), finding("b", "fail")
    fine, silent = finding("c", "ok"), finding("d", "unknown")
    assert waived_findings([a, b, fine, silent], "") == [a, b]
    assert waived_findings([a, b, fine, silent], "b") == [b]
    assert waived_findings([a, silent], "d") == [] == waived_findings([], "")


def test_what_changes_from_audit_to_audit_is_no_other_finding():
    a, b = finding("a"), finding("b")
    assert print_of([a, b]) == print_of([b, a])
    assert print_of([a]) == print_of([finding("a", message="It ends in 12 days.")])
    proposed = finding("a")
    proposed["fix"]["records"][0]["value"] = "other"
    assert print_of([a]) == print_of([proposed]), "what we propose is ours to change"


@pytest.mark.parametrize(
    "other",
    [
        {"code": "b"},
        {"severity": "warn"},
        {"owner": "host"},
        {"current": "v=spf1 ~all"},
        {"current": None},
        {"fix": None},
    ],
)
def test_another_code_severity_owner_or_record_is_another_finding(other):
    assert print_of([finding()]) != print_of([finding(**other)])
    assert print_of([finding()]) != print_of([finding(), finding(**other)])


def test_a_print_fits_its_column():
    assert len(print_of([finding()])) == len(print_of([])) == 32
