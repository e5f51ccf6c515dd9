"""Domains in the administration: adding, changing, the actions, removing, and events that are tried
again.
"""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, AuditRun, RunDomain, WebhookEvent
from tests.audit.factories import make_admin, make_domain, make_operator, make_tenant

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/auditdomain/"
EVENTS = "/admin/audit/webhookevent/"


@pytest.fixture
def operator(client, bells, django_capture_on_commit_callbacks):
    """A client whose POSTs end with their commit."""
    client.force_login(make_operator("ana"))
    post = client.post

    def commit(*args, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            return post(*args, **kwargs)

    client.post = commit
    return client


def act(client, action, rows, path=LIST, **more):
    response = client.post(
        path, {"action": action, "_selected_action": [r.pk for r in rows], **more}, follow=True
    )
    assert response.status_code == 200
    return [str(m) for m in response.context["messages"]]


def later(domain):
    """A domain whose turn is in an hour."""
    AuditDomain.objects.filter(pk=domain.pk).update(
        next_audit_at=timezone.now() + timezone.timedelta(hours=1)
    )
    return domain


def test_it_adds_a_domain_in_its_stored_form_due_at_once(operator, bells):
    tenant = make_tenant()
    response = operator.post(
        LIST + "add/",
        {
            "tenant": tenant.pk,
            "domain": " Bücher.EXAMPLE. ",
            "dkim_selectors": "s1\ns2",
            "enabled": "on",
        },
    )
    assert response.status_code == 302
    domain = AuditDomain.objects.due().get()
    assert (domain.domain, domain.source, domain.dkim_selectors) == (
        "xn--bcher-kva.example",
        "manual",
        ["s1", "s2"],
    )
    assert bells == ["drain"]
    html = operator.get(f"{LIST}{domain.pk}/change/").content.decode()
    assert "bücher.example" in html and "xn--bcher-kva.example" in html


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("127.0.0.1", "is an address"),
        ("localhost", "single part"),
        ("co.uk", "public suffix"),
        ("https://a.pt/", "is not a domain name"),
        ("ana@cliente.pt", "is not a domain name"),
        ("a\0b.pt", "Null characters"),
        ("", "required"),
        ("CLIENTE.pt.", "already exists"),
        ("x" * 300 + ".pt", "at most 253"),
    ],
)
def test_it_refuses_what_is_no_new_domain_and_says_why(operator, name, why):
    domain = make_domain("cliente.pt")
    response = operator.post(LIST + "add/", {"tenant": domain.tenant_id, "domain": name})
    assert response.status_code == 200 and why in str(response.context["errors"])
    assert AuditDomain.objects.count() == 1


def test_it_refuses_in_the_language_of_the_page(operator):
    form = {"tenant": make_domain("cliente.pt").tenant_id, "domain": "127.0.0.1"}
    response = operator.post(LIST + "add/", form, headers={"Accept-Language": "pt"})
    assert "é um endereço" in str(response.context["errors"])
    assert ">Ver<" in operator.get("/admin/", headers={"Accept-Language": "pt"}).content.decode()


def test_changing_keeps_the_name_and_what_the_worker_writes_meanwhile(operator, bells, monkeypatch):
    domain = later(make_domain("cliente.pt", checks={"dns_mx": "fail"}))
    from audit.admin.domains import AuditDomainAdmin

    save = AuditDomainAdmin.save_model

    def meanwhile(self, request, obj, form, change):
        AuditDomain.objects.filter(pk=obj.pk).update(score=3, claimed_by="worker")
        save(self, request, obj, form, change)

    monkeypatch.setattr(AuditDomainAdmin, "save_model", meanwhile)
    page = operator.get(f"{LIST}{domain.pk}/change/").content.decode()
    hidden = dict(re.findall(r'<input type="hidden" name="(checks-[^"]+)" value="([^"]*)"', page))
    assert hidden["checks-TOTAL_FORMS"] == "8" and 'name="checks-0-status"' not in page
    data = {
        "domain": "other.pt",
        "dkim_selectors": "s9",
        "enabled": "on",
        "score": "8",
        **hidden,
        "checks-0-status": "ok",
    }
    response = operator.post(f"{LIST}{domain.pk}/change/", data)
    assert response.status_code == 302
    domain.refresh_from_db()
    assert (domain.domain, domain.dkim_selectors, domain.score, domain.claimed_by) == (
        "cliente.pt",
        ["s9"],
        3,
        "worker",
    )
    assert domain.checks.get(check_id="dns_mx").status == "fail"
    assert domain.requested_at and domain.next_audit_at <= timezone.now() and bells == ["drain"]


