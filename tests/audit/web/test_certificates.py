"""The page of all certificates."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditDomain
from audit.results import store
from tests.audit import factories as make
from tests.audit.test_query_plans import plans_of, sorts, whole_tables
from tests.audit.web.test_export import sheet

pytestmark = pytest.mark.django_db
URL = "/certificates/"


def certificate(days, print_="aa", issuer="C=US, O=Let's Encrypt, CN=R12", names=("a.pt",)):
    now = timezone.now()
    return {
        "certificate": {
            "sha256": print_,
            "issuer": issuer,
            "names": list(names),
            "not_before": (now - timedelta(days=60)).isoformat(),
            "not_after": (now + timedelta(days=days)).isoformat(),
        }
    }


def domain_with(name, evidence, status="ok", tenant=None):
    domain = make.make_domain(name, tenant)
    found = make.make_result("cert_le", status, evidence=evidence, message="It is <b>so</b>.")
    assert store.record(domain, {"cert_le": found}, begun_at=timezone.now())
    return domain


@pytest.fixture
def viewer(client):
    client.force_login(make.make_viewer())
    return client


@pytest.fixture
def fleet():
    tenant, other = make.make_tenant("VM112"), make.make_tenant("VM115")
    served = {"address": "203.0.113.80"}
    domain_with("expired.pt", {"served": certificate(-3) | served}, "fail", tenant)
    domain_with("soon.pt", {"served": certificate(3.5, "bb"), "portal": certificate(60)})
    domain_with("later.pt", {"portal": certificate(15)}, tenant=other)
    nodes = {
        "203.0.113.80": {"sha256": "cc", "not_after": "x"},
        "203.0.113.81": {"sha256": "dd"},
        "203.0.113.82": {"error": "refused"},
    }
    both = certificate(70, "cc", names=["*.shared.pt", "a", "b", "c", "d"])
    domain_with("shared1.pt", {"served": both | served, "portal": both, "nodes": nodes})
    domain_with("shared2.pt", {"served": both | served, "portal": {"http_status": 404}})
    make.make_domain("never.pt", tenant)


def names(response):
    return [row["domain"] for row in response.context["rows"]]


def test_those_that_end_first_stand_first(viewer, fleet):
    response = viewer.get(URL)
    assert names(response) == ["expired.pt", "soon.pt", "later.pt", "shared1.pt", "shared2.pt"]
    rows = {row["domain"]: row for row in response.context["rows"]}
    assert [row["days"] for row in rows.values()] == [-4, 3, 14, 69, 69]
    assert [row["configured"] for row in rows.values()] == ["", "other", "", "same", "none"]
    assert [row["shared"] for row in rows.values()] == [1, 1, 0, 2, 2]
    assert rows["shared1.pt"]["served"] == [
        {"address": "203.0.113.81", "same": False},
        {"address": "203.0.113.82", "same": None},
        {"address": "203.0.113.80", "same": True},
    ]
    text = response.content.decode()
    for words in (
        "It is &lt;b&gt;so&lt;/b&gt;.",
        "another one is configured",
        "none is configured",
        "Let&#x27;s Encrypt R12",
        "served for 2 domains",
        "and 2 more",
    ):
        assert words in text, words


def test_all_names_of_a_certificate_are_counted_also_those_that_are_not_kept(viewer):
    many = certificate(60, names=[f"n{n}.pt" for n in range(50)])
    many["certificate"]["names_in_all"] = 300
    domain_with("many.pt", {"served": many})
    odd = certificate(70)
    odd["certificate"] |= {"names": 7, "names_in_all": "x"}
    domain_with("odd.pt", {"served": odd})
    response = viewer.get(URL)
    assert [row["more_names"] for row in response.context["rows"]] == [297, 0]
    assert "and 297 more" in response.content.decode()


@pytest.mark.parametrize(
    "query, found",
    [
        ("state=expired", ["expired.pt"]),
        ("state=7", ["soon.pt"]),
        ("state=21", ["soon.pt", "later.pt"]),
        ("state=fine", ["shared1.pt", "shared2.pt"]),
        ("state=unknown", ["never.pt"]),
        ("state=risk", ["expired.pt"]),
        ("state=overdue", []),
        ("state=nonsense", ["expired.pt", "soon.pt", "later.pt", "shared1.pt", "shared2.pt"]),
        ("tenant=x&cursor=%00", ["expired.pt", "soon.pt", "later.pt", "shared1.pt", "shared2.pt"]),
        ("tenant=99999999999999999999", None),
        ("tenant=9223372036854775807", []),
    ],
)
def test_it_is_filtered_with_patience(viewer, fleet, query, found):
    response = viewer.get(f"{URL}?{query}")
    assert response.status_code == 200
    assert found is None or names(response) == found


def test_overdue_is_what_the_check_found(viewer):
    domain = domain_with("late.pt", {"served": certificate(11)}, "warn")
    domain.seen.filter(kind="finding").update(value="cert_renewal_overdue")
    assert names(viewer.get(f"{URL}?state=overdue")) == ["late.pt"]


def test_it_is_paged_there_and_back_with_its_filter(viewer, fleet, monkeypatch):
    monkeypatch.setattr("audit.web.certificates.PAGE", 2)
    first = viewer.get(URL)
    second = viewer.get(f"{URL}?cursor={first.context['next_cursor']}")
    assert names(first) == ["expired.pt", "soon.pt"]
    assert names(second) == ["later.pt", "shared1.pt"]
    back = viewer.get(f"{URL}?cursor={second.context['previous_cursor']}")
    assert names(back) == names(first) and back.context["previous_cursor"] is None
    tenant = AuditDomain.objects.get(domain="expired.pt").tenant_id
    response = viewer.get(f"{URL}?tenant={tenant}&state=")
    assert f"?tenant={tenant}&amp;cursor=" in response.content.decode()


def test_dates_of_another_world_can_be_shown(viewer, settings):
    """Case 235: in every time zone."""
    far = certificate(1)
    far["certificate"] |= {
        "not_before": "0001-01-01T00:00:00+00:00",
        "not_after": "9999-12-31T23:59:59+00:00",
        "names": [None, "x" * 999, "\u202e"],
        "issuer": "C",
    }
    domain_with("far.pt", {"served": far, "nodes": "cut…", "portal": ["no"]})
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        settings.TIME_ZONE = zone
        with timezone.override(zone):
            response = viewer.get(URL)
            assert response.status_code == 200 and "\u202e" not in response.content.decode()


def test_it_is_for_those_who_may_see_domains(client):
    assert client.get(URL).status_code == 302
    client.force_login(make.make_user(staff=False))
    assert client.get(URL).status_code == 403


@pytest.mark.parametrize("state", ["", "expired", "21", "fine", "unknown", "risk", "overdue"])
@pytest.mark.parametrize("tenant", ["", 1])
def test_it_costs_the_same_whatever_the_fleet(viewer, fleet, state, tenant, monkeypatch):
    monkeypatch.setattr("audit.reading.search.FEW", -1)
    address = f"{URL}?state={state}&tenant={tenant}"
    with CaptureQueriesContext(connection) as captured:
        viewer.get(address)
    assert len(captured) <= 12
    for sql, plan in plans_of(lambda: viewer.get(address)):
        assert not whole_tables(plan), (sql, plan)
        if 'FROM "audit_domains"' in sql and "ORDER BY" in sql:
            assert not sorts(plan), (sql, plan)


def test_without_a_portal_nothing_is_missed_beside_what_is_served(viewer):
    tenant = make.make_tenant(without_portal=True)
    domain_with("a.pt", {"served": certificate(60), "portal": {"absent": True}}, tenant=tenant)
    html = viewer.get(URL).content.decode()
    assert "as it is served; this server has no portal, on purpose" in html
    assert "what is configured is not known" not in html


def test_the_sheet_has_all_that_is_filtered_in_the_order_of_the_page(viewer, fleet, monkeypatch):
    monkeypatch.setattr("audit.web.certificates.CHUNK", 2)
    heading, *rows = sheet(viewer.get(f"{URL}export/"))
    assert heading[:3] == ["Domain", "Tenant", "Days left"]
    assert [(row[0], row[2]) for row in rows] == [
        ("expired.pt", "-4"),
        ("soon.pt", "3"),
        ("later.pt", "14"),
        ("shared1.pt", "69"),
        ("shared2.pt", "69"),
    ]
    by_name = {row[0]: row for row in rows}
    assert by_name["expired.pt"][8] == "It is <b>so</b>."
    assert by_name["soon.pt"][6] == "another one is configured"
    assert by_name["shared1.pt"][5].endswith("+2") and "203.0.113.81" in by_name["shared1.pt"][7]
    assert [row[0] for row in sheet(viewer.get(f"{URL}export/?state=7"))[1:]] == ["soon.pt"]
    page = viewer.get(f"{URL}?state=7").content.decode()
    assert f'href="{URL}export/?state=7"' in page
    assert len(sheet(viewer.get(f"{URL}export/?state=nonsense&tenant=x"))) == 6


def test_no_cell_of_the_sheet_is_a_formula_and_strangers_get_none(viewer, client):
    """Case 232."""
    domain_with(
        "a.pt", {"served": certificate(9, issuer="O==cmd()")}, tenant=make.make_tenant("=1")
    )
    row = sheet(viewer.get(f"{URL}export/"))[1]
    assert row[1] == "'=1" and not any(cell.startswith("=") for cell in row)
    client.logout()
    assert client.get(f"{URL}export/")["Location"].startswith("/login/")
