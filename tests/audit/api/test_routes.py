"""The answers of the API: their shapes, to the letter, and what each endpoint does."""

import json
from datetime import timedelta

import jsonschema_rs
import pytest
from django.utils import timezone, translation

from audit.models import AuditCheck, AuditDomain, AuditRun, CheckTransition
from audit.reading.filters import FILTERS
from audit.results.translate import translate
from collectors.registry import CHECKS, core_checks
from collectors.text import _
from ligbox.api import api
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
BASE = "/api/v1/audit"


def assert_documented(name, data):
    """An answer has the shape that the OpenAPI document gives it."""
    components = api.get_openapi_schema()["components"]
    schema = {"$ref": f"#/components/schemas/{name}", "components": components}
    jsonschema_rs.validator_for(schema).validate(data)


@pytest.fixture
def tenant():
    return make.make_tenant()


@pytest.fixture
def call(client):
    """call(method, path, body) as a script that may do everything; answers beyond 500 fail."""
    headers = make.bearer(make.make_token("run"))

    def call(method, path, body=None, **extra):
        data = (
            {"data": json.dumps(body), "content_type": "application/json"}
            if body is not None
            else {}
        )
        return getattr(client, method)(BASE + path, headers={**headers, **extra}, **data)

    return call


# -- overview


def test_the_overview_has_the_documented_shape(call, tenant):
    make.make_domain("cliente.pt", tenant, checks={"dns_spf": "fail", "dns_mx": "unknown"})
    data = call("get", "/overview").json()
    assert_documented("Overview", data)
    assert set(data) == {
        "generated_at",
        "interval_seconds",
        "worker",
        "summary",
        "groups",
        "tenants",
        "cards",
        "next_cursor",
    }
    assert {"alive", "last_seen", "queued"} <= set(data["worker"])
    assert set(data["summary"]) == {"domains", "healthy", "warning", "critical", "unknown", "stale"}
    assert set(data["tenants"][0]) == {"id", "name", *data["summary"]}
    card = data["cards"][0]
    assert (card["tenant_id"], card["tenant"], card["domain"]) == (tenant.pk, "VM112", "cliente.pt")
    assert (card["score"], card["max_score"], card["status"], card["stale"]) == (
        6,
        8,
        "critical",
        False,
    )
    assert card["failing"] == ["dns_mx", "dns_spf"] and list(card["checks"]) == core_checks()
    assert card["last_audit"].endswith("Z") and data["generated_at"].endswith("Z")
    assert "id" not in card and "enabled" not in card
    assert set(data["groups"]) == {*FILTERS["group"].values, "covered"}
    reason = card["reason"]
    assert (reason["check_id"], reason["owner"]) == ("dns_spf", "customer")


def test_the_overview_is_paged_by_a_cursor(call, tenant):
    make.make_domains(5, tenant)
    seen, query = [], ""
    for _page in range(3):
        data = call("get", f"/overview?sort=domain&limit=2{query}").json()
        seen += [c["domain"] for c in data["cards"]]
        query = f"&cursor={data['next_cursor']}"
    assert data["next_cursor"] is None and seen == [f"firma{n:06d}.pt" for n in range(5)]


def test_the_api_has_every_filter_of_the_page(call, tenant):
    """One table: what the page's form offers, the API takes, and answers with the same domains."""
    make.make_domain("typed.pt", tenant, source="manual", checks={"dns_mx": "fail"})
    make.make_domain("listed.pt", tenant, source="import", checks={})
    parameters = api.get_openapi_schema()["paths"][f"{BASE}/overview"]["get"]["parameters"]
    assert {p["name"] for p in parameters} == {*FILTERS, "limit", "cursor"}
    (source,) = [p for p in parameters if p["name"] == "source"]
    assert source["schema"]["enum"] == ["onboarding", "manual", "import", "api"]
    for query in (
        "source=import",
        "status=healthy",
        "q=listed",
        f"tenant={tenant.pk}&source=import",
    ):
        assert [c["domain"] for c in call("get", f"/overview?{query}").json()["cards"]] == [
            "listed.pt"
        ], query
    answer = call("get", "/overview?source=import&check=dns_mx")
    assert answer.json()["cards"] == []
    assert call("get", "/overview?source=elsewhere").status_code == 422


