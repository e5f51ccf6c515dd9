"""Tenants in the administration: secrets that never come back out, lists of lines, and what goes
with a tenant.
"""

import warnings
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.core.checks import run_checks
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, CheckTransition, Tenant, target_of
from audit.results import store
from collectors.registry import core_checks
from tests.audit.factories import (
    WEBHOOK_SECRET,
    make_admin,
    make_domain,
    make_domains,
    make_result,
    make_tenant,
    make_token,
)

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/tenant/"
FORM = {
    "name": "VM112",
    "enabled": "on",
    "language": "pt",
    "portal_url": "http://10.10.10.112:8090",
    "portal_token": "",
    "webhook_secret": "",
    "mail_hosts": "mx1.host.test",
    "sending_ips": "203.0.113.25\r\n2001:db8::25",
    "spf_include": "_spf.host.test",
    "dkim_selectors": "s2026",
    "webmail_url": "https://webmail.{domain}/",
    "dmarc_rua": "",
    "quota": "10000",
    "sync": "propose",
}


@pytest.fixture(autouse=True)
def no_names(request, monkeypatch):
    """Own names are looked at in the tests that have a zone; the others ask nobody."""
    if "dns" not in request.fixturenames:
        monkeypatch.setattr("audit.admin.own_names.warnings", lambda tenant: [])


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
    assert (
        admin.post(
            LIST + "add/", {**FORM, "portal_token": token, "webhook_secret": WEBHOOK_SECRET}
        ).status_code
        == 302
    )
    tenant = Tenant.objects.get()
    assert (tenant.portal_token, tenant.webhook_secret) == (token, WEBHOOK_SECRET)
    assert token not in stored("portal_token") and WEBHOOK_SECRET not in stored("webhook_secret")
    assert (
        tenant.sending_ips == ["203.0.113.25", "2001:db8::25"]
        and tenant.portal_url == "http://10.10.10.112:8090"
    )


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
        *(
            admin.get(path)
            for path in (
                LIST,
                change(tenant),
                f"{LIST}{tenant.pk}/history/",
                f"{LIST}{tenant.pk}/delete/",
                "/admin/",
            )
        ),
    ]
    for page in pages:
        html = page.content.decode()
        assert (
            "token-value" not in html
            and WEBHOOK_SECRET not in html
            and stored("portal_token") not in html
        )
    assert "Stored; leave empty to keep it." in pages[2].content.decode()
    entry = LogEntry.objects.get()
    assert (
        "portal token" in entry.get_change_message().lower()
        and "token-value" not in entry.change_message + entry.object_repr
    )


def test_an_empty_field_keeps_the_secret_and_the_box_removes_it(admin):
    tenant = make_tenant(portal_token="portal-token-value")
    before = stored("portal_token")
    assert admin.post(change(tenant), {**FORM, "name": "VM113"}).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.name, tenant.portal_token, tenant.webhook_secret) == (
        "VM113",
        "portal-token-value",
        WEBHOOK_SECRET,
    )
    assert stored("portal_token") == before
    assert (
        LogEntry.objects.get().get_change_message()
        == "Changed Name, Portal address, Sending addresses, SPF include and DKIM selectors."
    )
    assert admin.post(change(tenant), {**FORM, "remove_portal_token": "on"}).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.portal_token, tenant.webhook_secret) == ("", WEBHOOK_SECRET)
    assert "remove_portal_token" not in admin.get(change(tenant)).content.decode()


