"""Tenants in the administration: secrets that never come back out, lists of lines, and what goes with a tenant."""

import warnings

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, CheckTransition, Tenant
from tests.audit.factories import WEBHOOK_SECRET, make_admin, make_domains, make_tenant, make_token

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/tenant/"
FORM = {
    "name": "VM112", "enabled": "on", "language": "pt", "portal_url": "http://10.10.10.112:8090", "portal_token": "", "webhook_secret": "",
    "mail_hosts": "mx1.host.test", "sending_ips": "203.0.113.25\r\n2001:db8::25",
    "spf_include": "_spf.host.test", "dkim_selectors": "s2026",
    "webmail_url": "https://webmail.{domain}/", "dmarc_rua": "",
}  # fmt: skip


@pytest.fixture
def admin(client):
    client.force_login(make_admin())
    return client


def change(tenant):
    return reverse("admin:audit_tenant_change", args=[tenant.pk])


def stored(column):
    """What really stands in the table."""
    with connection.cursor() as cursor:
        cursor.execute(f"select {column} from audit_tenant")
        return cursor.fetchone()[0]


def errors(response):
    return "\n".join(e for group in response.context["errors"] for e in group)


def test_it_stores_a_new_tenant_with_its_secrets_encrypted(admin):
    token = "portal-token-value"
    assert admin.post(LIST + "add/", {**FORM, "portal_token": token, "webhook_secret": WEBHOOK_SECRET}).status_code == 302
    tenant = Tenant.objects.get()
    assert (tenant.portal_token, tenant.webhook_secret) == (token, WEBHOOK_SECRET)
    assert token not in stored("portal_token") and WEBHOOK_SECRET not in stored("webhook_secret")
    assert tenant.sending_ips == ["203.0.113.25", "2001:db8::25"] and tenant.portal_url == "http://10.10.10.112:8090"


def test_it_takes_an_http_address_without_a_word_from_django():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from audit.admin.tenants import TenantForm

        type("Again", (TenantForm,), {"Meta": TenantForm.Meta})


def test_an_address_without_a_scheme_is_asked_for_again(admin):
    answer = admin.post(LIST + "add/", {**FORM, "portal_url": "10.10.10.112:8090"})
    assert "Give an address such as http://10.10.10.112:8090." in answer.content.decode()
    assert not Tenant.objects.exists()


def test_secrets_are_on_no_page_and_in_no_history(admin):
    tenant = make_tenant(portal_token="portal-token-value")
    admin.post(change(tenant), {**FORM, "portal_token": "another-token-value", "name": "VM113"})
    bad = admin.post(change(tenant), {**FORM, "portal_token": "typed-token-value", "name": ""})
    pages = [
        bad,
        *(admin.get(path) for path in (LIST, change(tenant), f"{LIST}{tenant.pk}/history/", f"{LIST}{tenant.pk}/delete/", "/admin/")),
    ]
    for page in pages:
        html = page.content.decode()
        assert "token-value" not in html and WEBHOOK_SECRET not in html and stored("portal_token") not in html
    assert "Stored; leave empty to keep it." in pages[2].content.decode()
    entry = LogEntry.objects.get()
    assert "portal token" in entry.get_change_message().lower() and "token-value" not in entry.change_message + entry.object_repr


def test_an_empty_field_keeps_the_secret_and_the_box_removes_it(admin):
    tenant = make_tenant(portal_token="portal-token-value")
    before = stored("portal_token")
    assert admin.post(change(tenant), {**FORM, "name": "VM113"}).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.name, tenant.portal_token, tenant.webhook_secret) == ("VM113", "portal-token-value", WEBHOOK_SECRET)
    assert stored("portal_token") == before
    assert LogEntry.objects.get().get_change_message() == "Changed Name, Portal address, Sending addresses, SPF include and DKIM selectors."
    assert admin.post(change(tenant), {**FORM, "remove_portal_token": "on"}).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.portal_token, tenant.webhook_secret) == ("", WEBHOOK_SECRET)
    assert "remove_portal_token" not in admin.get(change(tenant)).content.decode()


