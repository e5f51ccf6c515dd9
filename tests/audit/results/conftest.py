"""Fixtures of tests of incidents."""

import pytest

from audit.results import incident_events
from tests.audit.troubles import settled


@pytest.fixture
def domain():
    return settled("cliente.pt")


@pytest.fixture
def told(monkeypatch):
    """What listeners hear: [(event, kind, key)]."""
    heard = []
    monkeypatch.setattr(incident_events, "HANDLERS", [])
    incident_events.subscribe(
        lambda incident, event: heard.append((event, incident.kind, incident.key))
    )
    return heard