def test_a_secret_that_is_none_is_refused_without_repeating_it(admin):
    response = admin.post(
        LIST + "add/",
        {**FORM, "webhook_secret": "whsec_too-short", "portal_token": "zwei zeilen\nlang"},
    )
    assert (
        "whsec_ followed by the base64" in errors(response)
        and "too-short" not in response.content.decode()
    )
    assert not Tenant.objects.exists()


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        (
            "mail_hosts",
            "mx1.host.test\nmx two\n\nnot_a_host",
            "Line 2: “mx two” is not a host name.",
        ),
        ("mail_hosts", "mx1.host.test\n\n\nlocalhost", "Line 4: “localhost” is not a host name."),
        (
            "sending_ips",
            "203.0.113.25\n203.0.113.0/24",
            "Line 2: “203.0.113.0/24” is not an address",
        ),
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
    assert (
        "Line 1" in errors(response)
        and "Line 3" in errors(response)
        and "Line 2" not in errors(response)
    )
    assert "a b\nmx1.host.test\nc d" in response.content.decode().replace("\r\n", "\n")


def test_lists_lose_blank_lines_and_blanks_and_come_back_one_a_line(admin):
    admin.post(
        LIST + "add/", {**FORM, "mail_hosts": "\r\n  mx1.host.test  \r\n\r\nmx2.host.test\r\n"}
    )
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
    AuditCheck.objects.bulk_create(
        [
            AuditCheck(domain_id=pk, check_id="dns_mx", status="ok", checked_at=now, since=now)
            for pk in ids
        ]
    )
    CheckTransition.objects.bulk_create(
        [
            CheckTransition(domain_id=pk, check_id="dns_mx", to_status="ok", at=now)
            for pk in ids[:10]
        ]
    )
    make_token(tenant=tenant)
    path = f"{LIST}{tenant.pk}/delete/"
    with django_assert_max_num_queries(20):
        html = admin.get(path).content.decode()
    for line in ("Domains: 1,000", "Checks: 1,000", "Transitions: 10", "API tokens: 1"):
        assert f"<li>{line}</li>" in html, line
    assert ">VM112</a>" in html and len(html) < 30000 and Tenant.objects.count() == 2
    assert admin.post(path, {"post": "yes"}).status_code == 302
    assert (
        list(Tenant.objects.all()) == [other]
        and AuditDomain.objects.count() == 1
        and not AuditCheck.objects.exists()
    )


def test_saving_does_not_undo_what_was_saved_meanwhile(admin, monkeypatch):
    tenant = make_tenant(portal_token="portal-token-value")
    from audit.admin.tenants import TenantAdmin

    save = TenantAdmin.save_model

    def meanwhile(self, request, obj, form, change):
        Tenant.objects.filter(pk=obj.pk).update(spf_include="_spf.new.test")
        save(self, request, obj, form, change)

    monkeypatch.setattr(TenantAdmin, "save_model", meanwhile)
    form = {
        **FORM,
        "spf_include": "",
        "dkim_selectors": "",
        "mail_hosts": "mx1.host.test",
        "sending_ips": "203.0.113.25",
        "language": "en",
    }
    assert admin.post(change(tenant), form).status_code == 302
    tenant.refresh_from_db()
    assert (tenant.language, tenant.spf_include) == ("en", "_spf.new.test")


def test_the_new_and_the_old_webhook_secret_are_entered_together(admin):
    pair = " ".join("whsec_" + letter * 32 for letter in "BA")
    admin.post(LIST + "add/", {**FORM, "webhook_secret": pair})
    assert Tenant.objects.get().webhook_secret == pair


# -- the token goes where it was given for, and is never lost without a word


@pytest.mark.parametrize(
    "address",
    ["http://10.10.10.113:8090", "http://10.10.10.112:8091", "https://10.10.10.112:8090", ""],
)
def test_another_portal_does_not_get_the_stored_token(admin, address):
    """Case 192: Also not in two steps, by way of no address."""
    tenant = make_tenant(portal_url="http://10.10.10.112:8090", portal_token="portal-token-value")
    form = {**FORM, "portal_url": address}
    answer = admin.post(change(tenant), form)
    assert "Enter its token" in errors(answer)
    assert Tenant.objects.get().portal_url == "http://10.10.10.112:8090"
    assert admin.post(change(tenant), {**form, "portal_token": "another-token"}).status_code == 302
    kept = Tenant.objects.get()
    assert (kept.portal_url, kept.portal_token) == (address, "another-token")