def test_a_secret_that_is_none_is_refused_without_repeating_it(admin):
    response = admin.post(LIST + "add/", {**FORM, "webhook_secret": "whsec_too-short", "portal_token": "zwei zeilen\nlang"})
    assert "whsec_ followed by the base64" in errors(response) and "too-short" not in response.content.decode()
    assert not Tenant.objects.exists()


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("mail_hosts", "mx1.host.test\nmx two\n\nnot_a_host", "Line 2: “mx two” is not a host name."),
        ("mail_hosts", "mx1.host.test\n\n\nlocalhost", "Line 4: “localhost” is not a host name."),
        ("sending_ips", "203.0.113.25\n203.0.113.0/24", "Line 2: “203.0.113.0/24” is not an address"),
        ("dkim_selectors", "s1\n../../x", "Line 2: “../../x” is not a DKIM selector."),
        ("webmail_url", "http://webmail.{domain}/", "Give an https address"),
        ("spf_include", "spf", "is not a name that SPF can include"),
    ],
)
def test_it_names_the_bad_line(admin, field, text, message):
    response = admin.post(LIST + "add/", {**FORM, field: text})
    assert response.status_code == 200 and message in errors(response)
    assert not Tenant.objects.exists()


def test_it_names_every_bad_line_and_keeps_what_was_typed(admin):
    response = admin.post(LIST + "add/", {**FORM, "mail_hosts": "a b\nmx1.host.test\nc d"})
    assert "Line 1" in errors(response) and "Line 3" in errors(response) and "Line 2" not in errors(response)
    assert "a b\nmx1.host.test\nc d" in response.content.decode().replace("\r\n", "\n")


def test_lists_lose_blank_lines_and_blanks_and_come_back_one_a_line(admin):
    admin.post(LIST + "add/", {**FORM, "mail_hosts": "\r\n  mx1.host.test  \r\n\r\nmx2.host.test\r\n"})
    tenant = Tenant.objects.get()
    assert tenant.mail_hosts == ["mx1.host.test", "mx2.host.test"]
    assert "mx1.host.test\nmx2.host.test</textarea>" in admin.get(change(tenant)).content.decode()
    admin.post(change(tenant), {**FORM, "mail_hosts": "mx1.host.test\nmx2.host.test"})
    assert LogEntry.objects.latest("pk").get_change_message() == "No fields changed."


def test_deleting_says_what_goes_along_and_takes_it(admin, django_assert_max_num_queries):
    tenant, other = make_tenant(), make_tenant("VM200")
    ids = list(make_domains(1000, tenant).values_list("pk", flat=True))
    make_domains(1, other, prefix="other")
    now = timezone.now()
    AuditCheck.objects.bulk_create([AuditCheck(domain_id=pk, check_id="dns_mx", status="ok", checked_at=now, since=now) for pk in ids])
    CheckTransition.objects.bulk_create([CheckTransition(domain_id=pk, check_id="dns_mx", to_status="ok", at=now) for pk in ids[:10]])
    make_token(tenant=tenant)
    path = f"{LIST}{tenant.pk}/delete/"
    with django_assert_max_num_queries(20):
        html = admin.get(path).content.decode()
    for line in ("Domains: 1000", "Checks: 1000", "Transitions: 10", "API tokens: 1"):
        assert f"<li>{line}</li>" in html, line
    assert ">VM112</a>" in html and len(html) < 30000 and Tenant.objects.count() == 2
    assert admin.post(path, {"post": "yes"}).status_code == 302
    assert list(Tenant.objects.all()) == [other] and AuditDomain.objects.count() == 1 and not AuditCheck.objects.exists()


def test_saving_does_not_undo_what_was_saved_meanwhile(admin, monkeypatch):
    tenant = make_tenant(portal_token="portal-token-value")
    from audit.admin.tenants import TenantAdmin

    save = TenantAdmin.save_model

    def meanwhile(self, request, obj, form, change):
        Tenant.objects.filter(pk=obj.pk).update(spf_include="_spf.new.test")
        save(self, request, obj, form, change)

    monkeypatch.setattr(TenantAdmin, "save_model", meanwhile)
    form = {**FORM, "spf_include": "", "dkim_selectors": "", "mail_hosts": "mx1.host.test", "sending_ips": "203.0.113.25", "language": "en"}
    assert admin.post(change(tenant), form).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.language, tenant.spf_include) == ("en", "_spf.new.test")


def test_the_new_and_the_old_webhook_secret_are_entered_together(admin):
    pair = " ".join("whsec_" + letter * 32 for letter in "BA")
    admin.post(LIST + "add/", {**FORM, "webhook_secret": pair})
    assert Tenant.objects.get().webhook_secret == pair