def test_there_is_no_way_to_write_results(call, tenant):
    """Cases 131, 132."""
    domain = make.make_domain("cliente.pt", tenant, checks={"dns_spf": "fail"})
    for method in ("put", "patch", "post", "delete"):
        assert (
            call(
                method, f"/tenants/{tenant.pk}/scorecard?domain=cliente.pt", {"status": "ok"}
            ).status_code
            == 405
        )
        assert call(method, f"/tenants/{tenant.pk}/history", {}).status_code == 405
    assert (
        call(
            "patch", f"/tenants/{tenant.pk}/domains/cliente.pt", {"tenant": 2, "status": "ok"}
        ).status_code
        == 405
    )
    body = {
        "domain": "nova.pt",
        "tenant": 99,
        "status": "healthy",
        "score": 8,
        "source": "manual",
        "enabled": False,
    }
    assert call("post", f"/tenants/{tenant.pk}/domains", body).status_code == 201
    new = AuditDomain.objects.get(domain="nova.pt")
    assert (new.tenant, new.status, new.score, new.source, new.enabled) == (
        tenant,
        "unknown",
        0,
        "api",
        True,
    )
    assert AuditCheck.objects.get(domain=domain, check_id="dns_spf").status == "fail"


# -- scorecard


def test_the_scorecard_has_the_documented_shape(call, tenant):
    make.make_domain("cliente.pt", tenant, checks={"dns_spf": "fail"})
    data = call("get", f"/tenants/{tenant.pk}/scorecard?domain=cliente.pt").json()
    assert_documented("Scorecard", data)
    assert data["tenant"] == {"id": tenant.pk, "name": "VM112"} and data["domain"] == "cliente.pt"
    assert (data["score"], data["max_score"], data["status"], data["stale"]) == (
        7,
        8,
        "critical",
        False,
    )
    assert [c["check_id"] for c in data["checks"]] == core_checks()
    assert [c["check_id"] for c in data["advisory"]] == [
        c for c in CHECKS if c not in core_checks()
    ]
    check = data["checks"][4]
    assert set(check) == {
        "check_id",
        "title",
        "status",
        "message",
        "findings",
        "evidence",
        "checked_at",
        "since",
        "last_ok_at",
        "last_conclusive",
        "duration_ms",
    }
    (finding,) = check["findings"]
    assert set(finding) == {"code", "severity", "message", "owner", "fix", "because"}
    assert finding["fix"]["records"] == [
        {
            "type": "TXT",
            "name": "cliente.pt",
            "value": "v=spf1 -all",
            "action": "add",
            "current": None,
        }
    ]
    assert set(check["last_conclusive"]) == {"status", "at"}
    assert "last_error" not in data and "message_source" not in str(data)


def test_unknown_keeps_the_last_conclusive_answer(call, tenant):
    domain = make.make_domain("cliente.pt", tenant, checks={"dns_mx": "warn"})
    make.audit(domain, at=timezone.now() + timedelta(seconds=5), dns_mx="unknown")
    check = call("get", f"/tenants/{tenant.pk}/scorecard").json()["checks"][3]
    assert check["status"] == "unknown" and check["last_conclusive"]["status"] == "warn"
    assert check["last_conclusive"]["at"] < check["checked_at"]


def test_the_domain_may_be_left_out_where_there_is_exactly_one(call, tenant):
    none = call("get", f"/tenants/{tenant.pk}/scorecard")
    assert none.status_code == 422 and "no domain" in none.json()["detail"]
    make.make_domain("um.pt", tenant)
    assert call("get", f"/tenants/{tenant.pk}/scorecard").json()["domain"] == "um.pt"
    make.make_domain("dois.pt", tenant)
    two = call("get", f"/tenants/{tenant.pk}/scorecard")
    assert two.status_code == 422 and "more than one" in two.json()["detail"]
    assert two.json()["errors"][0]["in"] == "query" and two.json()["errors"][0]["name"] == "domain"


def test_a_domain_that_was_never_audited_has_eight_unknowns(call, tenant):
    make.make_domain("nova.pt", tenant)
    data = call("get", f"/tenants/{tenant.pk}/scorecard").json()
    assert_documented("Scorecard", data)
    assert (
        data["status"] == "unknown"
        and {c["status"] for c in data["checks"]} == {"unknown"}
        and data["last_audit"] is None
    )


def test_a_domain_is_found_with_its_accents_and_as_a_label(call, tenant):
    make.make_domain("café.pt", tenant)
    for name in ("café.pt", "CAFÉ.PT.", "xn--caf-dma.pt", "caf%C3%A9.pt"):
        data = call("get", f"/tenants/{tenant.pk}/scorecard?domain={name}").json()
        assert (data["domain"], data["unicode"]) == ("xn--caf-dma.pt", "café.pt")


