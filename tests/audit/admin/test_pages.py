"""Every page of the administration, for everybody who may and may not see it."""

import re

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.urls import resolve, reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task

from audit.models import (
    ApiToken,
    AuditCheck,
    AuditDomain,
    AuditRun,
    CheckTransition,
    Incident,
    Notification,
    PortalDomain,
    ReportLink,
    SecondFactor,
    Tenant,
    Waiver,
    WebhookEvent,
)
from audit.web.login import Login
from collectors.base import Owner
from tests.audit.factories import (
    audit,
    make_admin,
    make_domain,
    make_domains,
    make_operator,
    make_result,
    make_tenant,
    make_token,
    make_user,
    make_viewer,
)

pytestmark = pytest.mark.django_db
XSS = [
    '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{987*789}}</title>',
    "javascript:alert(1)",
]  # each fits the shortest field
FILLED = [Tenant, AuditDomain, AuditCheck, CheckTransition, AuditRun, WebhookEvent]
KEPT = [Incident, Waiver, Notification, PortalDomain, ReportLink]  # by the product itself
VIEWED = [*FILLED, *KEPT]


def as_user(client, user):
    client.force_login(user)
    return client


def url(model, page="changelist", *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def fill(text="text"):
    """A row in every table, with `text` wherever a stranger may write."""
    tenant = make_tenant(portal_url="http://10.10.10.112:8090", portal_token="portal-token-value")
    domain = make_domain("xn--bcher-kva.example", tenant)
    audit(domain)
    from audit.results import store

    result = make_result(
        "dns_mx",
        "fail",
        message="Seen: {check}",
        evidence={"seen": text, "records": [text]},
        owner=Owner.CUSTOMER,
    )
    store.record(domain, {"dns_mx": result}, begun_at=timezone.now())
    AuditCheck.objects.filter(check_id="dns_mx").update(message=text)
    CheckTransition.objects.filter(check_id="dns_mx").update(message=text)
    AuditDomain.objects.update(last_error=text[:200])
    AuditRun.objects.get_or_create_run(
        tenant=tenant, domains=AuditDomain.objects.all(), trigger="manual", by=text[:150], scope=""
    )
    WebhookEvent.objects.create(
        tenant=tenant,
        event_id=text[:255],
        event=text[:100],
        payload={"data": {"domain": text}},
        error=text[:500],
    )
    make_token(name=text[:100])
    for success in (True, False):
        Task.objects.create(
            id=f"{success:d}" * 32,
            name="task",
            func=text[:256],
            started=timezone.now(),
            stopped=timezone.now(),
            success=success,
            result=text,
        )
    return domain


def pages():
    """Every address of the administration for the rows that are there."""
    found = [
        reverse("admin:index"),
        reverse("admin:password_change"),
        reverse("admin:queue"),
        reverse("admin:app_list", args=["audit"]),
    ]
    found += [
        reverse("admin:audit_auditdomain_import"),
        *(reverse("admin:audit_auditdomain_export", args=[kind]) for kind in ("csv", "xlsx")),
    ]
    for model in admin.site._registry:
        found += [url(model), url(model, "add")]
        row = model.objects.order_by("-pk").first()
        if row is not None:
            found += [url(model, page, row.pk) for page in ("change", "delete", "history")]
    return found


def status(client, path):
    return client.get(path).status_code


def test_every_page_answers_a_superuser_with_empty_tables(client):
    as_user(client, make_admin())
    request = client.get("/admin/").wsgi_request  # with it, all of the administration is there
    no_add = {
        url(m, "add") for m, a in admin.site._registry.items() if not a.has_add_permission(request)
    }
    for path in pages():
        forbidden = path in no_add or (path.endswith("/delete/") and "/audit/" in path)
        assert status(client, path) == (403 if forbidden else 200), path


def test_every_page_answers_a_superuser_with_full_tables(client):
    user = make_admin()
    fill()
    Schedule.objects.get_or_create(name="own", func="audit.tasks.tick")
    OrmQ.objects.create(key="ligbox", payload="broken", lock=timezone.now())
    LogEntry.objects.log_actions(user.pk, AuditDomain.objects.all(), 2, "Changed.")
    as_user(client, user)
    read_only = {AuditCheck, CheckTransition, AuditRun, WebhookEvent}
    no_add = {url(m, "add") for m in {*read_only, SecondFactor, *KEPT}}
    no_delete = {url(m, "delete", m.objects.order_by("-pk").first().pk) for m in read_only}
    for path in pages():
        assert status(client, path) == (403 if path in no_add | no_delete else 200), path


def test_it_sends_whoever_is_not_staff_to_the_one_login(client):
    fill()
    for user in (None, make_user(staff=False, group="Operators")):
        if user:
            as_user(client, user)
        for path in pages():
            response = client.get(path)
            assert (response.status_code, response.url.split("?")[0]) == (302, "/admin/login/"), (
                path
            )


def test_its_login_is_the_throttled_one_and_goes_back_to_where_it_was_asked(client):
    make_admin("ana")
    response = client.get("/admin/audit/tenant/", follow=True)
    assert "registration/login.html" in [t.name for t in response.templates]
    login = response.redirect_chain[-1][0]
    response = client.post(
        login,
        {"username": "ana", "password": "correct horse battery", "next": "/admin/audit/tenant/"},
    )
    assert (response.status_code, response.url) == (302, "/admin/audit/tenant/")
    assert resolve("/admin/login/").func.view_class is Login


@pytest.mark.parametrize("make", [make_viewer, make_operator])
def test_neither_group_sees_tokens_users_or_secrets(client, make):
    fill()
    as_user(client, make())
    for model in admin.site._registry:
        row = model._base_manager.first()
        expected = 200 if model in VIEWED else 403
        assert status(client, url(model)) == expected, model
        if row is not None and expected == 403:
            assert status(client, url(model, "change", row.pk)) == 403, model
    html = client.get(url(Tenant, "change", Tenant.objects.get().pk)).content.decode()
    assert "VM112" in html and "mx1.host.test" in html
    for word in ("portal_token", "webhook_secret", "portal-token-value", "whsec_", "Stored"):
        assert word not in html


def test_a_viewer_sees_everything_and_changes_nothing(client):
    domain = fill()
    as_user(client, make_viewer())
    for model in FILLED:
        row = model.objects.first()
        html = client.get(url(model, "change", row.pk)).content.decode()
        assert 'name="_save"' not in html and "deletelink" not in html, model
        for path in (url(model, "add"), url(model, "delete", row.pk)):
            assert status(client, path) == 403, path
        assert (
            client.post(url(model, "change", row.pk), {"enabled": "", "name": "x"}).status_code
            == 403
        )
        html = client.get(url(model)).content.decode()
        assert (
            "addlink" not in html.partition('class="object-tools"')[2].partition("</ul>")[0]
            and 'name="action"' not in html
        ), model
    assert status(client, reverse("admin:audit_auditdomain_import")) == 403
    for action in ("audit_now", "enable", "disable", "delete_selected"):
        client.post(
            url(AuditDomain), {"action": action, "_selected_action": [domain.pk], "post": "yes"}
        )
    client.post(
        url(WebhookEvent), {"action": "retry", "_selected_action": [WebhookEvent.objects.get().pk]}
    )
    domain.refresh_from_db()
    assert (
        domain.enabled and domain.requested_at is not None and AuditRun.objects.count() == 1
    )  # what fill() asked for
    assert WebhookEvent.objects.exclude(error="").count() == 1


def test_an_operator_manages_domains_and_not_tenants(client):
    domain = fill()
    as_user(client, make_operator())
    assert (
        status(client, url(AuditDomain, "add"))
        == status(client, url(AuditDomain, "delete", domain.pk))
        == 200
    )
    html = client.get(url(AuditDomain)).content.decode()
    for action in ("audit_now", "enable", "disable", "delete_selected"):
        assert f'value="{action}"' in html
    assert reverse("admin:audit_auditdomain_import") in html
    tenant = domain.tenant
    assert (
        status(client, url(Tenant, "add"))
        == status(client, url(Tenant, "delete", tenant.pk))
        == 403
    )
    assert (
        client.post(
            url(Tenant, "change", tenant.pk), {"name": "X", "remove_portal_token": "on"}
        ).status_code
        == 403
    )
    tenant.refresh_from_db()
    assert tenant.name == "VM112" and tenant.portal_token


def test_it_links_to_the_overview_and_to_the_scorecard(client):
    domain = fill()
    as_user(client, make_viewer())
    assert f'<a href="{reverse("overview")}">Overview</a>' in client.get("/admin/").content.decode()
    card = reverse("scorecard", args=[domain.tenant_id, domain.domain])
    assert f'href="{card}"' in client.get(url(AuditDomain, "change", domain.pk)).content.decode()
    assert f'href="{card}"' in client.get(url(AuditDomain)).content.decode()
    assert "/admin/" in client.get("/").content.decode()


@pytest.mark.parametrize("text", XSS)
def test_what_strangers_write_is_text(client, text):
    """Case 161."""
    fill(text)
    as_user(client, make_admin())
    for path in pages():
        if "/export/" in path or path.endswith("/add/"):
            continue
        html = client.get(path).content.decode("utf-8")
        assert (
            "<script>alert" not in html
            and "<img src=x" not in html
            and 'href="javascript:' not in html
        ), path
        assert "778743" not in html
        assert "</title>" not in html.partition("</title>")[2], path


def test_what_is_invisible_is_shown(client):
    """Case 164."""
    fill("a\u202eb\x1b[31m\u200b")
    as_user(client, make_admin())
    for model in (WebhookEvent, AuditCheck, CheckTransition):
        row = model.objects.filter(
            **({} if model is WebhookEvent else {"check_id": "dns_mx"})
        ).last()
        html = client.get(url(model, "change", row.pk)).content.decode()
        assert (
            "\\u202eb" in html and "\u202e" not in html.partition("<pre>")[2].partition("</pre>")[0]
        ), model
    cells = re.findall(
        r'<td class="field-shown.*?</td>', client.get(url(WebhookEvent)).content.decode()
    )
    assert len(cells) == 4 and all("\\u202eb" in cell and "\u202e" not in cell for cell in cells)


def test_every_page_has_the_policy_and_keeps_to_it(client):
    """Case 162."""
    fill()
    as_user(client, make_admin())
    for path in pages():
        response = client.get(path)
        policy = response["Content-Security-Policy"]
        assert (
            "default-src 'none'" in policy
            and "frame-ancestors 'none'" in policy
            and "unsafe" not in policy
        ), path
        if response["Content-Type"].startswith("text/html"):
            html = response.content.decode()
            assert not re.search(
                r"<script(?![^>]*( src=|type=\"application/json\"))|<style"
                r"|\sstyle=|\son\w+=|javascript:",
                html,
            ), path


def test_lists_of_two_hundred_rows_take_few_queries(client, django_assert_max_num_queries):
    tenants = [make_tenant(f"T{n}") for n in range(5)]
    for tenant in tenants:
        make_domains(40, tenant, prefix=tenant.name.lower())
    now = timezone.now()
    common = {"check_id": "dns_mx", "message": "m"}
    ids = list(AuditDomain.objects.values_list("pk", flat=True))
    AuditCheck.objects.bulk_create(
        [AuditCheck(domain_id=pk, status="ok", checked_at=now, since=now, **common) for pk in ids]
    )
    CheckTransition.objects.bulk_create(
        [
            CheckTransition(domain_id=pk, from_status="ok", to_status="fail", at=now, **common)
            for pk in ids
        ]
    )
    WebhookEvent.objects.bulk_create(
        [
            WebhookEvent(tenant=tenants[n % 5], event_id=str(n), event="x", payload={})
            for n in range(200)
        ]
    )
    AuditRun.objects.bulk_create(
        [AuditRun(tenant=tenants[n % 5], trigger="manual") for n in range(200)]
    )
    ApiToken.objects.bulk_create(
        [ApiToken(name=str(n), digest=str(n), tenant=tenants[n % 5]) for n in range(200)]
    )
    as_user(client, make_admin())
    for model in (
        Tenant,
        AuditDomain,
        AuditCheck,
        CheckTransition,
        WebhookEvent,
        AuditRun,
        ApiToken,
    ):
        for query in ("", "?all=1", "?q=t1"):
            with django_assert_max_num_queries(20):
                assert status(client, url(model) + query) == 200
    domain = audit(AuditDomain.objects.first())
    with django_assert_max_num_queries(20):
        assert status(client, url(AuditDomain, "change", domain.pk)) == 200
    for model in (AuditDomain, Tenant):
        with django_assert_max_num_queries(20):
            assert status(client, url(model, "delete", model.objects.first().pk)) == 200


def test_strange_addresses_are_no_errors_of_ours(client):
    as_user(client, make_admin())
    for query in (
        "?status__exact=nonsense",
        "?tenant__id__exact=x",
        "?o=99",
        "?p=999",
        "?tenant__isnull=x",
    ):
        for path in (url(AuditDomain), reverse("admin:audit_auditdomain_export", args=["csv"])):
            assert status(client, path + query) in (200, 302), path + query
    assert status(client, "/admin/audit/auditdomain/export/pdf/") == 404
    assert status(client, url(AuditDomain, "change", 999999)) == 302


def test_an_event_is_found_by_its_domain(client):
    tenant = make_tenant()
    for number, data in enumerate(({"domain": "cliente.pt"}, {"domain": "outro.pt"}, [], None)):
        WebhookEvent.objects.create(
            tenant=tenant, event_id=f"e{number}", event="account.created", payload={"data": data}
        )
    as_user(client, make_admin())
    html = client.get(url(WebhookEvent)).content.decode()
    domains = re.findall(r'<td class="field-shown_domain">([^<]*)</td>', html)
    assert sorted(domains) == ["-", "-", "cliente.pt", "outro.pt"]
    html = client.get(url(WebhookEvent) + "?q=CLIENTE").content.decode()
    assert re.findall(r'<td class="field-shown_domain">([^<]*)</td>', html) == ["cliente.pt"]
