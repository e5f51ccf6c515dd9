"""Who did what stands in Django's LogEntry, whichever door it came through, and never a secret."""

import io

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from audit.models import ApiToken, AuditDomain, AuditRun, Tenant
from audit.reading import trail as reading
from audit.results import trail
from tests.audit import factories as make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("bells")]


def of(row):
    """[(who, what)] of a domain or a tenant, newest first."""
    return [(entry.who, entry.said) for entry in reading.recent(row, 50)]


@pytest.fixture
def domain():
    return make.make_domain("a.pt", make.make_tenant("VM112"), checks={})


@pytest.fixture
def ana(client):
    user = make.make_admin("ana")
    client.force_login(user)
    return user


def test_an_audit_that_a_person_asks_for(client, ana, domain):
    address = reverse("run", args=[domain.tenant_id, domain.domain])
    client.post(address)
    client.post(address)  # the first has not begun: it is the same
    assert of(domain) == [("ana", "Audit asked for")]


def test_a_test_of_the_server(client, ana, domain):
    client.post(reverse("test-server", args=[domain.tenant_id]))
    assert of(domain.tenant) == [("ana", "Server test asked for")]
    page = client.get(reverse("tenant", args=[domain.tenant_id])).content.decode()
    assert "Server test asked for" in page
    assert reverse("tenant-trail", args=[domain.tenant_id]) in page


def test_audits_of_what_is_filtered_stand_with_each_tenant(client, ana, domain):
    other = make.make_domain("b.pt", make.make_tenant("VM113"), checks={})
    make.make_domain("c.pt", other.tenant, checks={})
    client.post(reverse("run-filtered"))
    assert of(other.tenant) == [("ana", "Audits asked for: 2")]
    assert of(domain.tenant) == [] and of(domain) == [("ana", "Audit asked for")]


def test_audits_that_the_administration_asks_for(client, ana, domain):
    client.post(
        reverse("admin:audit_auditdomain_changelist"),
        {"action": "audit_now", "_selected_action": [domain.pk]},
    )
    assert of(domain) == [("ana", "Audit asked for")]


def test_what_a_token_does_is_the_tokens_and_no_persons(domain):
    make.make_user("deploy")  # of the same name
    secret = make.make_token("run", name="deploy")
    client = Client(headers=make.bearer(secret))
    base = f"/api/v1/audit/tenants/{domain.tenant_id}/domains"
    client.post(f"/api/v1/audit/run/{domain.tenant_id}?domain=a.pt")
    client.post(base, {"domain": "b.pt"}, content_type="application/json")
    client.post(base, {"domain": "b.pt"}, content_type="application/json")
    client.delete(f"{base}/a.pt")
    new = AuditDomain.objects.get(domain="b.pt")
    assert of(new) == [("token deploy", "Domain registered")]
    assert of(domain.tenant) == [
        ("token deploy", "Domain removed: a.pt"),
        ("token deploy", "Domain registered: b.pt"),
    ]
    assert [entry.user.username for entry in LogEntry.objects.all()] == [trail.PROGRAMS] * 5
    assert not User.objects.get(username=trail.PROGRAMS).is_active


def test_what_is_done_with_a_session_over_the_api_is_the_persons(client, ana, domain):
    client.delete(f"/api/v1/audit/tenants/{domain.tenant_id}/domains/a.pt")
    assert of(domain.tenant) == [("ana", "Domain removed: a.pt")]


def test_no_token_signs_the_account_of_programs_in(domain):
    """Case 258."""
    account = trail.programs()
    assert not account.has_usable_password() and not account.is_staff
    assert not Client().login(username=trail.PROGRAMS, password="!")
    from django.contrib.auth.forms import UserCreationForm

    form = UserCreationForm({"username": trail.PROGRAMS, "password1": "x", "password2": "x"})
    assert "username" in form.errors  # nobody can be given its name