def test_evidence_with_numbers_beyond_64_bits_is_answered(call, tenant):
    domain = make.make_domain("cliente.pt", tenant, checks={})
    AuditCheck.objects.filter(domain=domain, check_id="cert_le").update(
        evidence={"modulus": 2**2000}
    )
    data = call("get", f"/tenants/{tenant.pk}/scorecard").json()
    assert data["checks"][2]["evidence"]["modulus"] == 2**2000 and data["last_audit"].endswith("Z")


def test_messages_are_in_the_language_that_is_asked_for(call, tenant):
    answer = call("get", f"/tenants/{tenant.pk}/scorecard", **{"Accept-Language": "pt"})
    assert answer["Content-Language"] == "pt"


# -- runs


def test_numbers_have_the_decimal_sign_of_the_language(call, tenant):
    source = _("The portal did not answer within {seconds} s.", seconds=0.31).source()
    with translation.override("pt"):
        assert translate(source) == "O portal não respondeu em 0,31 s."
    with translation.override("en"):
        assert translate(source) == "The portal did not answer within 0.31 s."


def test_a_run_of_one_domain_is_queued_and_followed(call, tenant):
    domain = make.make_domain("cliente.pt", tenant)
    make.make_domain("outro.pt", tenant)
    answer = call("post", f"/run/{tenant.pk}?domain=cliente.pt")
    data = answer.json()
    assert answer.status_code == 202 and answer["Location"] == data["status_url"]
    assert_documented("RunAccepted", data)
    assert data == {
        "run_id": data["run_id"],
        "status": "queued",
        "domains": 1,
        "already_queued": False,
        "status_url": data["status_url"],
    }
    status = call("get", data["status_url"].removeprefix(BASE)).json()
    assert_documented("Run", status)
    assert status == {
        "run_id": data["run_id"],
        "status": "queued",
        "domains": 1,
        "done": 0,
        "failed": 0,
        "started_at": None,
        "finished_at": None,
    }
    domain.refresh_from_db()
    assert domain.requested_at and domain.next_audit_at <= timezone.now()
    make.audit(domain)
    status = call("get", data["status_url"].removeprefix(BASE)).json()
    assert (status["status"], status["done"]) == ("done", 1) and status["finished_at"].endswith("Z")
    assert AuditRun.objects.get().requested_by.startswith("script")


def test_asked_again_while_it_waits_it_is_the_same_run(call, tenant, settings):
    """Case 135."""
    settings.AUDIT_RUNS_PER_MINUTE = 1000
    make.make_domains(3, tenant)
    first = call("post", f"/run/{tenant.pk}").json()
    assert (first["domains"], first["already_queued"]) == (3, False)
    again = [call("post", f"/run/{tenant.pk}").json() for _n in range(20)]
    assert {(a["run_id"], a["already_queued"]) for a in again} == {(first["run_id"], True)}
    assert AuditRun.objects.count() == 1
    one = call("post", f"/run/{tenant.pk}?domain=firma000001.pt").json()
    assert one["run_id"] != first["run_id"]


def test_runs_are_limited_for_each_caller(call, client, tenant, settings):
    settings.AUDIT_RUNS_PER_MINUTE = 3
    make.make_domain("cliente.pt", tenant)
    for n in range(3):
        assert (
            call("post", f"/run/{tenant.pk}", **{"X-Forwarded-For": f"198.51.100.{n}"}).status_code
            == 202
        )
    answer = call("post", f"/run/{tenant.pk}", **{"X-Forwarded-For": "203.0.113.1"})
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 60
    assert (
        client.post(
            f"{BASE}/run/{tenant.pk}", headers=make.bearer(make.make_token("run"))
        ).status_code
        == 202
    )  # another caller
    assert call("get", "/overview").status_code == 200  # reading goes on


def test_what_is_disabled_is_not_run(call, tenant):
    make.make_domain("off.pt", tenant, enabled=False)
    assert call("post", f"/run/{tenant.pk}?domain=off.pt").status_code == 409
    answer = call("post", f"/run/{tenant.pk}")
    assert answer.status_code == 409 and "enabled" in answer.json()["detail"]
    make.make_domain("on.pt", tenant)
    assert call("post", f"/run/{tenant.pk}").json()["domains"] == 1
    tenant.enabled = False
    tenant.save()
    assert call("post", f"/run/{tenant.pk}").status_code == 409


