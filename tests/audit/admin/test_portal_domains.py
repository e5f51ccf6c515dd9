"""Differences between servers and our list in the administration: read-only, with two actions."""

import pytest

from audit.models import AuditDomain, PortalDomain
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
URL = "/admin/audit/portaldomain/"


@pytest.fixture
def tenant():
    return make.make_tenant(portal_url="http://127.0.0.1:9", quota=2)


def act(client, action, rows):
    data = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(URL, data, follow=True).content.decode()


def test_a_viewer_looks_and_does_nothing(client, tenant):
    row = make.make_difference(tenant, "a.test")
    client.force_login(make.make_viewer())
    assert "a.test" in client.get(URL).content.decode()
    assert client.get(f"{URL}{row.pk}/change/").status_code == 200
    assert client.get(f"{URL}add/").status_code == 403
    act(client, "register", [row])
    assert not AuditDomain.objects.exists()


def test_an_operator_registers_within_the_quota_and_leaves_so(client, tenant, bells):
    rows = [make.make_difference(tenant, f"d{n}.test") for n in range(3)]
    client.force_login(make.make_operator())
    html = act(client, "register", rows)
    assert AuditDomain.objects.count() == 2
    assert "to be audited now: 2" in html and "used up: 1" in html
    assert "Left so: 1" in act(client, "leave_so", [rows[2]])
    assert not PortalDomain.objects.open().exists()
