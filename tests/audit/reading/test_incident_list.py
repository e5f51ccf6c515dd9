"""Who sees which incidents, and with which numbers: by the API and in the administration."""

import pytest
from django.urls import reverse

from audit.models import Incident, Waiver
from audit.reading.incident_list import listed, only_of
from tests.audit import factories as make
from tests.audit.troubles import audit, fault, settled

pytestmark = pytest.mark.django_db
REFUSED = fault("webmail_refused", owner="host", addresses=["192.0.2.80"], message="b1.pt: down.")
MX = fault("mx_missing")


def twice(domain, **faults):
    for _confirmed in range(2):
        audit(domain, **faults)


@pytest.fixture
def world():
    """Two tenants share an address that is down, 2 domains of A and 3 of B; each has its own
    trouble beside it, and B one that is over."""
    a, b = make.make_tenant("A"), make.make_tenant("B")
    domains = {name: settled(f"{name}.pt", t) for t in (a, b) for name in _names(t)}
    for domain in domains.values():
        twice(domain, webmail_http=REFUSED)
    twice(domains["a0"], webmail_http=REFUSED, dns_mx=MX)
    twice(domains["b0"], webmail_http=REFUSED, dns_spf=fault("spf_missing"))
    twice(domains["b0"], webmail_http=REFUSED)
    twice(domains["b1"])
    return a, b


def _names(tenant):
    return [f"{tenant.name.lower()}{n}" for n in range(2 if tenant.name == "A" else 3)]


def of(rows):
    return {(i.kind, i.check_id, i.domains_now) for i in rows}


def test_without_a_tenant_all_are_listed(world):
    assert of(listed()) == {("address", "webmail_http", 4), ("check", "dns_mx", 1)}
    assert of(listed("closed")) >= {("check", "dns_spf", 0)}
    assert listed("all").count() == listed().count() + listed("closed").count()


def test_a_tenant_has_its_own_and_those_that_touch_it(world):
    a, b = world
    assert of(listed(tenant=a.pk)) == {("address", "webmail_http", 4), ("check", "dns_mx", 1)}
    assert of(listed(tenant=b.pk)) == {("address", "webmail_http", 4)}
    assert not listed("all", tenant=make.make_tenant("C").pk).exists()


def test_of_what_it_shares_it_learns_the_numbers_of_its_own_domains(world):
    a, b = world
    for tenant, now, most in ((a, 2, 2), (b, 2, 3)):
        rows = list(listed(tenant=tenant.pk))
        only_of(tenant, rows)
        (shared,) = [i for i in rows if i.kind == "address"]
        assert (shared.domains_now, shared.domains_most, shared.message) == (now, most, "")


def ask(client, secret, **query):
    answer = client.get("/api/v1/audit/incidents", query, headers=make.bearer(secret))
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_the_api_lists_them_newest_first_in_pages(client, world):
    secret = make.make_token("read")
    whole = ask(client, secret, state="all")
    opened = [i["opened_at"] for i in whole["incidents"]]
    assert opened == sorted(opened, reverse=True) and whole["next_cursor"] is None
    first = ask(client, secret, state="all", limit=1)
    rest = ask(client, secret, state="all", limit=200, cursor=first["next_cursor"])
    assert [i["id"] for i in first["incidents"] + rest["incidents"]] == [
        i["id"] for i in whole["incidents"]
    ]
    shared = next(i for i in whole["incidents"] if i["kind"] == "address")
    assert shared["state"] == "open" and shared["tenant_id"] is None
    assert (shared["domains_now"], shared["domains_most"]) == (4, 5)
    assert (shared["subject"], shared["code"]) == ("192.0.2.80", "webmail_refused")
    merged = [i for i in whole["incidents"] if i["merged_into"]]
    assert {i["merged_into"] for i in merged} == {shared["id"]}


def test_the_token_of_one_tenant_sees_only_what_touches_it(client, world):
    """Case 225: what several tenants share tells one of them nothing of the others."""
    a, b = world
    secret = make.make_token("read", tenant=b)
    found = ask(client, secret)["incidents"]
    assert [(i["kind"], i["domains_now"], i["domains_most"]) for i in found] == [("address", 2, 3)]
    assert found[0]["message"] == ""
    assert (
        b"a0.pt"
        not in client.get("/api/v1/audit/incidents?state=all", headers=make.bearer(secret)).content
    )
    other = client.get(f"/api/v1/audit/incidents?tenant={a.pk}", headers=make.bearer(secret))
    assert other.status_code == 404


@pytest.mark.parametrize("query", ["state=gone", "tenant=0", "tenant=x", "cursor=x", "limit=0"])
def test_what_cannot_be_asked_is_said(client, world, query):
    secret = make.make_token("read")
    answer = client.get(f"/api/v1/audit/incidents?{query}", headers=make.bearer(secret))
    assert answer.status_code == 422


def test_the_queries_are_few_and_do_not_grow(client, world, django_assert_max_num_queries):
    secret = make.make_token("read", tenant=world[1])
    with django_assert_max_num_queries(6):
        ask(client, secret, state="all")


@pytest.mark.parametrize("model", [Incident, Waiver])
def test_the_administration_shows_them_and_changes_nothing(client, world, model):
    client.force_login(make.make_admin())
    domain = Incident.objects.get(kind="check", closed_at=None).members.get().domain
    Waiver.objects.create(domain=domain, check_id="dns_mx", reason="moves in March", by="ana")
    name = model._meta.model_name
    page = client.get(reverse(f"admin:audit_{name}_changelist"))
    assert (page.status_code == 200 and b"dns_mx" in page.content) or b"mx_missing" in page.content
    for row in model.objects.all():
        shown = client.get(reverse(f"admin:audit_{name}_change", args=[row.pk]))
        assert shown.status_code == 200 and b'name="_save"' not in shown.content
    assert client.get(reverse(f"admin:audit_{name}_add")).status_code == 403
    address = reverse(f"admin:audit_{name}_delete", args=[model.objects.first().pk])
    assert client.post(address, {"post": "yes"}).status_code == 403
