"""The list of incidents and the page of one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import IncidentDomain
from tests.audit import factories as make
from tests.audit.reading.test_incidents import make_incident

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client):
    client.force_login(make.make_viewer())
    return client


def test_the_list_has_the_open_ones_unless_others_are_asked_for(viewer):
    tenant = make.make_tenant("VM112")
    make_incident(tenant=tenant)
    key = f"{make.make_domain('joão.pt', tenant).pk}:dns_spf"
    make_incident(kind="check", key=key, check_id="dns_spf", code="spf_missing")
    make_incident(kind="check", key="987654:dns_mx", check_id="dns_mx", code="mx_missing")
    make_incident(kind="mail_host", subject="mx.old.test", closed_at=timezone.now())
    html = viewer.get("/incidents/").content.decode()
    assert "VM112: nginx refuses" in html and "joão.pt · SPF: the record is missing" in html
    assert ">MX: the record is missing<" in html, "its domain is gone"
    assert "mx.old.test" not in html
    assert "mx.old.test" in viewer.get("/incidents/?state=closed").content.decode()
    shared = viewer.get("/incidents/?state=all&shared=1").content.decode()
    assert "mx.old.test" in shared and "joão.pt" not in shared
    other = make.make_tenant("VM2")
    alien = make_incident(kind="address", tenant=None, subject="192.0.2.80")
    html = viewer.get(f"/incidents/?tenant={other.pk}").content.decode()
    assert "VM112: nginx" not in html and "192.0.2.80" not in html
    pages = (f"/incidents/?tenant={other.pk}", f"/last-24-h/?tenant={other.pk}")
    IncidentDomain.objects.create(
        incident=alien,
        domain=make.make_domain("d.pt", other),
        check_id="webmail_http",
        since=timezone.now(),
    )
    for page in (*pages, f"/tenants/{other.pk}/"):
        assert f"/incidents/{alien.pk}/" in viewer.get(page).content.decode(), page


@pytest.mark.parametrize("query", ["state=x&tenant=0", "tenant=99999999999999999999", "cursor=x"])
def test_a_query_that_is_none_is_read_with_patience(viewer, query):
    make_incident()
    assert viewer.get(f"/incidents/?{query}").status_code == 200


def test_it_is_paged(viewer):
    for n in range(60):
        make_incident(kind="mail_host", subject=f"mx{n}.test", hours=n)
    html = viewer.get("/incidents/").content.decode()
    assert "mx0.test" in html and "mx59.test" not in html and 'rel="next"' in html


def test_the_page_says_the_cause_how_it_went_and_which_domains(
    viewer, django_assert_max_num_queries
):
    tenant = make.make_tenant("VM112")
    incident = make_incident(tenant=tenant)
    for n in range(3):
        IncidentDomain.objects.create(
            incident=incident,
            domain=make.make_domain(f"d{n}.pt", tenant),
            check_id="nginx_vhost",
            since=timezone.now() - timedelta(hours=1),
            left_at=timezone.now() if n else None,
        )
    with django_assert_max_num_queries(8):
        html = viewer.get(f"/incidents/{incident.pk}/").content.decode()
    assert all(text in html for text in ("server_proxy_config", "first seen", "d0.pt", "d2.pt"))
    assert f"/?incident={incident.pk}" in html
    listed = viewer.get(f"/?incident={incident.pk}").content.decode()
    assert "d0.pt" in listed and "d1.pt" not in listed, "those that it touches now"


def test_there_is_no_page_of_one_that_is_not_there(viewer):
    for pk in (999, 2**70):
        assert viewer.get(f"/incidents/{pk}/").status_code == 404


@pytest.mark.parametrize(
    "kind, led", [("server", True), ("portal", True), ("address", True), ("name_server", False)]
)
def test_the_strip_leads_to_the_server_card_where_that_may_say_more(viewer, kind, led):
    tenant = make.make_tenant("VM112")
    row = make_incident(kind=kind, tenant=tenant, subject="ns1.dns.pt", domains_now=3)
    make.make_domain("cliente.pt", tenant)
    html = viewer.get("/").content.decode()
    strip = html[html.index(f'id="incident-{row.pk}"') :]
    assert (f'href="/tenants/{tenant.pk}/"' in strip[: strip.index("</li>")]) == led


def test_strangers_see_none(client):
    incident = make_incident()
    for path in ("/incidents/", f"/incidents/{incident.pk}/"):
        assert client.get(path)["Location"].startswith("/login/")