def test_an_empty_domain_does_not_mean_all(call, tenant):
    make.make_domain("cliente.pt", tenant)
    assert call("post", f"/run/{tenant.pk}?domain=").status_code == 422
    assert not AuditRun.objects.exists()


def test_the_bell_rings_after_the_commit(
    call, tenant, django_capture_on_commit_callbacks, monkeypatch
):
    rung = []
    monkeypatch.setattr("django_q.tasks.async_task", rung.append)
    make.make_domain("cliente.pt", tenant)
    with django_capture_on_commit_callbacks(execute=True):
        call("post", f"/run/{tenant.pk}")
        assert rung == []
    assert rung == ["audit.tasks.drain"]


# -- history


def test_history_is_newest_first_and_paged(call, tenant):
    domain = make.make_domain("cliente.pt", tenant, checks={})
    for n, status in enumerate(["fail", "ok", "unknown", "warn"], start=1):
        make.audit(domain, at=timezone.now() + timedelta(minutes=n), dns_mx=status)
    data = call("get", f"/tenants/{tenant.pk}/history?domain=cliente.pt&check_id=dns_mx").json()
    assert_documented("History", data)
    assert [(t["from"], t["to"]) for t in data["transitions"]] == [
        ("ok", "warn"),
        ("fail", "ok"),
        ("ok", "fail"),
        (None, "ok"),
    ]
    assert set(data["transitions"][0]) == {
        "domain",
        "unicode",
        "check_id",
        "from",
        "to",
        "at",
        "message",
        "changes",
        "evidence_before",
        "evidence_after",
    }
    seen, query = [], ""
    while query is not None:
        part = call("get", f"/tenants/{tenant.pk}/history?limit=4{query}").json()
        seen += [t["at"] for t in part["transitions"]]
        query = f"&cursor={part['next_cursor']}" if part["next_cursor"] else None
    assert len(seen) == CheckTransition.objects.count() == 11 and seen == sorted(seen, reverse=True)


def test_history_is_of_this_tenant_alone(call, tenant):
    make.make_domain("cliente.pt", tenant, checks={})
    other = make.make_tenant("VM113")
    assert call("get", f"/tenants/{other.pk}/history").json() == {
        "transitions": [],
        "next_cursor": None,
    }
    assert call("get", f"/tenants/{other.pk}/history?domain=cliente.pt").status_code == 404


# -- domains


def test_no_more_domains_are_registered_than_the_quota(call, tenant):
    """Case 182."""
    type(tenant).objects.update(quota=tenant.domains.count() + 1)
    assert call("post", f"/tenants/{tenant.pk}/domains", {"domain": "a.pt"}).status_code == 201
    answer = call("post", f"/tenants/{tenant.pk}/domains", {"domain": "b.pt"})
    assert answer.status_code == 409 and answer.json()["errors"][0]["code"] == "quota"
    assert call("post", f"/tenants/{tenant.pk}/domains", {"domain": "a.pt"}).status_code == 200


def test_a_domain_is_registered_once_and_audited_at_once(call, tenant):
    answer = call(
        "post", f"/tenants/{tenant.pk}/domains", {"domain": "Café.PT.", "dkim_selectors": ["s2026"]}
    )
    data = answer.json()
    assert answer.status_code == 201
    assert_documented("Domain", data)
    assert (data["domain"], data["unicode"], data["source"], data["dkim_selectors"]) == (
        "xn--caf-dma.pt",
        "café.pt",
        "api",
        ["s2026"],
    )
    row = AuditDomain.objects.get()
    assert row.requested_at and AuditRun.objects.get().scope == "xn--caf-dma.pt"
    assert call("get", answer["Location"].removeprefix(BASE)).json()["domain"] == "xn--caf-dma.pt"
    again = call(
        "post", f"/tenants/{tenant.pk}/domains", {"domain": "café.pt", "dkim_selectors": ["other"]}
    )
    assert again.status_code == 200 and again.json()["dkim_selectors"] == ["s2026"]
    assert AuditDomain.objects.count() == AuditRun.objects.count() == 1


