"""What processes count, and that nothing of it is counted twice or taken back."""

import threading
from unittest import mock

import pytest
from django.db import OperationalError, connections

from audit.models import AuditDomain, Tally
from audit.queue.event_loop import ProcessLoop
from audit.queue.process import AuditProcess, own_process
from audit.queue.tallies import Tallies
from tests.audit import factories as make
from tests.audit.draining import drain_due

ZONE = {
    "names": {
        "cliente.pt": {"MX": ["10 mx1.host.test."], "TXT": ["v=spf1 -all"]},
        "cliente2.pt": {"MX": ["10 mx1.host.test."]},
        "mx1.host.test": {"A": ["203.0.113.25"]},
    }
}


def numbers():
    return {(t.name, t.kind): t.value for t in Tally.objects.exclude(name=Tally.PORTAL_LEFT_ALONE)}


@pytest.fixture
def fresh_process(monkeypatch):
    """This process as if it had counted nothing yet."""
    monkeypatch.setattr(own_process(), "tallies", Tallies(own_process().loop))


@pytest.mark.django_db
def test_a_drain_counts_its_audits_and_lookups(dns, bells, fresh_process):
    tenant = make.make_tenant()
    for name in ("cliente.pt", "cliente2.pt"):
        make.make_domain(name, tenant)
    assert drain_due() == 2
    found = numbers()
    results = {d.status for d in AuditDomain.objects.all()}
    assert sum(n for (name, _kind), n in found.items() if name == "audits") == 2
    assert {kind for name, kind in found if name == "audits"} == results
    assert sum(n for (name, _kind), n in found.items() if name == "audits_within") == 2
    assert found["audit_seconds", ""] > 0
    assert found["lookups", "noerror"] >= 2 and found["lookups", "nxdomain"] >= 1
    assert found["cache_hits", ""] > 0  # both lead to the same mail host
    before = found["audits", results.pop()]
    AuditDomain.objects.all().request_audit()
    assert drain_due() == 2
    assert numbers()["audits", AuditDomain.objects.first().status] > before


@pytest.mark.django_db
def test_a_drain_that_has_nothing_to_do_writes_nothing(bells, fresh_process):
    drain_due()
    assert numbers() == {}


@pytest.mark.django_db
def test_an_audit_whose_claim_was_lost_is_counted_as_such(dns, bells, fresh_process, monkeypatch):
    make.make_domain("cliente.pt")
    from audit.results import store

    def lost(lot):
        AuditDomain.objects.update(claimed_by="somebody else")
        return record(lot)

    record = store.record_lot
    monkeypatch.setattr(store, "record_lot", lost)
    drain_due()
    assert numbers()["audits", "discarded"] == 1


@pytest.mark.django_db
def test_a_domain_that_is_given_up_is_counted(dns, bells, fresh_process):
    domain = make.make_domain("cliente.pt")
    AuditDomain.objects.filter(pk=domain.pk).update(attempts=9)
    drain_due()
    assert numbers()["audits", "given_up"] == 1


@pytest.mark.django_db
def test_what_the_database_does_not_take_is_kept_for_the_next_time():
    tallies = Tallies(ProcessLoop())
    tallies.given_up()
    with mock.patch.object(Tally, "_write", side_effect=OperationalError("locked")):
        tallies.add()
    tallies.given_up()
    tallies.add()
    tallies.add()
    assert numbers() == {("audits", "given_up"): 2}


@pytest.mark.django_db
def test_a_process_that_starts_anew_takes_nothing_back():
    for _process in range(3):
        tallies = AuditProcess().tallies
        tallies.given_up()
        tallies.add()
    assert numbers() == {("audits", "given_up"): 3}


@pytest.mark.django_db
def test_durations_fall_into_their_buckets():
    tallies = Tallies(ProcessLoop())
    for seconds in (0.01, 0.05, 0.051, 59, 61):
        tallies.audited({}, seconds, kept=True)
    tallies.add()
    found = {kind: n for (name, kind), n in numbers().items() if name == "audits_within"}
    assert found == {"0.05": 2, "0.1": 1, "60.0": 1, "+Inf": 1}


@pytest.mark.django_db
def test_a_portal_is_noted_while_it_is_left_alone_and_once_when_it_is_not():
    tallies, states = Tallies(ProcessLoop()), [{"http://a:1"}, {"http://a:1", "http://b:1"}, set()]
    clients = tallies._loop.clients
    noted = []
    with mock.patch.object(Tally, "note_portals", side_effect=noted.append):
        for state in [*states, set()]:
            with mock.patch.object(clients, "portals_left_alone", return_value=state):
                tallies.add()
    assert noted == [
        {"http://a:1": True},
        {"http://a:1": True, "http://b:1": True},
        {"http://a:1": False, "http://b:1": False},
        {},
    ]
    tallies._loop.close()


@pytest.mark.django_db(transaction=True)
def test_those_who_add_at_the_same_time_lose_nothing():
    def add():
        for _time in range(20):
            Tally.add({("audits", "healthy"): 1, ("lookups", "noerror"): 2.5})
        connections.close_all()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert numbers() == {("audits", "healthy"): 80, ("lookups", "noerror"): 200}


@pytest.mark.django_db
def test_portals_that_are_long_gone_are_forgotten():
    Tally.note_portals({"http://a:1": True, "http://b:1": False})
    assert Tally.forget_portals() == 1
    assert Tally.objects.get().kind == "http://a:1"
