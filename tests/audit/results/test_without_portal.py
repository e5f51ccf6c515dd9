"""Tenants that have no portal on purpose: six checks make the score, and switching lies nowhere."""

from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import (
    AuditCheck,
    AuditDomain,
    CheckCounts,
    CheckTransition,
    Incident,
    IncidentDomain,
    Seen,
    ServerCard,
    ServerCheck,
    Tenant,
    TenantCounts,
    Waiver,
)
from audit.results import check_counts, store, triage, waivers
from audit.results.incident_cards import server_changed
from audit.results.incident_sweep import hold_numbers_against_rows
from audit.results.scoring import domain_status, score
from collectors.base import Owner, Status
from collectors.registry import CHECKS, NEED_PORTAL, core_checks
from tests.audit import factories as make
from tests.audit.check_results import result, results
from tests.audit.troubles import all_ok, audit, fault, found, settled, unmeasured
from tests.audit.troubles import incidents as incidents_now

pytestmark = pytest.mark.django_db
SIX = core_checks(without_portal=True)
HOST = {"owner": Owner.HOST}
STATUSES = st.dictionaries(st.sampled_from(core_checks()), st.sampled_from(list(Status)))
AUDITS = st.lists(st.one_of(STATUSES, st.sampled_from(["without", "with"])), max_size=5)


@pytest.fixture
def tenant():
    return make.make_tenant(portal_url="http://10.10.10.112:8090", portal_token="t")


def switch(tenant, *, without=True):
    """Save the tenant as one without a portal, or with one."""
    tenant.portal_url = "" if without else "http://10.10.10.112:8090"
    tenant.without_portal = without
    tenant.save()


def stored(domain):
    return dict(AuditCheck.objects.filter(domain=domain).values_list("check_id", "status"))


def transitions(domain):
    rows = CheckTransition.objects.filter(domain=domain).order_by("pk")
    return [(t.check_id, t.from_status, t.to_status) for t in rows]


def columns(row):
    """What a domain is listed and counted by."""
    return {
        name: getattr(row, name)
        for name in ("score", "status", "severity", "needs_customer", "needs_host", "not_measured",
                     "known", "covered")
    }  # fmt: skip


def assert_right(domain):
    """The row is what its stored checks come to, and all numbers are those of the rows."""
    row = AuditDomain.objects.select_related("tenant").get(pk=domain.pk)
    core, kept = row.tenant.core_checks, stored(row)
    assert kept.keys() <= set(core)
    assert (row.score, row.status) == (score(kept, core), domain_status(kept, core))
    before = columns(row), row.trouble_at
    triage.refresh([row.pk], timezone.now())
    row.refresh_from_db()
    assert (columns(row), row.trouble_at) == before
    assert AuditDomain.objects.count_anew([row.tenant_id]) == 0
    assert hold_numbers_against_rows() == 0
    members = IncidentDomain.objects.filter(domain=row, left_at=None)
    assert {m.check_id for m in members} <= {*core, "portal", "resolver"}
    return row


# -- what an audit comes to


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(statuses=STATUSES)
def test_it_is_what_the_six_alone_give(statuses):
    """Whatever was found: the same as a domain of whom only the six were ever asked."""
    without = Tenant.objects.get_or_create(name="without", without_portal=True)[0]
    one, other = (make.make_domain(tenant=without) for _n in range(2))
    for row, checks in ((one, statuses), (other, {c: s for c, s in statuses.items() if c in SIX})):
        store.record(row, {c: result(c, s) for c, s in checks.items()}, begun_at=timezone.now())
        row.refresh_from_db()
    assert columns(one) == columns(other)
    assert stored(one) == stored(other) == {c: s for c, s in statuses.items() if c in SIX}
    wrong = [statuses.get(c, Status.UNKNOWN) for c in SIX]
    assert one.score == wrong.count(Status.OK)
    assert (one.status == "healthy") == (wrong == ["ok"] * 6)
    assert_right(one)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(acts=AUDITS)
def test_the_write_path_and_a_recount_agree_whatever_is_switched_when(acts):
    made = Tenant.objects.create(name=f"t{Tenant.objects.count()}", portal_url="http://p:8090")
    row = make.make_domain(tenant=made, onboarding=False)
    for act in acts:
        if isinstance(act, str):
            switch(made, without=act == "without")
        else:
            seen = {c: result(c, s) for c, s in act.items()}
            assert store.record(row, seen, begun_at=timezone.now())
        row = assert_right(row)
        made.refresh_from_db()


