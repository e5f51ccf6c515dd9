"""The columns by which an operator finds a domain: by statuses, members and waivers alone."""

from datetime import UTC, datetime, timedelta

import pytest

from audit.models import AuditDomain, Incident
from audit.results import triage
from audit.results.triage import Member, take_columns

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OK = dict.fromkeys(triage.CORE, "ok")
ALONE = Member(1, "check", "7:dns_mx", AT, False)
SHARED = Member(2, "server", "3:server_spf", AT + timedelta(hours=1), False)
PORTAL = Member(3, "portal", "3", AT, False)


def columns(statuses, members=None, waived=(), **fields):
    row = AuditDomain(pk=7, **fields)
    take_columns(row, OK | statuses, members or {}, waived, AT)
    return {name for name in ("not_measured", "known", "covered") if getattr(row, name)}, row


@pytest.mark.parametrize(
    "statuses, members, waived, expected",
    [
        ({}, {}, (), set()),
        ({"dns_mx": "fail"}, {}, (), set()),
        ({"dns_mx": "fail"}, {"dns_mx": ALONE}, (), set()),
        ({"dns_mx": "unknown"}, {}, (), {"not_measured"}),
        ({"dns_spf": "fail"}, {"dns_spf": SHARED}, (), {"covered"}),
        ({"dns_spf": "fail", "dns_mx": "fail"}, {"dns_spf": SHARED, "dns_mx": ALONE}, (), set()),
        ({"dns_mx": "fail"}, {"dns_mx": ALONE}, ("dns_mx",), {"known"}),
        ({"dns_mx": "fail", "dns_dkim": "warn"}, {"dns_mx": ALONE}, ("dns_mx",), set()),
        (
            {"dns_mx": "fail", "dns_spf": "fail"},
            {"dns_mx": ALONE, "dns_spf": SHARED},
            ("dns_mx",),
            {"known"},
        ),
        ({"dns_mx": "fail", "carbonio": "fail"}, {"dns_mx": ALONE, "carbonio": ALONE}, ("dns_mx",),
         {"known"}),
        ({"dns_mx": "ok"}, {}, ("dns_mx",), set()),
        ({"dns_spf": "fail", "carbonio": "unknown"}, {"dns_spf": SHARED}, (), {"not_measured"}),
    ],
)  # fmt: skip
def test_groups_of_a_domain(statuses, members, waived, expected):
    assert columns(statuses, members, waived)[0] == expected


def test_what_is_not_measured_through_a_silent_portal_is_covered_by_its_incident(settings):
    away = {"portal": ["unknown", settings.AUDIT_CONFIRM, 0]}
    found, _row = columns({"carbonio": "unknown"}, {"portal": PORTAL}, unconfirmed=away)
    assert found == {"not_measured", "covered"}
    found, _row = columns({"carbonio": "unknown"}, {"portal": PORTAL})
    assert found == {"not_measured"}, "by its entry the portal is not away"


def test_a_domain_is_in_trouble_since_the_newest_of_its_own():
    newer = ALONE._replace(key="7:dns_dkim", since=AT + timedelta(minutes=5))
    members = {"dns_mx": ALONE, "dns_dkim": newer, "dns_spf": SHARED}
    wrong = dict.fromkeys(members, "fail")
    assert columns(wrong, members)[1].trouble_at == newer.since
    assert columns(wrong, members, ("dns_dkim",))[1].trouble_at == AT
    assert columns(wrong, {"dns_spf": SHARED})[1].trouble_at is None


def test_the_first_8_of_8_ends_the_onboarding_once():
    row = columns({}, status="healthy", onboarding=True)[1]
    assert not row.onboarding and row.first_healthy_at == row.onboarded_at == AT
    before = AT - timedelta(days=9)
    assert columns({}, status="healthy", first_healthy_at=before)[1].first_healthy_at == before
    assert columns({}, status="warning", onboarding=True)[1].onboarding
    taken_out = columns({}, status="healthy", onboarding=False)[1]
    assert taken_out.onboarded_at is None, "a person ended it"


@pytest.mark.parametrize(
    "days, onboarding, expected", [(6, True, True), (7, True, False), (1, False, False)]
)
def test_a_grace_lasts_as_long_as_the_onboarding_at_most(days, onboarding, expected, settings):
    settings.AUDIT_GRACE_DAYS = 7
    row = AuditDomain(onboarding=onboarding, created_at=AT - timedelta(days=days))
    assert triage.in_grace(row, AT) == expected


def test_a_member_says_whose_trouble_it_is():
    assert (ALONE.is_shared, ALONE.cause) == (False, "dns_mx")
    assert (SHARED.is_shared, SHARED.cause) == (True, "")
    assert ALONE.kind == Incident.Kind.CHECK
