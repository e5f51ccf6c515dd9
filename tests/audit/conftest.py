"""Fixtures for what is kept and shown: bells instead of a queue, and a resolver that knows the test
module's ZONE.
"""

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from audit.queue.process import own_process
from mock_tenant.dnsserver import DnsServer
from tests.audit.notify.making import Clock
from tests.audit.notify.receivers import MailServer, Receiver, to_server


@pytest.fixture
def bells(monkeypatch):
    """The bells that were rung."""
    rung = []
    monkeypatch.setattr(
        "django_q.tasks.async_task",
        lambda name, *args, **kwargs: rung.append(name.rpartition(".")[2]),
    )
    return rung


@pytest.fixture
def dns(request, settings):
    """A DNS server with the module's ZONE, which audits ask."""
    own_process().loop.close()  # another test's may ask another server
    with DnsServer(request.module.ZONE) as server:
        settings.AUDIT_DNS_SERVERS = ((server.host, server.port),)
        settings.AUDIT_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
        settings.AUDIT_CHECK_TIMEOUT_SEC = 3
        yield server
        own_process().loop.close()
        own_process().stopping = False


@pytest.fixture
def clock():
    """A Tuesday night, which goes on when it is told to."""
    clock = Clock(datetime(2026, 11, 24, 2, 31, 5, tzinfo=UTC))
    yield clock
    clock.stop()


@pytest.fixture
def mails(settings):
    """A mail server that mail goes to."""
    with MailServer() as server:
        to_server(settings, server)
        yield server


@pytest.fixture
def hooks(settings):
    """A webhook receiver that may be posted to."""
    settings.NOTIFY_ALLOWED_NETWORKS = (ip_network("127.0.0.0/8"),)
    settings.SITE_URL = "https://audit.example.com"
    with Receiver() as receiver:
        yield receiver