def test_the_same_domain_may_be_on_two_tenants(call, tenant):
    other = make.make_tenant("VM113")
    for one in (tenant, other):
        assert (
            call("post", f"/tenants/{one.pk}/domains", {"domain": "cliente.pt"}).status_code == 201
        )


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({}, "domain"),
        ({"domain": None}, "domain"),
        ({"domain": 5}, "domain"),
        ({"domain": ["a.pt"]}, "domain"),
        ({"domain": ""}, "domain"),
        ({"domain": "localhost"}, "domain"),
        ({"domain": "192.0.2.1"}, "domain"),
        ({"domain": "co.uk"}, "domain"),
        ({"domain": "a b.pt"}, "domain"),
        ({"domain": "../../etc"}, "domain"),
        ({"domain": "x" * 300 + ".pt"}, "domain"),
        ({"domain": "y" * 2000}, "domain"),
        ({"domain": "a.pt", "dkim_selectors": "s1"}, "dkim_selectors"),
        ({"domain": "a.pt", "dkim_selectors": ["../x"]}, "dkim_selectors"),
        ({"domain": "a.pt", "dkim_selectors": [None]}, "dkim_selectors.0"),
        ({"domain": "a.pt", "dkim_selectors": ["s"] * 21}, "dkim_selectors"),
        ([], "body"),
        ("a.pt", "body"),
        (None, "body"),
    ],
)
def test_what_is_not_a_domain_is_422_with_a_sentence(client, tenant, body, name):
    headers = make.bearer(make.make_token("run"))
    answer = client.post(
        f"{BASE}/tenants/{tenant.pk}/domains",
        json.dumps(body),
        content_type="application/json",
        headers=headers,
    )
    assert answer.status_code == 422, answer.content
    assert (
        answer.json()["errors"][0]["in"] == "body"
        and answer.json()["errors"][0]["name"] == name
        and answer.json()["detail"]
    )
    assert not AuditDomain.objects.exists()


def test_the_list_of_domains_holds_the_disabled_ones_and_can_be_searched(call, tenant):
    make.make_domains(3, tenant)
    make.make_domain("off.pt", tenant, enabled=False)
    data = call("get", f"/tenants/{tenant.pk}/domains").json()
    assert_documented("Domains", data)
    assert [d["domain"] for d in data["domains"]] == [
        "firma000000.pt",
        "firma000001.pt",
        "firma000002.pt",
        "off.pt",
    ]
    assert data["domains"][3]["enabled"] is False and data["domains"][3]["next_audit"] is None
    assert [
        d["domain"] for d in call("get", f"/tenants/{tenant.pk}/domains?q=002").json()["domains"]
    ] == ["firma000002.pt"]
    first = call("get", f"/tenants/{tenant.pk}/domains?limit=3").json()
    rest = call("get", f"/tenants/{tenant.pk}/domains?limit=3&cursor={first['next_cursor']}").json()
    assert [d["domain"] for d in rest["domains"]] == ["off.pt"] and rest["next_cursor"] is None


def test_a_removed_domain_takes_its_history_with_it(call, tenant):
    make.make_domain("café.pt", tenant, checks={})
    call("post", f"/run/{tenant.pk}")
    assert call("delete", f"/tenants/{tenant.pk}/domains/café.pt").status_code == 204
    assert (
        not AuditDomain.objects.exists()
        and not CheckTransition.objects.exists()
        and not AuditCheck.objects.exists()
    )
    assert call("delete", f"/tenants/{tenant.pk}/domains/café.pt").status_code == 404
    assert call("delete", f"/tenants/{tenant.pk}/domains/not%20one").status_code == 422


# -- a tenant without a portal, on purpose


def test_without_a_portal_scores_count_to_six_everywhere(call):
    tenant = make.make_tenant("VM9", without_portal=True)
    make.make_domain("a.pt", tenant, checks={"carbonio": "fail"})
    left_out, six = ["carbonio", "nginx_vhost"], core_checks(without_portal=True)
    overview = call("get", "/overview").json()
    assert_documented("Overview", overview)
    card = overview["cards"][0]
    assert (card["score"], card["max_score"], card["status"]) == (6, 6, "healthy")
    assert (card["not_measured_here"], card["failing"]) == (left_out, [])
    assert list(card["checks"]) == six and overview["summary"]["healthy"] == 1
    data = call("get", f"/tenants/{tenant.pk}/scorecard").json()
    assert_documented("Scorecard", data)
    assert (data["score"], data["max_score"], data["not_measured_here"]) == (6, 6, left_out)
    assert [c["check_id"] for c in data["checks"]] == six
    listed = call("get", f"/tenants/{tenant.pk}/domains").json()["domains"][0]
    assert (listed["score"], listed["max_score"]) == (6, 6)
    rows = {r["check_id"]: r for r in call("get", f"/tenants/{tenant.pk}/server").json()["checks"]}
    assert (rows["server_portal"]["status"], rows["server_portal"]["message"]) == (
        "off",
        "This server has no portal, on purpose.",
    )