def test_six_of_six_is_healthy_and_a_whole_audit():
    row = make.make_domain(tenant=make.make_tenant(without_portal=True))
    audit(row, {c: r for c, r in all_ok().items() if c in SIX})
    assert (row.score, row.tenant.max_score, row.status) == (6, 6, "healthy")
    assert row.last_audit_at and row.first_healthy_at and not row.onboarding
    assert row.next_audit_at > timezone.now()


def test_what_a_portal_said_while_it_was_switched_off_is_left_out(tenant):
    row = make.make_domain(tenant=tenant)
    begun = timezone.now()
    switch(tenant)
    store.record(row, results(carbonio="fail"), begun_at=begun)
    assert set(stored(row)) == set(SIX)
    assert assert_right(row).status == "healthy"


def test_an_audit_without_what_counts_by_now_is_not_whole(tenant):
    switch(tenant)
    row = make.make_domain(tenant=tenant)
    begun = timezone.now()
    switch(tenant, without=False)
    due = AuditDomain.objects.get(pk=row.pk).next_audit_at
    six = {c: r for c, r in results().items() if c in SIX}
    for _first, at in ((True, None), (False, due)):
        store.record(row, six, begun_at=begun)
        row.refresh_from_db()
        assert (row.status, row.score, row.not_measured) == ("warning", 6, True)
        assert at is None or row.next_audit_at == at, "it is due for the two that are missing"


def test_an_address_that_was_forgotten_is_no_purpose():
    """Both are needed: the box, and no address."""
    forgotten, both = Tenant(name="a"), Tenant(name="b", portal_url="http://p", without_portal=True)
    for one in (forgotten, both):
        assert (one.is_without_portal, one.max_score, one.not_measured_here) == (False, 8, [])
    assert list(Tenant.objects.without_portal()) == []


# -- switching on


def test_the_two_vanish_without_a_transition_and_the_rest_counts(tenant):
    row = settled(tenant=tenant)
    audit(row, found(carbonio=fault("carbonio_domain_locked", **HOST), dns_mx=fault("mx_missing")))
    assert (row.score, row.status, row.needs_host) == (6, "critical", True)
    before = transitions(row)
    switch(tenant)
    row = assert_right(row)
    assert set(stored(row)) == set(SIX) == set(row.checked)
    assert (row.score, row.status) == (5, "critical"), "never healthy with a failing rest"
    assert (row.needs_host, row.needs_customer) == (False, True)
    assert transitions(row) == before
    assert not Seen.objects.filter(domain=row, check_id__in=NEED_PORTAL).exists()
    assert row.next_audit_at <= timezone.now(), "it is audited anew"


def test_what_failed_at_the_portal_alone_is_healthy_at_once(tenant):
    row = settled(tenant=tenant)
    audit(row, nginx_vhost=fault("vhost_missing", **HOST))
    switch(tenant)
    assert (assert_right(row).status, TenantCounts.objects.get().healthy) == ("healthy", 1)


def test_a_domain_of_whom_nothing_else_was_seen_is_unknown(tenant):
    row = make.make_domain(tenant=tenant, onboarding=False)
    store.record(row, {"carbonio": result("carbonio", "fail")}, begun_at=timezone.now())
    switch(tenant)
    row = assert_right(row)
    assert (row.score, row.status, row.not_measured) == (0, "unknown", False)


def test_disabled_domains_and_those_of_others_keep_their_own(tenant):
    off = settled(tenant=tenant)
    AuditDomain.objects.filter(pk=off.pk).update(enabled=False)
    elsewhere = settled(tenant=make.make_tenant("VM113", portal_url="http://p:8090"))
    switch(tenant)
    assert (len(stored(off)), len(stored(elsewhere))) == (6, 8)
    assert_right(off)
    assert_right(elsewhere)


def test_their_incidents_close_and_others_go_on(tenant):
    row = settled(tenant=tenant)
    wrong = {
        "nginx_vhost": fault("vhost_missing", **HOST),
        "webmail_http": fault("webmail_status", because=("nginx_vhost", "vhost_missing"), **HOST),
        "dns_mx": fault("mx_missing"),
    }
    for _confirmed in range(2):
        audit(row, **wrong)
    assert len(incidents_now()) == 2
    switch(tenant)
    assert incidents_now() == [("check", f"{row.pk}:dns_mx", 1)]
    assert_right(row)
    del wrong["nginx_vhost"]
    wrong["webmail_http"] = fault("webmail_status", **HOST)
    six = {c: r for c, r in found(**wrong).items() if c in SIX}
    audit(row, six)
    assert incidents_now()[1:] == [("check", f"{row.pk}:webmail_http", 1)], "by its own name now"
    assert_right(row)


