"""One cause, one finding that counts: what follows from it stands under it, on every face."""

from dataclasses import replace

import pytest
from django.utils import timezone

from audit.reading import causes, scorecard
from audit.reading.customer_report import report_of
from audit.results import store
from collectors.base import Owner
from collectors.registry import core_checks
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


def audited(*results):
    """A domain with these results, and a whole audit of ok ones beside them."""
    domain = make.make_domain("cliente.pt", checks={})
    found = {c: make.make_result(c) for c in core_checks()} | {r.check_id: r for r in results}
    store.record(domain, found, begun_at=timezone.now())
    domain.refresh_from_db()
    return domain


def test_a_cause_names_its_effects_and_each_effect_its_cause():
    domain = audited(
        make.make_result("nginx_vhost", "fail", owner=Owner.HOST),
        make.make_effect("cert_le", "nginx_vhost", owner=Owner.HOST),
        make.make_effect("webmail_http", "nginx_vhost", owner=Owner.HOST),
    )
    found = causes.linked(scorecard.of_domain(domain))
    (cause,), (effect,) = found["nginx_vhost"], found["cert_le"]
    assert cause["cause"] is None and effect["effects"] == []
    assert [e["check_id"] for e in cause["effects"]] == ["cert_le", "webmail_http"]
    assert effect["cause"]["check_id"] == "nginx_vhost"
    assert effect["cause"]["message"] == cause["message"]


def test_a_cause_that_is_a_setting_of_ours_is_named_as_one():
    domain = audited(make.make_effect("dns_mx", "server_mx", owner=Owner.HOST))
    (finding,) = causes.linked(scorecard.of_domain(domain))["dns_mx"]
    assert finding["cause"]["check_id"] == "" and finding["cause"]["message"] == "mail hosts"


def test_a_cause_that_is_gone_leaves_a_finding_that_says_what_it_was():
    domain = audited(make.make_effect("cert_le", "nginx_vhost", owner=Owner.HOST))
    (finding,) = causes.linked(scorecard.of_domain(domain))["cert_le"]
    assert finding["cause"] == {
        "check_id": "",
        "row": "",
        "title": "nginx virtual host",
        "message": "",
    }


def test_a_fix_that_findings_of_a_check_share_is_shown_once():
    result = make.make_result("dns_mx", "fail")
    again = replace(result.findings[0], code="dns_mx_other")
    domain = audited(replace(result, findings=(*result.findings, again)))
    first, second = causes.linked(scorecard.of_domain(domain))["dns_mx"]
    assert first["fix"]["records"] and second["fix"] is None


def test_the_scorecard_shows_the_fix_of_the_cause_alone(client):
    domain = audited(make.make_result("dns_mx", "fail"), make.make_effect("dns_spf", "dns_mx"))
    client.force_login(make.make_viewer())
    url = f"/domains/{domain.tenant_id}/cliente.pt/"
    html = client.get(url).content.decode()
    assert html.count("Publish the record.") == 1
    assert html.count("Follows from") == 1 and html.count("Cured with it:") == 1
    assert f'href="#c-{domain.pk}-dns_mx"' in html and f'href="#c-{domain.pk}-dns_spf"' in html


def test_the_api_names_the_cause(client):
    domain = audited(make.make_result("dns_mx", "fail"), make.make_effect("dns_spf", "dns_mx"))
    url = f"/api/v1/audit/tenants/{domain.tenant_id}/scorecard"
    checks = client.get(url, headers=make.bearer(make.make_token())).json()["checks"]
    findings = {c["check_id"]: c["findings"] for c in checks}
    assert findings["dns_mx"][0]["because"] is None
    assert findings["dns_spf"][0]["because"] == {"check_id": "dns_mx", "code": "dns_mx_problem"}


@pytest.mark.parametrize("with_records", [True, False])
def test_the_customer_is_told_the_cause_and_of_its_effects_what_needs_records(with_records):
    """Also where the effect would be ours to act on: it goes when the customer has acted."""
    spf = make.make_effect("dns_spf", "dns_mx")
    if not with_records:
        spf = replace(spf, findings=tuple(replace(f, fix=None) for f in spf.findings))
    domain = audited(
        make.make_result("dns_mx", "fail"),
        spf,
        make.make_effect("cert_le", "dns_mx", owner=Owner.HOST),
        make.make_result("nginx_vhost", "fail", owner=Owner.HOST),
        make.make_effect("webmail_http", "nginx_vhost"),
    )
    shown = report_of(domain)
    assert {step.check_id for step in shown.steps} == {"dns_mx", *["dns_spf"] * with_records}
    assert len(shown.ours) == 2 and not any("SPF" in noun for noun in shown.ours)


def test_the_admin_names_the_cause_beside_the_message(client):
    domain = audited(
        make.make_result("dns_mx", "fail"),
        make.make_effect("dns_spf", "dns_mx"),
        make.make_effect("dns_dmarc", "server_reports", owner=Owner.HOST),
    )
    client.force_login(make.make_admin())
    html = client.get(f"/admin/audit/auditdomain/{domain.pk}/change/").content.decode()
    assert html.count("(follows from: Mail exchange (MX))") == 1
    assert html.count("(follows from: the tenant&#x27;s settings)") == 1