def test_one_whose_name_is_refused_by_now_can_still_be_changed(operator):
    """The list of public suffixes grows, and with it the names that are none of one's own."""
    domain = make_domain("cliente.pt")
    AuditDomain.objects.filter(pk=domain.pk).update(domain="github.io")
    assert (
        operator.post(
            f"{LIST}{domain.pk}/change/",
            {"dkim_selectors": "s9", "checks-TOTAL_FORMS": 0, "checks-INITIAL_FORMS": 0},
        ).status_code
        == 302
    )
    domain.refresh_from_db()
    assert (domain.enabled, domain.dkim_selectors) == (False, ["s9"])


def test_a_bad_selector_is_named(operator):
    domain = make_domain("cliente.pt")
    response = operator.post(
        f"{LIST}{domain.pk}/change/", {"dkim_selectors": "s1\n../x", "enabled": "on"}
    )
    assert "Line 2: “../x” is not a DKIM selector." in str(response.context["errors"])


def test_a_name_of_mixed_scripts_is_marked(operator):
    domain = make_domain("рaypal.com")
    assert (
        "letters of several scripts" in operator.get(f"{LIST}{domain.pk}/change/").content.decode()
    )


@pytest.mark.parametrize("text", ["bücher.example", "BÜCHER.example", "xn--bcher", "cher"])
def test_it_finds_names_as_people_write_them(operator, text):
    make_domain("bücher.example")
    make_domain("outro.pt")
    html = operator.get(LIST, {"q": text}).content.decode()
    assert ("bücher.example" in html) == (
        text != "cher" or "cher" in "xn--bcher-kva"
    ) and "outro.pt" not in html


def test_audit_now_asks_for_one_run_a_tenant_and_leaves_out_what_is_disabled(operator, bells):
    one, two, off = make_tenant("T1"), make_tenant("T2"), make_tenant("T3", enabled=False)
    rows = [
        make_domain("a.pt", one),
        make_domain("b.pt", one),
        make_domain("c.pt", two),
        make_domain("d.pt", one, enabled=False),
        make_domain("e.pt", off),
    ]
    said = act(operator, "audit_now", rows)
    assert said == [
        "Domains that will be audited now: 3.",
        "Left out, because they or their tenant are disabled: 2.",
    ]
    runs = AuditRun.objects.order_by("pk")
    assert [(r.tenant, r.trigger, r.requested_by, r.domains) for r in runs] == [
        (one, "manual", "ana", 2),
        (two, "manual", "ana", 1),
    ]
    assert AuditDomain.objects.exclude(requested_at=None).count() == 3 and "drain" in bells


def test_asking_twice_is_one_run_and_another_choice_of_as_many_is_another(operator):
    tenant = make_tenant()
    a, b, c, d = (make_domain(f"{n}.pt", tenant) for n in "abcd")
    act(operator, "audit_now", [a, b])
    act(operator, "audit_now", [b, a])
    assert AuditRun.objects.count() == 1
    act(operator, "audit_now", [c, d])
    assert AuditRun.objects.count() == 2 and RunDomain.objects.count() == 4
    act(operator, "audit_now", [a])
    assert AuditRun.objects.latest("pk").scope == "a.pt"


def test_enabling_from_the_list_of_disabled_ones_makes_them_due(operator, bells):
    rows = [later(make_domain(f"{n}.pt", enabled=False)) for n in "ab"]
    said = act(operator, "enable", rows, path=LIST + "?enabled__exact=0")
    assert said == ["Enabled, to be audited now: 2."] and bells == ["drain"]
    assert AuditDomain.objects.due().exclude(requested_at=None).count() == 2
    assert LogEntry.objects.filter(change_message="Enabled.").count() == 2


def test_disabling_keeps_the_results(operator):
    domain = make_domain("a.pt", checks={})
    assert act(operator, "disable", [domain]) == ["Disabled: 1. Their last results stay."]
    domain.refresh_from_db()
    assert not domain.enabled and domain.score == 8 and domain.checks.count() == 8
    assert act(operator, "disable", [domain]) == ["Disabled: 0. Their last results stay."]


