"""Fixtures for what is kept and shown: bells instead of a queue, and a resolver that knows the test module's ZONE."""

from ipaddress import ip_network

import pytest

from audit import loop, runner
from mock_tenant.dnsserver import DnsServer


@pytest.fixture
def bells(monkeypatch):
    """The bells that were rung."""
    rung = []
    monkeypatch.setattr("django_q.tasks.async_task", lambda name, *args, **kwargs: rung.append(name.rpartition(".")[2]))
    return rung


@pytest.fixture
def dns(request, settings):
    """A DNS server with the module's ZONE, which audits ask."""
    with DnsServer(request.module.ZONE) as server:
        settings.AUDIT_DNS_SERVERS = ((server.host, server.port),)
        settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
        settings.AUDIT_CHECK_TIMEOUT_SEC = 3
        yield server
        loop.close_process_loop()
        runner.stopping.clear()
