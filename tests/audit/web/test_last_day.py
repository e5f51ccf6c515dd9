"""The page of the last 24 hours."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import CheckTransition, Incident, IncidentDomain, ServerTransition
from audit.reading import last_day
from tests.audit import factories as make
from tests.audit.test_query_plans import plans_of, sorts, whole_tables

pytestmark = pytest.mark.django_db
URL = "/last-24-h/"
HOUR = timedelta(hours=1)


@pytest.fixture
def viewer(client):
    client.force_login(make.make_viewer())
    return client


def change(domain, check_id="dns_spf", was="ok", now="fail", *, ago=HOUR, text="It is wrong.", **f):
    return CheckTransition.objects.create(
        domain=domain,
        check_id=check_id,
        from_status=was,
        to_status=now,
        at=timezone.now() - ago,
        message=text,
        **f,
    )


def incident(*, opened, closed=None, owner="host", tenant=None, **fields):
    now = timezone.now()
    number = Incident.objects.count()
    return Incident.objects.create(
        **{"kind": "check", "key": str(number), "message": f"Incident {number}.", **fields},
        tenant=tenant,
        owner=owner,
        severity="fail",
        opened_at=now - opened,
        confirmed_at=now - opened,
        closed_at=None if closed is None else now - closed,
        domains_most=3,
    )


@pytest.fixture
def fleet():
    tenant, other = make.make_tenant("VM112", spf_include="_spf.host.test"), make.make_tenant("X")
    domains = [make.make_domain(f"d{n}.pt", tenant) for n in range(9)]
    domains.append(make.make_domain("other.pt", other))
    return domains


def moment_of(hours):
    """So long ago, in the middle of an hour."""
    now = timezone.now()
    return now - (now.replace(minute=30, second=0, microsecond=0) - timedelta(hours=hours))


def test_the_same_change_of_many_within_an_hour_is_one_event(viewer, fleet):
    sides = {
        "evidence_before": {"record": ["v=spf1 ~all"]},
        "evidence_after": {"record": ["v=spf1 -all"]},
    }
    for domain in fleet[:8]:
        change(domain, ago=moment_of(2), **sides)
    change(fleet[8], ago=moment_of(3), **sides)
    change(fleet[9], ago=moment_of(2), **sides)
    change(fleet[0], "dns_mx", "fail", "ok", ago=moment_of(2), text="Fine <b>now</b>.")
    change(fleet[0], ago=timedelta(hours=30))
    change(fleet[0], was="", ago=moment_of(2))
    response = viewer.get(URL)
    events = response.context["events"]
    assert sorted(len(e["domains"]) for e in events) == [1, 1, 1, 8]
    many = max(events, key=lambda e: len(e["domains"]))
    assert many["said"] == ["SPF: ~all became -all."]
    text = response.content.decode()
    assert "and 2 more" in text and "Fine &lt;b&gt;now&lt;/b&gt;." in text
    week = viewer.get(f"{URL}?days=7").context["events"]
    assert sum(len(e["domains"]) for e in week) == 12


def test_changes_that_differ_say_what_they_have_in_common(viewer, fleet):
    for domain, host in zip(fleet, ("a.test", "b.test"), strict=False):
        before, after = {"record": ["v=spf1 ~all"]}, {"record": [f"v=spf1 include:{host} -all"]}
        change(domain, ago=moment_of(2), evidence_before=before, evidence_after=after)
    (event,) = viewer.get(URL).context["events"]
    assert event["said"] == ["SPF: ~all became -all."]


def test_it_is_paged_and_filtered(viewer, fleet, monkeypatch):
    real = last_day.events
    monkeypatch.setattr(last_day, "events", lambda **of: real(**of, limit=4))
    for n, domain in enumerate(fleet):
        change(domain, ago=timedelta(minutes=10 + n))
    seen, cursor = [], ""
    while cursor is not None:
        response = viewer.get(URL, {"cursor": cursor})
        seen += [c.domain.domain for e in response.context["events"] for c in e["domains"]]
        cursor = response.context["next_cursor"]
    assert len(seen) == len(set(seen)) == 10 and "incidents" not in response.context
    only = viewer.get(URL, {"tenant": fleet[9].tenant_id}).context["events"]
    assert [e["tenant"] for e in only] == ["X"]


@pytest.mark.parametrize(
    "query",
    ["days=0", "days=999", "days=x", "tenant=-1", "tenant=99999999999999999999", "cursor=x"],
)
def test_a_query_that_is_none_is_read_with_patience(viewer, fleet, query):
    """Case 239."""
    change(fleet[0])
    response = viewer.get(f"{URL}?{query}")
    assert response.status_code == 200 and response.context["days"] == 1


def test_incidents_that_opened_or_closed_are_told_with_how_long_they_lasted(viewer, fleet):
    incident(opened=timedelta(days=3), closed=2 * HOUR, tenant=fleet[0].tenant)
    incident(opened=HOUR)
    incident(opened=timedelta(days=3))
    incident(opened=timedelta(days=3), closed=timedelta(days=2))
    response = viewer.get(URL)
    assert [f"{i.words}." for i in response.context["incidents"]] == ["Incident 1.", "Incident 0."]
    assert "after 3 days" in response.content.decode()


def test_the_time_to_fix_is_told_by_who_had_to_act(viewer, fleet):
    for hours in (1, 3, 20):
        incident(opened=(hours + 1) * HOUR, closed=HOUR)
    incident(opened=30 * HOUR, closed=2 * HOUR, owner="customer")
    incident(opened=30 * HOUR, closed=2 * HOUR, owner="measurement")
    incident(opened=90 * HOUR, closed=50 * HOUR, owner="customer")
    cures = viewer.get(URL).context["cures"]
    assert [(c["owner"], c["n"]) for c in cures] == [("host", 3), ("customer", 1)]
    assert [round(c["median"] / 3600) for c in cures] == [3, 28]
    assert [round(c["worst"] / 3600) for c in cures] == [20, 28]


def test_what_goes_on_in_another_incident_was_not_mended(viewer, fleet):
    shared = incident(opened=3 * HOUR, kind="address")
    for _merged in range(3):
        incident(opened=3 * HOUR, closed=2 * HOUR, merged_into=shared)
    context = viewer.get(URL).context
    assert context["cures"] == [] and context["incidents"] == [shared]
    assert [number for _day, number in last_day.open_by_day()][-1] == 1


def test_of_a_tenant_what_it_shares_counts_as_it_is_listed(viewer, fleet):
    shared = [incident(opened=5 * HOUR, kind="address", closed=end) for end in (None, HOUR)]
    for row in shared:
        for domain in (fleet[0], fleet[9]):
            IncidentDomain.objects.create(
                incident=row, domain=domain, since=row.opened_at, left_at=row.closed_at
            )
    strange = make.make_tenant("VM9")
    found = {}
    for tenant in (fleet[0].tenant, fleet[9].tenant, strange):
        context = viewer.get(URL, {"tenant": tenant.pk}).context
        found[tenant.name] = len(context["incidents"]), context["health"].get("now")
        assert [c["n"] for c in context["cures"]] == ([] if tenant == strange else [1])
    assert found == {"VM112": (2, 1), "X": (2, 1), "VM9": (0, None)}


def test_while_there_are_no_incidents_changes_tell_the_time_to_fix(viewer, fleet):
    domain = fleet[0]
    for check_id, hours in (("dns_mx", 10), ("carbonio", 6)):
        change(domain, check_id, "", "ok", ago=99 * HOUR)
        change(domain, check_id, "ok", "warn", ago=hours * HOUR)
        change(domain, check_id, "warn", "fail", ago=4 * HOUR)
        change(domain, check_id, "fail", "ok", ago=2 * HOUR)
    cures = viewer.get(URL).context["cures"]
    assert [(c["owner"], round(c["worst"] / 3600)) for c in cures] == [("host", 4), ("customer", 8)]


def test_open_incidents_are_counted_back_day_by_day(fleet):
    day = timedelta(days=1)
    incident(opened=100 * day)
    incident(opened=5 * day, closed=2 * day)
    incident(opened=1 * day, closed=timedelta(minutes=1), tenant=fleet[0].tenant)
    found = last_day.open_by_day()
    assert len(found) == last_day.HEALTH_DAYS
    ends = Incident.objects.values_list("opened_at", "closed_at")
    for end, number in found:
        open_then = [o < end and (c is None or c >= end) for o, c in ends]
        assert number == sum(open_then), end
    assert last_day.open_by_day(tenant=fleet[9].tenant_id) == []
    assert max(n for _end, n in last_day.open_by_day(tenant=fleet[0].tenant_id)) == 1


def test_the_plot_says_its_numbers(viewer, fleet):
    incident(opened=timedelta(days=5))
    text = viewer.get(URL).content.decode()
    assert "In 30 days: 1 open now, 1 at most" in text and "style=" not in text


def test_an_empty_installation_has_a_page(viewer):
    text = viewer.get(URL).content.decode()
    assert "No check changed in this time." in text and "Nothing was mended" in text


@pytest.mark.parametrize("tenant", ["", 1])
@pytest.mark.parametrize("known", [True, False])
def test_it_costs_the_same_whatever_the_history(viewer, fleet, tenant, known):
    """Case 239."""
    change(fleet[0], was="fail", now="ok")
    if known:
        incident(opened=HOUR, tenant=fleet[0].tenant)
    address = f"{URL}?tenant={tenant}"
    with CaptureQueriesContext(connection) as captured:
        viewer.get(address)
    assert len(captured) <= 16
    for sql, plan in plans_of(lambda: viewer.get(address)):
        assert not whole_tables(plan), (sql, plan)
        assert "SCAN audit_incidents" not in plan, (sql, plan)
        if 'ORDER BY "audit_transitions"."at"' in sql and "OUTER" not in sql:
            assert not sorts(plan), (sql, plan)


def test_it_is_for_those_who_may_see_domains(client):
    assert client.get(URL).status_code == 302
    client.force_login(make.make_user(staff=False))
    assert client.get(URL).status_code == 403


def server_change(tenant, *, was="ok", ago=HOUR, **fields):
    return ServerTransition.objects.create(
        tenant=tenant,
        check_id="server_ptr",
        from_status=was,
        to_status="fail",
        at=timezone.now() - ago,
        message="No <b>name</b>.",
        **fields,
    )


def test_changes_of_servers_stand_on_the_first_page(viewer, fleet, django_assert_max_num_queries):
    tenant, other = fleet[0].tenant, fleet[9].tenant
    server_change(tenant)
    server_change(other, ago=2 * HOUR)
    server_change(tenant, was="")  # a first answer
    server_change(tenant, ago=30 * HOUR)
    html = viewer.get(URL).content.decode()
    assert html.count("No &lt;b&gt;name&lt;/b&gt;.") == 2 and "Reverse DNS" in html
    assert html.index(">VM112</a>") < html.index(">X</a>"), "the newest first"
    assert f'href="/tenants/{tenant.pk}/"' in html
    assert len(viewer.get(f"{URL}?days=7").context["servers"]) == 3
    assert [c.tenant for c in viewer.get(URL, {"tenant": other.pk}).context["servers"]] == [other]
    with django_assert_max_num_queries(1):
        since = timezone.now() - 24 * HOUR
        assert [c.title for c in last_day.server_changes(since=since)] == ["Reverse DNS"] * 2


def test_without_a_change_of_a_server_there_is_no_heading_for_it(viewer, fleet):
    assert 'id="servers-title"' not in viewer.get(URL).content.decode()