def test_a_report_link_is_noted_and_not_kept(client, ana, domain):
    """Case 259."""
    make.audit(domain)
    page = client.post(reverse("make-report", args=[domain.tenant_id, domain.domain]))
    link = page.context["link"]
    assert of(domain) == [("ana", "Report link made")]
    assert link.token not in str(list(LogEntry.objects.values()))


def test_a_tenant_that_is_changed_and_tokens_that_come_and_go(client, ana, domain):
    """Case 259."""
    tenant = domain.tenant
    fields = {"name": "VM112", "language": "pt", "quota": 10, "enabled": "on", "contact": "x"}
    fields |= {"portal_url": "http://10.0.0.1:8090", "portal_token": "a-secret-token"}
    fields |= {"webmail_url": "https://webmail.{domain}/", "mail_hosts": "mx1.host.test"}
    fields |= {"sending_ips": "203.0.113.25", "sync": "propose"}
    answer = client.post(reverse("admin:audit_tenant_change", args=[tenant.pk]), fields)
    assert answer.status_code == 302
    (who, said), *_rest = of(tenant)
    assert who == "ana" and said.startswith("Changed ") and "ortal token" in said
    page = client.post(
        reverse("admin:audit_apitoken_add"),
        {"name": "deploy", "scopes": ["read"], "tenant": tenant.pk},
    )
    secret = page.context["secret"]
    token = ApiToken.objects.get()
    client.post(
        reverse("admin:audit_apitoken_changelist"),
        {"action": "revoke", "_selected_action": [token.pk]},
    )
    assert of(tenant)[:2] == [("ana", "Token revoked: deploy"), ("ana", "Token made: deploy")]
    kept = str(list(LogEntry.objects.values()))
    assert "a-secret-token" not in kept and secret not in kept


def test_domains_that_the_administration_adds_imports_and_removes(client, ana, domain):
    tenant = domain.tenant
    add = {"tenant": tenant.pk, "domain": "b.pt", "dkim_selectors": "", "enabled": "on"}
    formset = {f"checks-{n}_FORMS": 0 for n in ("TOTAL", "INITIAL", "MIN_NUM", "MAX_NUM")}
    client.post(reverse("admin:audit_auditdomain_add"), {**add, **formset})
    assert of(tenant) == [("ana", "Domain registered: b.pt")]
    address = reverse("admin:audit_auditdomain_import")
    lists = {"tenant": tenant.pk, "lines": "c.pt\nd.pt"}
    seen = client.post(address, lists).context["form"].initial["seen"]
    client.post(address, {**lists, "seen": seen, "confirm": "1"})
    assert of(tenant)[0] == ("ana", "Domains imported: 2")
    assert of(AuditDomain.objects.get(domain="c.pt")) == [("ana", "Imported.")]
    keys = list(AuditDomain.objects.values_list("pk", flat=True))
    chosen = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
    client.post(reverse("admin:audit_auditdomain_changelist"), chosen)
    assert of(tenant)[0] == ("ana", "Domains removed: a.pt, b.pt, c.pt, d.pt")
    assert not AuditDomain.objects.exists()


def test_what_a_command_does_names_the_systems_user(domain, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "root")
    out = io.StringIO()
    call_command("create_token", "cron", "--tenant", "VM112", stdout=out, stderr=io.StringIO())
    assert of(domain.tenant) == [("command root", "Token made: cron")]
    assert of(ApiToken.objects.get()) == [("command root", "Token made")]
    assert out.getvalue().strip() not in str(list(LogEntry.objects.values()))


def test_what_was_done_is_undone_with_its_entry(domain):
    who = trail.Actor.token("x")
    with pytest.raises(RuntimeError, match="no"):
        from django.db import transaction

        with transaction.atomic():
            trail.note(who, [domain], trail.ASKED)
            raise RuntimeError("no")
    assert of(domain) == []


