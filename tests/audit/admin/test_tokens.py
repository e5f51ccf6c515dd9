"""API tokens in the administration: the secret is shown once and kept nowhere."""

import logging
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from audit.api.auth import find_token
from audit.models import ApiToken
from tests.audit.factories import bearer, make_admin, make_operator, make_tenant, make_token

pytestmark = pytest.mark.django_db
LIST = "/admin/audit/apitoken/"
FORM = {
    "name": "monitoring",
    "scopes": ["run"],
    "tenant": "",
    "expires_at_0": "",
    "expires_at_1": "",
}


@pytest.fixture
def admin(client):
    client.force_login(make_admin())
    return client


def secret_in(html):
    return re.search(r'id="secret"[^>]* value="(lbx_[\w-]{43})"', html)[1]


def test_adding_one_shows_its_secret_once_and_it_works(admin, caplog):
    caplog.set_level(logging.DEBUG)
    response = admin.post(LIST + "add/", FORM)
    assert response.status_code == 200 and "no-store" in response["Cache-Control"]
    secret = secret_in(response.content.decode())
    token = find_token(secret)
    assert (token.name, token.scopes, token.tenant) == ("monitoring", ["read", "run"], None)
    admin.logout()
    assert admin.get("/api/v1/audit/overview", headers=bearer(secret)).status_code == 200
    admin.force_login(make_admin())
    for path in (
        LIST,
        f"{LIST}{token.pk}/change/",
        f"{LIST}{token.pk}/history/",
        f"{LIST}{token.pk}/delete/",
        "/admin/",
    ):
        assert secret not in admin.get(path).content.decode()
    assert secret not in str(response.cookies) + str(admin.cookies) + caplog.text
    assert secret not in str(list(LogEntry.objects.values_list())) + str(
        list(ApiToken.objects.values_list())
    )
    assert secret not in str(dict(admin.session))


@pytest.mark.parametrize("button", ["_save", "_continue", "_addanother"])
def test_every_button_leads_to_the_secret(admin, button):
    assert secret_in(admin.post(LIST + "add/", {**FORM, button: "1"}).content.decode())


def test_a_form_with_a_mistake_makes_no_token(admin):
    for change in (
        {"name": ""},
        {"scopes": []},
        {"scopes": ["admin"]},
        {"expires_at_0": "tomorrow", "expires_at_1": "x"},
        {"tenant": "99"},
    ):
        response = admin.post(LIST + "add/", {**FORM, **change})
        assert (
            response.status_code == 200
            and 'id="secret"' not in response.content.decode()
            and response.context["errors"]
        ), change
    assert not ApiToken.objects.exists()


def test_changing_one_keeps_its_secret(admin):
    secret, tenant = make_token("run"), make_tenant()
    token = ApiToken.objects.get()
    response = admin.post(
        f"{LIST}{token.pk}/change/",
        {**FORM, "name": "renamed", "scopes": ["read"], "tenant": tenant.pk},
    )
    assert response.status_code == 302
    token = find_token(secret)
    assert (token.name, token.scopes, token.tenant) == ("renamed", ["read"], tenant)


def test_revoking_ends_them_and_says_how_many(admin):
    secrets = [make_token(), make_token(), make_token(revoked_at=timezone.now())]
    before = ApiToken.objects.exclude(revoked_at=None).get().revoked_at
    data = {
        "action": "revoke",
        "_selected_action": list(ApiToken.objects.values_list("pk", flat=True)),
    }
    response = admin.post(LIST, data, follow=True)
    assert "Revoked: 2." in response.content.decode()
    assert (
        not any(find_token(secret) for secret in secrets)
        and ApiToken.objects.filter(revoked_at=before).count() == 1
    )
    assert LogEntry.objects.filter(change_message="Revoked.").count() == 2


def test_changing_a_token_does_not_unrevoke_it(admin, monkeypatch):
    secret = make_token()
    token = ApiToken.objects.get()
    from audit.admin.tokens import ApiTokenAdmin

    save = ApiTokenAdmin.save_model

    def meanwhile(self, request, obj, form, change):
        ApiToken.objects.update(revoked_at=timezone.now())
        save(self, request, obj, form, change)

    monkeypatch.setattr(ApiTokenAdmin, "save_model", meanwhile)
    admin.post(f"{LIST}{token.pk}/change/", {**FORM, "name": "renamed"})
    assert ApiToken.objects.get().name == "renamed" and find_token(secret) is None


def test_an_operator_can_neither_see_nor_make_nor_revoke_one(client):
    secret = make_token()
    client.force_login(make_operator())
    token = ApiToken.objects.get()
    for path in (LIST, LIST + "add/", reverse("admin:audit_apitoken_change", args=[token.pk])):
        assert client.get(path).status_code == client.post(path, FORM).status_code == 403
    assert (
        client.post(LIST, {"action": "revoke", "_selected_action": [token.pk]}).status_code == 403
    )
    assert find_token(secret) and ApiToken.objects.count() == 1