def test_another_path_of_the_same_portal_keeps_the_token(admin):
    tenant = make_tenant(portal_url="http://10.10.10.112:8090", portal_token="portal-token-value")
    form = {**FORM, "portal_url": "http://10.10.10.112:8090/portal"}
    assert admin.post(change(tenant), form).status_code == 302
    assert Tenant.objects.get().portal_token == "portal-token-value"


@pytest.mark.parametrize("bad", [{"name": ""}, {"mail_hosts": "no host"}, {"name": "Other"}])
def test_a_secret_that_was_typed_beside_an_error_is_asked_for_again(admin, bad):
    """A form never shows a secret again: without a word it would seem to be kept."""
    make_tenant("Other")
    tenant = make_tenant(portal_url="http://10.10.10.112:8090")
    answer = admin.post(change(tenant), {**FORM, **bad, "portal_token": "portal-token-value"})
    assert "Not saved yet: enter it again." in errors(answer)
    assert "portal-token-value" not in answer.content.decode()
    answer = admin.post(change(tenant), {**FORM, **bad})
    assert "enter it again" not in errors(answer)


# -- a secret that no key opens


@pytest.fixture
def lost_key(settings):
    """A tenant whose secrets were encrypted with a key that is not there any more."""
    tenant = make_tenant(portal_url="http://10.10.10.112:8090", portal_token="portal-token-value")
    old = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    return tenant.pk, old


def test_a_secret_that_no_key_opens_stays_as_it_is_stored(admin, lost_key, settings):
    pk, old = lost_key
    before = stored("portal_token")
    tenant = Tenant.objects.get(pk=pk)
    assert tenant.portal_token == "" and "portal_token" in tenant.unreadable_secrets
    tenant.save()
    assert admin.post(change(tenant), {**FORM, "name": "renamed"}).status_code == 302
    assert stored("portal_token") == before
    settings.ENCRYPTION_KEYS = old
    assert Tenant.objects.get().portal_token == "portal-token-value"


def test_the_page_and_the_check_say_which_secret_no_key_opens(admin, lost_key):
    pk, _old = lost_key
    html = admin.get(change(Tenant.objects.get(pk=pk))).content.decode()
    assert html.count("no key in ENCRYPTION_KEYS opens it") == 2
    assert 'name="remove_portal_token"' in html
    (warning,) = [w for w in run_checks() if w.id == "audit.W002"]
    assert "portal_token and webhook_secret" in warning.msg and "VM112" in warning.msg


def test_a_token_that_no_key_opens_is_not_sent(lost_key, monkeypatch):
    """Not even as an empty one: the portal is not asked, and the finding says why."""
    from collectors.net import portal_client

    target = target_of(Tenant.objects.get(), "cliente.pt")
    with pytest.raises(portal_client.PortalFault, match="cannot be decrypted") as fault:
        portal_client._headers(target.portal_token)
    assert fault.value.code == "portal_auth"


# -- what a change does to the domains


@pytest.mark.parametrize(
    "changed",
    [
        {"mail_hosts": "mx2.host.test"},
        {"spf_include": "spf.host.test"},
        {"webmail_addresses": "203.0.113.80"},
        {"webmail_target": "webmail.host.test"},
        {"dkim_cname": "{selector}.{domain}.dkim.host.test"},
        {"portal_token": "another-token"},
        {"remove_portal_token": "on"},
    ],
)
def test_a_change_that_checks_depend_on_makes_the_domains_due(
    admin, bells, changed, django_capture_on_commit_callbacks
):
    tenant = make_tenant(portal_url=FORM["portal_url"], portal_token="portal-token-value")
    assert admin.post(change(tenant), FORM).status_code == 302
    make_domain("a.pt", tenant, checks={})
    make_domain("off.pt", tenant, checks={}, enabled=False)
    make_domain("else.pt", make_tenant("Other"), checks={})
    AuditDomain.objects.update(next_audit_at=timezone.now() + timedelta(minutes=9))
    with django_capture_on_commit_callbacks(execute=True):
        assert admin.post(change(tenant), {**FORM, **changed}).status_code == 302
    assert [d.domain for d in AuditDomain.objects.due()] == ["a.pt"]
    assert [bell for bell in bells if bell != "compare_portals"] == ["drain"]