def test_removing_asks_first_and_takes_the_results_along(operator):
    rows = [make_domain("a.pt", checks={"dns_mx": "fail"}), make_domain("b.pt", checks={})]
    html = operator.get(f"{LIST}{rows[0].pk}/delete/").content.decode()
    assert "Checks: 8" in html and "Transitions: 8" in html and AuditDomain.objects.count() == 2
    response = operator.post(
        LIST, {"action": "delete_selected", "_selected_action": [r.pk for r in rows]}
    )
    assert (
        "Domains: 2" in response.content.decode()
        and "Checks: 16" in response.content.decode()
        and AuditDomain.objects.count() == 2
    )
    act(operator, "delete_selected", rows, post="yes")
    assert not AuditDomain.objects.exists() and not AuditCheck.objects.exists()


def test_five_thousand_are_removed_at_once_and_more_are_refused_with_the_reason(operator):
    """The page that asks first names each again: Django takes 1,000 fields of a form if nobody says
    otherwise.
    """
    tenant = make_tenant()
    AuditDomain.objects.bulk_create(
        [AuditDomain(tenant=tenant, domain=f"d{n}.pt") for n in range(5001)]
    )
    path = reverse("admin:audit_auditdomain_changelist")
    chosen = {
        "action": "delete_selected",
        "select_across": "1",
        "index": "0",
        "_selected_action": "1",
    }
    html = operator.post(path, chosen, follow=True).content.decode()
    assert "at most 5,000 are removed together" in html and AuditDomain.objects.count() == 5001
    AuditDomain.objects.filter(domain="d0.pt").delete()
    asked = operator.post(path, chosen).content.decode()
    keys = re.findall(r'name="_selected_action" value="(\d+)"', asked)
    assert len(keys) == 5000
    answer = operator.post(
        path, {"action": "delete_selected", "post": "yes", "_selected_action": keys}
    )
    assert answer.status_code == 302 and not AuditDomain.objects.exists()


def test_every_change_needs_the_csrf_token(operator):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    domain = make_domain("a.pt")
    for path in (
        LIST,
        LIST + "add/",
        LIST + "import/",
        f"{LIST}{domain.pk}/change/",
        f"{LIST}{domain.pk}/delete/",
        EVENTS,
    ):
        assert (
            strict.post(
                path, {"post": "yes", "action": "disable", "_selected_action": [domain.pk]}
            ).status_code
            == 403
        ), path
    assert AuditDomain.objects.filter(enabled=True).count() == 1


def make_event(**fields):
    tenant = make_domain().tenant
    defaults = {
        "event_id": "evt_1",
        "event": "account.created",
        "payload": {"data": {"domain": "novo.pt"}},
    }
    return WebhookEvent.objects.create(tenant=tenant, **{**defaults, **fields})


def test_an_event_that_failed_is_shown_with_its_error_and_can_be_tried_again(operator, bells):
    event = make_event(error="“nope” has a single part", processed_at=timezone.now())
    html = operator.get(EVENTS, {"outcome": "error"}).content.decode()
    assert "“nope” has a single part" in html and "evt_1" in html
    assert (
        "novo.pt"
        in operator.get(
            reverse("admin:audit_webhookevent_change", args=[event.pk])
        ).content.decode()
    )
    assert act(operator, "retry", [event], path=EVENTS + "?outcome=error") == [
        "Events that will be processed again: 1."
    ]
    event.refresh_from_db()
    assert event.processed_at is None and event.error == "" and bells == ["process_events"]
    from audit.tasks import process_events

    assert (
        process_events() == 1
        and AuditDomain.objects.filter(domain="novo.pt", source="onboarding").exists()
    )


@pytest.mark.parametrize(
    ("outcome", "seen"),
    [("error", "evt_e"), ("waiting", "evt_w"), ("done", "evt_d"), ("nonsense", None)],
)
def test_events_are_filtered_by_their_outcome(operator, outcome, seen):
    for event_id, fields in {
        "evt_e": {"error": "x", "processed_at": timezone.now()},
        "evt_w": {},
        "evt_d": {"processed_at": timezone.now()},
    }.items():
        WebhookEvent.objects.create(
            tenant=make_domain().tenant, event_id=event_id, event="x", payload={}, **fields
        )
    html = operator.get(EVENTS, {"outcome": outcome}).content.decode()
    assert [e for e in ("evt_e", "evt_w", "evt_d") if e in html] == (
        [seen] if seen else ["evt_e", "evt_w", "evt_d"]
    )


def test_the_only_tenant_is_chosen_already(client):
    client.force_login(make_admin())
    tenant = make_tenant()
    address = reverse("admin:audit_auditdomain_add")
    chosen = f'<option value="{tenant.pk}" selected>'
    assert chosen in client.get(address).content.decode()
    make_tenant("VM113")
    assert chosen not in client.get(address).content.decode()
