"""With the portal stopped, everything else goes on, and what the portal said last is not forgotten."""

from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.utils import timezone

from audit import loop, runner, scorecards
from audit.models import AuditDomain, Tenant
from mock_tenant.dnsserver import DnsServer
from tests.collectors.portal_server import TOKEN, PortalServer

PORTAL = ("carbonio", "nginx_vhost", "cert_le")
ZONE = {"names": {"kunde.test": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]}, "mx1.host.test": {"A": ["127.0.0.2"]}}}
ANSWERS = {
    "carbonio": {"json": {"status": "active", "services": {"mta": "running"}, "accounts": 1, "dkim": None}},
    "nginx": {"json": {"vhost": True, "server_names": ["webmail.kunde.test"], "tls": True, "config_ok": False, "running": True}},
}


@pytest.mark.django_db
def test_the_portals_checks_are_unknown_with_their_last_conclusive_result_and_the_others_arrive(settings):
    settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    with DnsServer(ZONE) as dns:
        settings.AUDIT_DNS_SERVERS = ((dns.host, dns.port),)
        with PortalServer(ANSWERS) as portal:
            tenant = Tenant.objects.create(name="VM112", mail_hosts=["mx1.host.test"], portal_url=portal.url, portal_token=TOKEN)
            domain = AuditDomain.objects.create(tenant=tenant, domain="kunde.test")
            runner.drain(seconds=20)
            loop.close_process_loop()  # a portal that stops also ends the connections that were kept
        before = {c["check_id"]: c for c in scorecards.of_domain(AuditDomain.objects.get())["checks"]}
        AuditDomain.objects.update(next_audit_at=timezone.now() - timedelta(seconds=1))
        runner.drain(seconds=20)
        loop.close_process_loop()
    domain.refresh_from_db()
    after = {c["check_id"]: c for c in scorecards.of_domain(domain)["checks"]}
    assert (before["carbonio"]["status"], before["nginx_vhost"]["status"]) == ("warn", "fail")
    assert [after[c]["status"] for c in PORTAL] == ["unknown"] * 3
    assert after["carbonio"]["findings"][0]["code"] == "portal_unreachable"
    assert after["carbonio"]["last_conclusive"] == {"status": "warn", "at": before["carbonio"]["checked_at"]}
    assert after["nginx_vhost"]["last_conclusive"]["status"] == "fail"
    assert after["dns_mx"]["status"] == "ok" and after["dns_mx"]["checked_at"] > before["dns_mx"]["checked_at"]
    assert not domain.transitions.filter(check_id="nginx_vhost").exclude(from_status="").exists()
