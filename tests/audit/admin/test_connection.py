"""*Test connection*: what the form holds, saved or not, half filled, with whose token."""

import pytest
from django.urls import reverse

from audit.admin.connection import TRIES
from audit.models import ServerCheck, Tenant
from tests.audit import factories as make
from tests.collectors.portal_server import PortalServer
from tests.collectors.server.card_lab import CARBONIO, GOOD, NGINX

pytestmark = pytest.mark.django_db
ZONE = {"names": {**GOOD, "2.0.0.127.bl.test": {"A": ["127.0.0.2"]}}}
NEW = reverse("admin:audit_tenant_test_new")
FORM = {"name": "VM112", "mail_hosts": "mx1.host.test", "webmail_url": "https://webmail.{domain}/"}
STORED, TYPED = "the-stored-token-1", "the-typed-token-2"


@pytest.fixture
def admin(client, dns):
    client.force_login(make.make_admin())
    return client


@pytest.fixture
def portal():
    with PortalServer({"carbonio": CARBONIO, "nginx": NGINX}) as server:
        yield server


def press(admin, address=NEW, **fields):
    response = admin.post(address, {**FORM, **fields})
    assert response.status_code == 200
    return response.content.decode()


def tokens(portal):
    return {r.headers.get("authorization", "").removeprefix("Bearer ") for r in portal.requests}


def test_the_form_has_the_button_and_the_button_saves_nothing(admin, bells):
    page = admin.get(reverse("admin:audit_tenant_add")).content.decode()
    assert f'formaction="{NEW}"' in page and 'formtarget="_blank"' in page
    assert page.index('name="_save"') < page.index('name="_test"')  # Enter in a field saves
    html = press(admin, sending_ips="203.0.113.25\r\n203.0.113.99")
    assert "mx1.host.test: each leads to an address." in html
    assert "203.0.113.99 has no reverse DNS" in html and "To do:" in html
    assert not Tenant.objects.exists() and not ServerCheck.objects.exists() and bells == []


def test_a_half_filled_form_says_what_it_did_not_use_and_judges_the_rest(admin):
    html = press(admin, name="", portal_url="10.0.0.1:8090", sending_ips="203.0.113.25\r\nmail")
    assert "mx1.host.test: each leads to an address." in html
    unused = html[html.index("<h2>Not used") : html.index("<h2>What was found")].lower()
    assert "portal address" in unused and "sending addresses" in unused and "line 2" in unused
    assert "No portal address is set." in html


def test_a_typed_token_goes_to_the_typed_portal_and_is_shown_nowhere(admin, portal):
    """Case 224."""
    html = press(admin, portal_url=portal.url, portal_token=TYPED)
    assert tokens(portal) == {TYPED} and TYPED not in html
    assert "It answers, and takes the token." in html


def test_a_typed_token_beside_an_address_that_is_none_goes_nowhere(admin, portal):
    """Case 224."""
    press(admin, portal_url=f"{portal.url}/?x=y z", portal_token=TYPED)
    assert portal.requests == []


def test_the_stored_token_goes_to_the_stored_origin_alone(admin, portal):
    """Cases 192, 224."""
    tenant = make.make_tenant(portal_url=portal.url, portal_token=STORED)
    url = reverse("admin:audit_tenant_test", args=[tenant.pk])
    html = press(admin, url, portal_url=f"{portal.url}/other/path")
    assert tokens(portal) == {STORED} and STORED not in html
    with PortalServer({"carbonio": CARBONIO}) as elsewhere:
        html = press(admin, url, portal_url=elsewhere.url)
        assert tokens(elsewhere) == {""} and "was not sent" in html
        press(admin, url, portal_url=elsewhere.url, portal_token=TYPED)
        assert tokens(elsewhere) == {"", TYPED}
    tenant.refresh_from_db()
    assert (tenant.portal_url, tenant.portal_token) == (portal.url, STORED)


def test_a_token_that_is_to_be_removed_is_not_used(admin, portal):
    tenant = make.make_tenant(portal_url=portal.url, portal_token=STORED)
    url = reverse("admin:audit_tenant_test", args=[tenant.pk])
    press(admin, url, portal_url=portal.url, remove_portal_token="on")
    assert tokens(portal) == {""}


def test_a_stored_tenants_domains_are_asked_about(admin, portal):
    tenant = make.make_tenant(portal_url=portal.url, portal_token=STORED)
    make.make_domain("kunde.test", tenant)
    html = press(admin, reverse("admin:audit_tenant_test", args=[tenant.pk]), portal_url=portal.url)
    assert "1 service running" in html
    assert {r.path.split("/")[4] for r in portal.requests} == {"kunde.test"}


def test_block_lists_are_asked_once_about_an_address_however_often(admin, dns, settings):
    """Case 223."""
    settings.AUDIT_DNSBLS = ("bl.test",)
    for _press in range(3):
        html = press(admin, sending_ips="203.0.113.25")
    assert dns.count("25.113.0.203.bl.test", "A") == 1
    assert "left alone until their turn" in html


def test_who_presses_too_often_is_told_to_wait(admin):
    for _press in range(TRIES):
        press(admin)
    response = admin.post(NEW, FORM)
    assert response.status_code == 429 and int(response["Retry-After"]) > 0


def test_who_may_not_change_tenants_tests_none(client, dns, portal):
    tenant = make.make_tenant(portal_url=portal.url, portal_token=STORED)
    url = reverse("admin:audit_tenant_test", args=[tenant.pk])
    for user in (make.make_viewer(), make.make_operator()):
        client.force_login(user)
        for address in (url, NEW):
            assert client.post(address, FORM).status_code == 403
    assert portal.requests == []
    assert client.post(reverse("admin:audit_tenant_test", args=[999]), FORM).status_code == 403


def test_a_get_leads_to_the_form(admin):
    tenant = make.make_tenant()
    url = reverse("admin:audit_tenant_test", args=[tenant.pk])
    assert admin.get(url).headers["Location"].endswith(f"/{tenant.pk}/change/")
    assert admin.get(NEW).headers["Location"].endswith("/add/")


def test_what_a_zone_says_is_text(admin, dns):
    """Case 161."""
    dns.zone.add("_spf.evil.test", "TXT", "v=spf1 <script>alert(1)</script> -all")
    html = press(admin, spf_include="_spf.evil.test", sending_ips="203.0.113.25")
    assert "<script>alert" not in html and "is broken" in html