def test_an_entry_outlives_the_account_of_who_did_it(client, ana, domain):
    """Case 258."""
    client.post(reverse("run", args=[domain.tenant_id, domain.domain]))
    Tenant.objects.update(contact="before")
    LogEntry.objects.log_actions(
        ana.pk, [domain.tenant], 2, [{"changed": {"fields": ["Contact"]}}], single_object=True
    )
    ana.delete()
    assert of(domain) == [("ana", "Audit asked for")]
    assert of(domain.tenant) == [("ana", "Changed Contact.")]
    boss = make.make_admin("boss")
    trail.note(trail.Actor.person(boss), [domain], trail.REPORT)
    User.objects.filter(pk=boss.pk).delete()
    assert of(domain)[0] == ("boss", "Report link made")


def test_what_is_waived_and_taken_back(ana, domain):
    make.audit(domain, dns_spf="fail")
    from audit.results import waivers

    waiver = waivers.waive(domain, "dns_spf", "", reason="moves to us", by="ana", until=None)
    waivers.take_back(waiver, "gone")
    waivers.take_back(waiver, "ana")  # it has ended already
    assert of(domain) == [
        ("gone", "No longer marked as known: dns_spf"),
        ("ana", "Marked as known: dns_spf (moves to us)"),
    ]


def test_names_that_look_like_programs_are_not_believed(domain):
    """Case 258: only the account of programs speaks of them."""
    user = make.make_user("eve")
    LogEntry.objects.log_actions(user.pk, [domain], 2, "Audit asked for [token deploy]")
    trail.note(trail.Actor.token("x] [user ana"), [domain], trail.ASKED)
    assert of(domain) == [
        ("token x] [user ana", "Audit asked for"),
        ("eve", "Audit asked for [token deploy]"),
    ]


def test_it_is_said_in_the_readers_language_and_shown_paged(client, domain):
    viewer = make.make_viewer("vi")
    client.force_login(viewer)
    for _n in range(60):
        trail.note(trail.Actor.token("deploy <b>"), [domain], trail.ASKED)
    page = client.get(reverse("scorecard", args=[domain.tenant_id, domain.domain])).content.decode()
    assert page.count("token deploy &lt;b&gt;") == reading.RECENT and "<b>deploy" not in page
    address = reverse("trail", args=[domain.tenant_id, domain.domain])
    assert address in page
    first = client.get(address)
    assert first.content.decode().count("token deploy") == reading.PAGE
    second = client.get(address, {"cursor": first.context["next_cursor"]})
    assert second.content.decode().count("token deploy") == 10
    assert client.get(address, {"cursor": "forged"}).status_code == 200


def test_who_may_see_it(client, domain):
    addresses = [
        reverse("trail", args=[domain.tenant_id, domain.domain]),
        reverse("tenant-trail", args=[domain.tenant_id]),
    ]
    for address in addresses:
        assert client.get(address).status_code == 302
    client.force_login(make.make_user(staff=False))
    for address in addresses:
        assert client.get(address).status_code == 403
    client.force_login(make.make_viewer())
    for address in addresses:
        assert client.get(address).status_code == 200
    assert client.get(reverse("tenant-trail", args=[10**18])).status_code == 404


def test_the_trail_of_a_row_is_read_by_its_index(domain):
    from tests.audit.test_query_plans import plans_of

    trail.note(trail.Actor.token("x"), [domain], trail.ASKED)
    plans = plans_of(lambda: reading.recent(domain))
    of_entries = [plan for sql, plan in plans if "django_admin_log" in sql.split("WHERE")[0]]
    assert of_entries and all("audit_trail" in str(plan) for plan in of_entries), plans
    assert all("TEMP B-TREE" not in str(plan) for plan in of_entries)


def test_it_is_pruned_after_a_year(domain, settings):
    from datetime import timedelta

    from audit import tasks

    for days in (400, 366, 364, 0):
        trail.note(trail.Actor.token(str(days)), [domain], trail.ASKED)
        entry = LogEntry.objects.latest("pk")
        LogEntry.objects.filter(pk=entry.pk).update(
            action_time=entry.action_time - timedelta(days=days)
        )
    tasks.prune()
    assert {who for who, _said in of(domain)} == {"token 364", "token 0"}
    assert AuditRun.objects.count() == 0