def test_a_portal_that_was_away_is_no_trouble_any_more(tenant):
    rows = [settled(f"d{n}.pt", tenant) for n in range(3)]
    for _confirmed in range(2):
        for row in rows:
            audit(row, unmeasured("portal_unreachable"))
    ServerCard.objects.get_or_create(pk=tenant.pk)
    down = ServerCheck.objects.create(
        tenant=tenant, check_id="server_portal", status="fail", checked_at=timezone.now(),
        since=timezone.now(), findings=[],
    )  # fmt: skip
    for _confirmed in range(2):
        server_changed(tenant.pk, {"server_portal": down}, {"server_portal": down})
    assert incidents_now() == [("portal", str(tenant.pk), 3)]
    assert Incident.objects.get().held
    switch(tenant)
    assert incidents_now() == []
    assert not ServerCheck.objects.exists() and ServerCard.objects.get().unconfirmed == {}
    for row in rows:
        assert assert_right(row).status == "healthy"


def test_what_followed_from_the_proxy_is_seen_to_by_itself(tenant):
    """The card has no row of the proxy any more that it could follow from."""
    row = settled(tenant=tenant)
    down = fault("nginx_down", because=("server_proxy", "server_proxy_down"), **HOST)
    refused = fault("webmail_refused", because=("server_proxy", "server_proxy_down"), **HOST)
    for _confirmed in range(2):
        audit(row, nginx_vhost=down, webmail_http=refused)
    assert incidents_now() == [("server", f"{tenant.pk}:server_proxy", 1)]
    switch(tenant)
    assert incidents_now() == []
    assert assert_right(row).unconfirmed["webmail_http"][:2] == ["fail", 1]


def test_a_waiver_of_what_is_gone_ends(tenant):
    row = settled(tenant=tenant)
    for _confirmed in range(2):
        audit(row, carbonio=fault("carbonio_domain_locked", **HOST), dns_mx=fault("mx_missing"))
    for check in ("carbonio", "dns_mx"):
        waivers.waive(row, check, "", reason="x", by="ana", until=None)
    switch(tenant)
    open_ones = Waiver.objects.filter(ended_at=None)
    assert [w.check_id for w in open_ones] == ["dns_mx"]
    assert Waiver.objects.get(check_id="carbonio").ended_why == Waiver.Ended.CURED
    assert assert_right(row).known


def test_the_numbers_of_checks_are_right_at_once(tenant):
    settled(tenant=tenant)
    assert check_counts.keep() and set(CheckCounts.objects.get().numbers) == set(CHECKS)
    switch(tenant)
    assert set(CheckCounts.objects.get().numbers) == set(SIX)
    assert set(check_counts.count()[tenant.pk]) == set(SIX)


def test_of_many_domains_each_is_right(tenant, monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("audit.results.without_portal.LOT", 2)
    rows = [settled(f"d{n}.pt", tenant) for n in range(5)]
    for row in rows[:3]:
        audit(row, carbonio=fault("carbonio_domain_locked", **HOST))
    switch(tenant)
    for row in rows:
        assert assert_right(row).status == "healthy"
    counts = TenantCounts.objects.get()
    assert (counts.healthy, counts.critical, counts.needs_host) == (5, 0, 0)


# -- switching off


def test_with_a_portal_again_they_are_missing_until_they_are_measured(tenant):
    row = settled(tenant=tenant)
    switch(tenant)
    switch(tenant, without=False)
    row = assert_right(row)
    assert (row.score, row.status, row.not_measured) == (6, "warning", True)
    assert row.next_audit_at <= timezone.now()


def test_their_first_answer_is_no_change(tenant):
    row = settled(tenant=tenant)
    audit(row, carbonio=fault("carbonio_domain_locked", **HOST))
    switch(tenant)
    switch(tenant, without=False)
    before = transitions(row)
    audit(row)
    assert transitions(row)[len(before) :] == [("carbonio", "", "ok"), ("nginx_vhost", "", "ok")]
    row = assert_right(row)
    assert (row.score, row.status) == (8, "healthy")
    kept = AuditCheck.objects.get(domain=row, check_id="carbonio")
    assert kept.since == kept.checked_at and timezone.now() - kept.since < timedelta(minutes=1)


def test_other_changes_of_a_tenant_touch_no_row(tenant):
    row = settled(tenant=tenant)
    audit(row, carbonio=fault("carbonio_domain_locked", **HOST))
    kept = stored(row)
    tenant.portal_url = ""
    tenant.save()
    assert stored(row) == kept, "left empty by mistake: unknown at the next audit, and not gone"
    tenant.mail_hosts = ["mx9.host.test"]
    tenant.save()
    assert stored(row) == kept
