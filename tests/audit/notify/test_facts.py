"""What a message says as plain data."""

import pytest
from django.utils import timezone

from audit.models import Notification, ServerCheck
from audit.notify import facts
from tests.audit.factories import audit, make_domain, make_domains, make_tenant
from tests.audit.notify.making import make_channel, open_incident

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _site(settings):
    settings.SITE_URL = "https://audit.example.com"


def test_an_incident_of_one_domain_leads_to_its_scorecard_with_the_fix_as_it_stands():
    domain = audit(make_domain("cliente.pt"), dns_mx="fail")
    incident = open_incident(domain, code="dns_mx_problem")
    said = facts.incident_facts(incident, set())
    assert said["url"] == f"https://audit.example.com/domains/{domain.tenant_id}/cliente.pt/"
    assert said["what_to_do"].startswith("Publish the record. The page has the records")
    assert (said["domains"], said["domains_count"]) == (["cliente.pt"], 1)
    assert said["check"] == "Mail exchange (MX)"


def test_an_incident_of_a_server_has_the_advice_of_its_row():
    tenant = make_tenant()
    fix = {"text": "Start the service.", "text_source": {}, "records": []}
    found = {"code": "server_x", "severity": "fail", "message": "x", "owner": "host", "fix": fix}
    ServerCheck.objects.create(
        tenant=tenant,
        check_id="server_services",
        status="fail",
        findings=[found],
        checked_at=timezone.now(),
        since=timezone.now(),
    )
    incident = open_incident(
        tenant=tenant,
        kind="server",
        key=f"{tenant.pk}:server_services",
        check_id="server_services",
        code="server_x",
        owner="host",
    )
    said = facts.incident_facts(incident, set())
    assert said["what_to_do"] == "Start the service."
    assert f"/tenants/{tenant.pk}/" in said["url"]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("portal", "its portal answers"),
        ("resolver", "AUDIT_DNS_SERVERS"),
        ("name_server", "answer from elsewhere"),
    ],
)
def test_what_we_measure_through_has_advice_of_its_own(kind, said):
    incident = open_incident(tenant=make_tenant(), kind=kind, check_id="", owner="measurement")
    assert said in facts.what_to_do(incident)


def test_of_many_domains_the_first_are_named_and_all_counted():
    domains = list(make_domains(15, make_tenant()))
    said = facts.incident_facts(open_incident(*domains, kind="mail_host"), set())
    assert len(said["domains"]) == facts.NAMED and said["domains_count"] == 15


def test_of_many_incidents_the_first_are_listed_and_all_counted():
    incidents = [open_incident(d) for d in make_domains(60, make_tenant())]
    said = facts.counted(incidents, set())
    assert said["count"] == 60 and len(said["first"]) == facts.LISTED


def test_a_name_that_a_portal_or_a_person_gave_is_visible_text():
    """Case 242."""
    tenant = make_tenant("VM\r\n112\u202e")
    said = facts.incident_facts(open_incident(make_domain(tenant=tenant), message="a\x1bb"), set())
    assert said["tenant"] == {"id": tenant.pk, "name": "VM\\x0d\\n112\\u202e"}
    assert said["message"] == "a\\x1bb"


def test_a_test_leads_to_its_channel():
    channel = make_channel("email")
    row = Notification(channel=channel, event="test", key="x", facts={"channel": "email"})
    assert facts.facts_of(row)["url"] == (
        f"https://audit.example.com/admin/audit/notificationchannel/{channel.pk}/change/"
    )
