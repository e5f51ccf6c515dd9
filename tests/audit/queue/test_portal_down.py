"""With the portal stopped, everything else goes on, and what it said last is not forgotten."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Tenant
from audit.reading import scorecard
from mock_tenant.dnsserver import DnsServer
from scripts.ports import Reserved
from tests.audit.draining import close_loop, drain_due
from tests.collectors.dkim_keys import spki
from tests.collectors.portal_server import TOKEN, PortalServer

PORTAL = ("carbonio", "nginx_vhost")
ZONE = {
    "names": {
        "kunde.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]},
        "mx1.host.test": {"A": ["127.0.0.2"]},
    }
}
ANSWERS = {
    "carbonio": {
        "json": {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": None}
    },
    "nginx": {
        "json": {
            "vhost": True,
            "server_names": ["webmail.kunde.test"],
            "tls": True,
            "config_ok": False,
            "running": True,
        }
    },
}


@pytest.mark.django_db
def test_the_portals_checks_are_unknown_with_their_last_conclusive_result_and_the_others_arrive(
    settings,
):
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with DnsServer(ZONE) as dns, Reserved() as one:
        settings.AUDIT_DNS_SERVERS = ((dns.host, dns.port),)
        with PortalServer(ANSWERS, port=one.port) as portal:
            tenant = Tenant.objects.create(
                name="VM112",
                mail_hosts=["mx1.host.test"],
                portal_url=portal.url,
                portal_token=TOKEN,
            )
            domain = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
            drain_due(seconds=100)
            close_loop()  # a portal that stops also ends the connections that were kept
        before = {
            c["check_id"]: c for c in scorecard.of_domain(AuditDomain.objects.get())["checks"]
        }
        AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
        drain_due(seconds=100)
        close_loop()
    domain.refresh_from_db()
    after = {c["check_id"]: c for c in scorecard.of_domain(domain)["checks"]}
    assert (before["carbonio"]["status"], before["nginx_vhost"]["status"]) == ("warn", "fail")
    assert [after[c]["status"] for c in PORTAL] == ["unknown"] * 2
    # that there is no certificate was said, and is remembered: silence makes nothing green
    assert (before["cert_le"]["status"], after["cert_le"]["status"]) == ("fail", "fail")
    assert after["carbonio"]["findings"][0]["code"] == "portal_unreachable"
    assert after["carbonio"]["last_conclusive"] == {
        "status": "warn",
        "at": before["carbonio"]["checked_at"],
    }
    assert after["nginx_vhost"]["last_conclusive"]["status"] == "fail"
    assert (
        after["dns_mx"]["status"] == "ok"
        and after["dns_mx"]["checked_at"] > before["dns_mx"]["checked_at"]
    )
    assert not domain.transitions.filter(check_id="nginx_vhost").exclude(from_status="").exists()


@pytest.mark.django_db
def test_a_portal_that_goes_and_comes_back_makes_no_transition(settings):
    """Case 187: the published key is not the one that the server signs with, all the while."""
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.AUDIT_DNS_CACHE_SEC = 0
    key = {"selector": "s1", "public_key": spki()}
    carbonio = {"json": {**ANSWERS["carbonio"]["json"], "dkim": key}}
    record = {"TXT": [f"v=DKIM1; k=rsa; p={spki(name='other')}"]}
    zone = {"names": {**ZONE["names"], "s1._domainkey.kunde.test": record}}
    up = {**ANSWERS, "carbonio": carbonio}
    down = {what: {"drop": True} for what in up}
    with DnsServer(zone) as dns, PortalServer(up) as portal:
        settings.AUDIT_DNS_SERVERS = ((dns.host, dns.port),)
        tenant = Tenant.objects.create(
            name="VM112", mail_hosts=["mx1.host.test"], portal_url=portal.url, portal_token=TOKEN
        )
        domain = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
        statuses = []
        for answers in (up, down, up):
            portal.answers = answers
            AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
            drain_due(seconds=100)
            statuses.append(domain.checks.get(check_id="dns_dkim").status)
    assert statuses == ["fail"] * 3
    assert not domain.transitions.exclude(from_status="").exists()
