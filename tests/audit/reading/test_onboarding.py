"""The board of the onboarding as data: stages, who is waited for, what is missing, how long."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AuditCheck, AuditDomain, ReportLink, Waiver
from audit.reading import onboarding
from audit.reading.onboarding import Asked
from tests.audit.factories import make_domain, make_tenant

pytestmark = pytest.mark.django_db
RECORDS = ("dns_spf", "dns_dkim", "dns_dmarc")
NOTHING = {**dict.fromkeys((*RECORDS, "dns_mx"), "fail")}


def rows(**asked):
    return onboarding.board(AuditDomain.objects.all(), Asked(**asked), limit=60)[0]


def only(domain, **asked):
    return next(row for row in rows(**asked) if row["id"] == domain.pk)


def aged(domain, days):
    AuditDomain.objects.filter(pk=domain.pk).update(
        created_at=timezone.now() - timedelta(days=days)
    )


@pytest.fixture
def tenant():
    return make_tenant()


@pytest.mark.parametrize(
    ("checks", "linked", "stage"),
    [
        (NOTHING, False, "registered"),
        (NOTHING, True, "link"),
        ({"dns_mx": "fail"}, False, "dns"),
        ({"dns_mx": "warn"}, True, "dns"),
        ({"dns_mx": "fail", "dns_dmarc": "warn"}, True, "dns"),
        ({"dns_mx": "fail", "dns_spf": "warn"}, True, "link"),
        ({"dns_mx": "fail", "dns_dkim": "unknown"}, False, "registered"),
        ({"cert_le": "fail"}, True, "mx"),
        ({"dns_spf": "fail"}, False, "registered"),  # mail was moved before its records
    ],
)
def test_stages(tenant, checks, linked, stage):
    domain = make_domain("novo.pt", tenant, checks=checks)
    if linked:
        ReportLink.objects.make([domain])
    assert only(domain)["stage"] == stage
    counts, _waits, exact = onboarding.numbers(AuditDomain.objects.all(), Asked())
    assert exact and counts == dict.fromkeys(onboarding.STAGES, 0) | {stage: 1}
    assert [r["id"] for r in rows(stage=stage)] == [domain.pk]
    assert rows(stage="done") == []


@pytest.mark.parametrize("end", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now()}])
def test_a_link_that_leads_nowhere_is_none(tenant, end):
    domain = make_domain("novo.pt", tenant, checks=NOTHING)
    ReportLink.objects.make([domain])
    ReportLink.objects.update(**end)
    row = only(domain)
    assert row["stage"] == "registered" and row["link"] is None and row["waits"] == "us"


def test_who_waits_for_whom_and_since_when(tenant):
    new = make_domain("a.pt", tenant)
    no_link = make_domain("b.pt", tenant, checks=NOTHING)
    linked = make_domain("c.pt", tenant, checks=NOTHING)
    dark = make_domain("d.pt", tenant, checks={"dns_mx": "unknown"})
    ours = make_domain("e.pt", tenant, checks={"cert_le": "fail"})
    AuditDomain.objects.filter(pk=ours.pk).update(needs_customer=False, needs_host=True)
    [link] = ReportLink.objects.make([linked])
    found = {row["domain"]: row for row in rows()}
    assert {name: row["waits"] for name, row in found.items()} == {
        "a.pt": "measure", "b.pt": "us", "c.pt": "customer", "d.pt": "measure", "e.pt": "us",
    }  # fmt: skip
    assert found["c.pt"]["since"] == link.created_at
    assert found["b.pt"]["since"] == no_link.created_at
    assert found["a.pt"]["since"] == new.created_at
    assert found["d.pt"]["since"] == AuditCheck.objects.get(domain=dark, status="unknown").since
    link.note_sent("ana@cliente.pt")
    assert only(linked)["since"] == link.sent_at
    _stages, waits, _exact = onboarding.numbers(AuditDomain.objects.all(), Asked())
    assert waits == {"customer": 1, "us": 2, "measure": 2}
    for who, n in waits.items():
        assert len(rows(waits=who)) == n


def test_a_customer_is_never_waited_for_because_of_a_measurement(tenant):
    domain = make_domain("d.pt", tenant, checks={"dns_mx": "unknown", "dns_spf": "unknown"})
    ReportLink.objects.make([domain])
    row = only(domain)
    assert row["waits"] == "measure" and row["missing"] == []
    assert row["unmeasured"] == ["dns_mx", "dns_spf"]


def test_what_is_missing_in_three_words(tenant):
    row = only(make_domain("novo.pt", tenant, checks={**NOTHING, "cert_le": "unknown"}))
    assert onboarding.missing_words(row) == ("MX, SPF, DKIM", 1)
    AuditCheck.objects.filter(check_id="dns_dmarc").update(
        status="warn",
        findings=[{"code": "dmarc_policy_none", "severity": "warn", "owner": "customer"}],
    )
    assert onboarding.missing_words(rows()[0]) == ("MX, SPF, DKIM", 0)


def test_nobody_waits_for_a_customer_because_of_a_policy_alone(tenant):
    domain = make_domain("novo.pt", tenant, checks={"dns_dmarc": "warn", "cert_le": "fail"})
    ReportLink.objects.make([domain])
    AuditDomain.objects.update(needs_host=True)
    policy = {"code": "dmarc_policy_none", "severity": "warn", "owner": "customer"}
    AuditCheck.objects.filter(check_id="dns_dmarc").update(findings=[policy])
    ours = {"code": "cert_expired", "severity": "fail", "owner": "host"}
    AuditCheck.objects.filter(check_id="cert_le").update(findings=[ours])
    row = only(domain)
    assert row["waits"] == "us" and not row["for_customer"] and row["missing"] == ["cert_le"]
    assert row["since"] == AuditCheck.objects.get(check_id="cert_le").since


def test_the_overdue_stand_on_top_and_pages_follow_each_other(tenant, settings):
    settings.AUDIT_GRACE_DAYS = 7
    for name, days in (("a.pt", 1), ("b.pt", 8), ("c.pt", 6), ("d.pt", 30)):
        aged(make_domain(name, tenant, checks=NOTHING), days)
    found = rows()
    assert [row["domain"] for row in found] == ["d.pt", "b.pt", "c.pt", "a.pt"]
    assert [row["overdue"] for row in found] == [True, True, False, False]
    one, _before, cursor = onboarding.board(AuditDomain.objects.all(), Asked(), limit=3)
    two, before, after = onboarding.board(
        AuditDomain.objects.all(), Asked(), limit=3, cursor=cursor
    )
    assert [r["domain"] for r in one + two] == ["d.pt", "b.pt", "c.pt", "a.pt"]
    assert before and after is None


def test_only_what_is_in_onboarding_and_audited_is_on_it(tenant):
    other = make_tenant("VM113", enabled=False)
    make_domain("off.pt", other, checks=NOTHING)
    make_domain("disabled.pt", tenant, checks=NOTHING, enabled=False)
    make_domain("old.pt", tenant, checks=NOTHING, onboarding=False)
    known = make_domain("known.pt", tenant, checks=NOTHING)
    Waiver.objects.create(domain=known, check_id="dns_spf", reason="x", by="x")
    AuditDomain.objects.filter(pk=known.pk).update(known=True)
    here = make_domain("here.pt", tenant, checks=NOTHING)
    assert [row["id"] for row in rows()] == [here.pk]
    assert [row["id"] for row in rows(q="her")] == [here.pk] and rows(q="there") == []
    assert rows(tenant=other.pk) == []


def test_what_is_done_stays_for_a_week_the_newest_first(tenant):
    for name, days in (("a.pt", 1), ("b.pt", 3), ("c.pt", 8)):
        domain = make_domain(name, tenant, checks={})
        at = timezone.now() - timedelta(days=days)
        AuditDomain.objects.filter(pk=domain.pk).update(onboarded_at=at)
    assert [row["domain"] for row in rows(stage="done")] == ["a.pt", "b.pt"]
    assert rows(stage="done")[0]["stage"] == "done" and not rows(stage="done")[0]["overdue"]
    assert rows() == []
    assert onboarding.numbers(AuditDomain.objects.all(), Asked())[0]["done"] == 2


def test_the_numbers_say_when_they_are_not_all(tenant, monkeypatch):
    monkeypatch.setattr(onboarding, "COUNTED", 2)
    for _n in range(3):
        make_domain(tenant=tenant, checks=NOTHING)
    counts, _waits, exact = onboarding.numbers(AuditDomain.objects.all(), Asked())
    assert counts["registered"] == 2 and not exact


def _rank(values, share):
    """The nearest rank: the smallest value that at least this share is not above."""
    return next(v for n, v in enumerate(values, 1) if n / len(values) >= share)


@settings(
    deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=23))
def test_the_median_and_the_ninth_tenth_of_a_month(tenant, minutes):
    AuditDomain.objects.all().delete()
    end = timezone.localtime().replace(day=1, hour=12)
    end = (end - timedelta(days=5)).astimezone(UTC)
    for n, took in enumerate(minutes):
        row = make_domain(f"d{n}.pt", tenant)
        AuditDomain.objects.filter(pk=row.pk).update(
            onboarding=False, onboarded_at=end, created_at=end - timedelta(minutes=took)
        )
    [month] = onboarding.months(AuditDomain.objects.all())
    ordered = sorted(timedelta(minutes=m) for m in minutes)
    assert month["domains"] == len(minutes)
    assert month["median"] == _rank(ordered, 0.5) and month["p90"] == _rank(ordered, 0.9)


def test_months_are_the_last_twelve_the_newest_first(tenant):
    now = timezone.localtime()
    for n, months_ago in enumerate((0, 1, 11, 12)):
        year, month = divmod(now.year * 12 + now.month - 1 - months_ago, 12)
        at = datetime(year, month + 1, 1, 12, tzinfo=now.tzinfo)
        row = make_domain(f"d{n}.pt", tenant)
        AuditDomain.objects.filter(pk=row.pk).update(
            onboarding=False, onboarded_at=at, created_at=at - timedelta(hours=n + 1)
        )
    found = onboarding.months(AuditDomain.objects.all())
    assert [month["median"] for month in found] == [timedelta(hours=h) for h in (1, 2, 3)]
    assert onboarding.months(AuditDomain.objects.all(), tenant.pk + 1) == []