@pytest.mark.parametrize("changed", [{}, {"contact": "help@host.test"}, {"quota": "5"}])
def test_another_change_audits_nobody(admin, bells, changed, django_capture_on_commit_callbacks):
    tenant = make_tenant()
    assert admin.post(change(tenant), FORM).status_code == 302
    make_domain("a.pt", tenant, checks={})
    later = timezone.now() + timedelta(minutes=9)
    AuditDomain.objects.update(next_audit_at=later)
    with django_capture_on_commit_callbacks(execute=True):
        assert admin.post(change(tenant), {**FORM, **changed}).status_code == 302
    assert AuditDomain.objects.get().next_audit_at == later and "drain" not in bells


def test_a_tenant_that_is_changed_elsewhere_makes_its_domains_due_too():
    """Every door: the shell, a command, another program."""
    tenant = make_tenant()
    make_domain("a.pt", tenant, checks={})
    AuditDomain.objects.update(next_audit_at=timezone.now() + timedelta(minutes=9))
    tenant.sending_ips = ["203.0.113.26"]
    tenant.save(update_fields=["name"])
    assert not AuditDomain.objects.due().exists()
    tenant.save(update_fields=["sending_ips"])
    assert AuditDomain.objects.due().count() == 1


def test_many_domains_are_due_one_after_another(settings):
    settings.AUDIT_CONCURRENCY = 10
    tenant = make_tenant()
    make_domains(45, tenant)
    now = timezone.now()
    AuditDomain.objects.update(next_audit_at=now + timedelta(minutes=9))
    soon = AuditDomain.objects.order_by("pk").first()
    AuditDomain.objects.filter(pk=soon.pk).update(next_audit_at=now - timedelta(seconds=5))
    assert tenant.domains.make_due(now) == 45
    times = sorted(AuditDomain.objects.values_list("next_audit_at", flat=True))
    assert times[0] < now and sum(t <= now for t in times) == 10
    assert times[-1] - now == timedelta(seconds=20)


def test_what_is_audited_while_its_tenant_changes_is_looked_at_again():
    """The audit that is under way knows only the settings of before."""
    tenant = make_tenant()
    domain = make_domain("a.pt", tenant, checks={})
    AuditDomain.objects.update(claimed_by="worker", next_audit_at=timezone.now())
    begun = timezone.now()
    tenant.spf_include = "spf.host.test"
    tenant.save()
    results = {c: make_result(c) for c in core_checks()}
    assert store.record(domain, results, begun_at=begun, owner="worker")
    assert AuditDomain.objects.due().count() == 1


# -- own names

ZONE = {
    "names": {
        "mx1.host.test": {"A": ["127.0.0.1"]},
        "alias.host.test": {"CNAME": ["mx1.host.test."]},
        "_spf.host.test": {"TXT": ["v=spf1 ip4:203.0.113.25 -all"]},
        "broken.host.test": {"TXT": ["v=spf1 ip4:999 -all"]},
    },
    "rules": [{"name": "mute.host.test", "action": "servfail"}],
}


def said(response):
    return [str(m) for m in get_messages(response.wsgi_request)]


def test_names_of_ours_that_do_not_work_are_said_and_saved(admin, dns):
    tenant = make_tenant()
    form = {**FORM, "sending_ips": "203.0.113.25"}
    texts = said(admin.post(change(tenant), form))
    assert not any("Our " in text for text in texts), texts
    form |= {
        "mail_hosts": "mx1.host.test\ngone.host.test\nalias.host.test",
        "spf_include": "broken.host.test",
        "webmail_target": "nowhere.host.test",
        "dmarc_rua": "dmarc@host.test",
    }
    texts = said(admin.post(change(tenant), form))
    for part in (
        "gone.host.test does not exist",
        "alias.host.test is an alias",
        "SPF include broken.host.test is broken",
        "nowhere.host.test does not exist",
        "takes no reports about other domains",
    ):
        assert sum(part in text for text in texts) == 1, (part, texts)
    assert Tenant.objects.get().spf_include == "broken.host.test"


def test_names_that_could_not_be_looked_at_are_not_called_broken(admin, dns):
    texts = said(admin.post(change(make_tenant()), {**FORM, "spf_include": "mute.host.test"}))
    assert any("mute.host.test could not be looked at" in text for text in texts), texts
    assert not any("does not exist" in text or "broken" in text for text in texts)


def test_a_change_of_the_name_alone_looks_at_nothing(admin, dns):
    tenant = make_tenant()
    admin.post(change(tenant), FORM)
    asked = len(dns.queries)
    admin.post(change(tenant), {**FORM, "name": "renamed"})
    assert len(dns.queries) == asked


def test_the_address_for_events_is_whole_and_told_with_the_saving(admin):
    page = admin.get(reverse("admin:audit_tenant_add")).content.decode()
    assert "Told as soon as the tenant is saved" in page
    answer = admin.post(reverse("admin:audit_tenant_add"), FORM, follow=True).content.decode()
    tenant = Tenant.objects.get()
    address = f"http://testserver/api/v1/webhooks/{tenant.pk}"
    assert address in answer
    assert f"<code>{address}</code>" in admin.get(change(tenant)).content.decode()


# -- without a portal, on purpose

WITHOUT = {**FORM, "portal_url": "", "without_portal": "on"}


def test_an_address_and_none_at_all_do_not_go_together(admin):
    tenant = make_tenant(portal_url="http://10.10.10.112:8090")
    answer = admin.post(change(tenant), {**FORM, "without_portal": "on"})
    assert "There is a portal address above: remove it, or untick this." in errors(answer)
    assert not Tenant.objects.get().without_portal
    assert admin.post(change(tenant), WITHOUT).status_code == 302
    assert Tenant.objects.get().is_without_portal


def test_the_box_stands_beside_the_address(admin):
    html = admin.get(change(make_tenant())).content.decode()
    address, box = html.index('name="portal_url"'), html.index('name="without_portal"')
    assert address < box < html.index('name="portal_token"')


def test_a_stored_token_is_left_alone_and_goes_to_no_other_portal_afterwards(admin):
    """Case 192: also not in three steps, by way of none on purpose."""
    tenant = make_tenant(portal_url="http://10.10.10.112:8090", portal_token="portal-token-value")
    assert admin.post(change(tenant), WITHOUT).status_code == 302
    assert Tenant.objects.get().portal_token == "portal-token-value"
    assert admin.post(change(tenant), {**WITHOUT, "name": "VM113"}).status_code == 302
    for step in ({"portal_url": "http://10.10.10.113:8090"}, {"portal_url": ""}, {}):
        answer = admin.post(change(tenant), {**FORM, **step})
        assert "Enter its token" in errors(answer), step
    assert Tenant.objects.get().is_without_portal
    assert admin.post(change(tenant), {**FORM, "portal_token": "new-token"}).status_code == 302
    kept = Tenant.objects.get()
    assert (kept.portal_url, kept.portal_token) == (FORM["portal_url"], "new-token")
    assert not kept.without_portal


def test_ticking_it_is_followed_at_once_and_in_the_log(admin):
    domain = make_domain("a.pt", make_tenant(portal_url=FORM["portal_url"]), checks={})
    assert admin.post(change(domain.tenant), WITHOUT).status_code == 302
    domain.refresh_from_db()
    assert (domain.score, domain.status, domain.checks.count()) == (6, "healthy", 6)
    assert "Without a portal" in LogEntry.objects.latest("pk").get_change_message()
