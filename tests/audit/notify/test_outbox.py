"""Rows are written with what they are about, and what is undone within a minute is not told."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from audit.models import AuditDomain, Incident, Notification, NotificationChannel, Waiver
from audit.notify import outbox
from audit.results import incident_events
from audit.results.incident_events import Event
from tests.audit.factories import audit, make_domain, make_tenant
from tests.audit.notify.making import close_incident, make_channel, open_incident, send
from tests.audit.troubles import SHARED, fault, judged, settled
from tests.audit.troubles import audit as found

State = Notification.State
pytestmark = pytest.mark.django_db


def states():
    return list(Notification.objects.order_by("pk").values_list("event", "state"))


def test_incidents_are_listened_to():
    assert outbox.incident_changed in incident_events.HANDLERS


def test_what_is_rolled_back_is_not_told(hooks):
    make_channel(url=hooks.url)

    class Broken(Exception):
        pass

    with pytest.raises(Broken), transaction.atomic():
        open_incident(make_domain())
        assert Notification.objects.count() == 1
        raise Broken
    assert not Notification.objects.exists() and not Incident.objects.exists()


def test_the_same_event_twice_is_one_row(hooks):
    make_channel(url=hooks.url)
    incident = open_incident(make_domain())
    outbox.incident_changed(incident, Event.OPENED)
    assert Notification.objects.count() == 1


def test_what_is_back_within_a_minute_goes_on_as_what_was_told(clock, hooks, mails):
    make_channel(url=hooks.url)
    make_channel("email", recipients=["night@example.com"])
    domain = make_domain("cliente.pt")
    first = open_incident(domain)
    clock.go(hours=1)
    send()
    close_incident(first)
    clock.go(seconds=40)
    second = open_incident(domain)
    clock.go(minutes=5)
    send(2)
    assert len(hooks.posts) == len(mails.mails) == 1
    close_incident(second)
    clock.go(minutes=5)
    send(2)
    assert len(hooks.posts) == len(mails.mails) == 2
    began, over = (mail for _to, mail in mails.mails)
    assert over["In-Reply-To"] == began["Message-ID"]


def test_an_end_whose_beginning_was_not_told_is_not_told(clock, hooks):
    incident = open_incident(make_domain())
    make_channel(url=hooks.url)  # later than it began
    close_incident(incident)
    clock.go(minutes=5)
    send()
    assert states() == [] and hooks.posts == []


def test_what_goes_on_as_part_of_another_incident_is_told_by_that_one(clock, hooks):
    make_channel(url=hooks.url)
    told = open_incident(make_domain())
    clock.go(seconds=61)
    send()
    fresh = open_incident(make_domain())
    shared = open_incident(make_domain(), kind="mail_host", message="mx.host.test is away.")
    for part in (told, fresh):
        close_incident(part, event=Event.MERGED, merged_into=shared)
    clock.go(seconds=61)
    send(3)
    assert [b"mx.host.test" in body for _path, _headers, body in hooks.posts] == [False, True]
    assert not Notification.objects.filter(state=State.QUEUED).exists()


def test_a_waived_incident_sends_nothing_and_its_end_neither(clock, hooks):
    """Case 247."""
    make_channel(url=hooks.url)
    incident = open_incident(make_domain())
    Incident.objects.update(known=True)  # waived within the minute
    clock.go(seconds=61)
    send()
    incident.refresh_from_db()
    close_incident(incident)
    clock.go(seconds=61)
    send()
    assert hooks.posts == []
    assert states() == [("opened", State.DROPPED)]


def waived(domain, incident, **fields):
    Incident.objects.filter(pk=incident.pk).update(known=True)
    return Waiver.objects.create(
        domain=domain, check_id="dns_mx", reason="moves soon", by="ana", **fields
    )


@pytest.mark.parametrize("why", [Waiver.Ended.TIME, Waiver.Ended.CHANGED, Waiver.Ended.PERSON])
def test_a_waiver_that_ends_while_it_goes_on_is_told_once(clock, hooks, mails, why):
    """Case 247."""
    make_channel(url=hooks.url)
    make_channel("email", recipients=["night@example.com"])
    domain = make_domain("cliente.pt")
    incident = open_incident(domain)
    waiver = waived(domain, incident)
    clock.go(hours=5)
    send()
    Waiver.objects.filter(pk=waiver.pk).update(ended_at=timezone.now(), ended_why=why)
    Incident.objects.update(known=False)
    send()
    clock.go(seconds=61)
    send(3)
    assert [b"no_longer_known" in body for _p, _h, body in hooks.posts] == [True]
    assert mails.subjects == ["No longer known: Mail for cliente.pt goes elsewhere"]
    clock.go(hours=1)
    incident.refresh_from_db()
    close_incident(incident)
    clock.go(seconds=61)
    send(2)
    assert len(hooks.posts) == 2
    assert mails.mails[1][1]["In-Reply-To"] == mails.mails[0][1]["Message-ID"]


def test_a_waiver_that_ends_as_it_is_cured_is_not_told(clock, hooks):
    make_channel(url=hooks.url)
    domain = make_domain()
    incident = open_incident(domain)
    waiver = waived(domain, incident)
    clock.go(hours=5)
    Waiver.objects.filter(pk=waiver.pk).update(ended_at=timezone.now(), ended_why="cured")
    incident.refresh_from_db()
    close_incident(incident)
    clock.go(seconds=61)
    send(2)
    assert hooks.posts == []


def test_an_incident_that_ends_with_its_domain_is_over_for_those_who_were_told(
    clock, hooks, settings
):
    settings.AUDIT_GRACE_DAYS = 0
    make_channel(url=hooks.url)
    domain = make_domain("cliente.pt", checks={})
    AuditDomain.objects.update(onboarding=False)
    for _audit in range(2):
        clock.go(minutes=10)
        audit(domain, dns_mx="fail")
    clock.go(seconds=61)
    send()
    AuditDomain.objects.get().delete()
    clock.go(minutes=1)
    send()
    clock.go(seconds=61)
    send()
    assert [b"incident.closed" in body for _p, _h, body in hooks.posts] == [False, True]


def test_messages_go_with_a_tenant_and_a_channel_for_it_alone_is_not_one_for_all(hooks):
    """Case 248."""
    tenant, other = make_tenant("VM112"), make_tenant("VM113")
    alone = make_channel(url=hooks.url, name="alone", tenants=[tenant])
    both = make_channel(url=hooks.url, name="both", tenants=[tenant, other])
    open_incident(make_domain(tenant=tenant))
    tenant.delete()
    assert not Notification.objects.exists()
    alone.refresh_from_db()
    both.refresh_from_db()
    assert not alone.enabled and "VM112" in alone.off_why
    assert both.enabled and both.tenants.count() == 1


def test_a_channel_is_told_of_what_it_is_for_alone(hooks):
    one, two = make_tenant("VM112"), make_tenant("VM113")
    make_channel(url=hooks.url, name="one", tenants=[one])
    make_channel(url=hooks.url, name="host", owners=["host"])
    make_channel(url=hooks.url, name="fail", least_severity="fail")
    make_channel(url=hooks.url, name="digest", at_once=False, digest=True)
    make_channel(url=hooks.url, name="off", enabled=False)
    incident = open_incident(make_domain(tenant=two), owner="customer", severity="warn")
    assert not incident.notifications.exists()
    incident = open_incident(make_domain(tenant=one), owner="host", severity="warn")
    assert {n.channel.name for n in incident.notifications.all()} == {"one", "host"}
    incident = open_incident(tenant=two, kind="portal", owner="measurement", severity="unknown")
    assert {n.channel.name for n in incident.notifications.all()} == {"fail"}


def test_a_channel_that_is_switched_off_twice_says_so_once(hooks):
    gone = make_channel(url=hooks.url, name="gone")
    make_channel(url=hooks.url, name="other")
    for _try in range(2):  # a test and the worker, in one second
        outbox.switched_off(gone, "410")
    assert NotificationChannel.objects.get(name="gone").off_at <= timezone.now() + timedelta(1)
    assert Notification.objects.get().channel.name == "other"


def events_of(name):
    """What a channel was told, or is about to be."""
    rows = Notification.objects.filter(channel__name=name, state__in=[State.QUEUED, State.SENT])
    rows = rows.order_by("pk")
    return [(n.event, n.facts.get("incident", {}).get("severity")) for n in rows]


def test_a_warning_that_becomes_a_failure_begins_for_those_who_want_failures_alone(clock, hooks):
    make_channel(url=hooks.url, name="all")
    make_channel(url=hooks.url, name="pager", least_severity="fail")
    domain = settled("cliente.pt")
    for _confirmed in range(2):
        found(domain, cert_le=fault("cert_renewal_overdue", severity="warn", owner="host"))
    clock.go(seconds=61)
    send(2)
    assert (events_of("all"), events_of("pager")) == ([("opened", "warn")], [])
    for _seen in range(3):  # said once
        found(domain, cert_le=fault("cert_expired", owner="host"))
        clock.go(seconds=61)
        send(2)
    assert (events_of("all"), events_of("pager")) == ([("opened", "warn")], [("opened", "fail")])
    for _confirmed in range(2):
        found(domain)
    clock.go(seconds=61)
    send(2)
    assert [event for event, _severity in events_of("pager")] == ["opened", "closed"]


def test_a_failure_that_is_a_warning_again_within_the_minute_is_not_told(clock, hooks):
    make_channel(url=hooks.url, name="pager", least_severity="fail")
    domain = settled("cliente.pt")
    warning = fault("mx_foreign_backup", severity="warn")
    for mx in (warning, warning, fault("mx_missing"), warning):
        found(domain, dns_mx=mx)
    clock.go(seconds=61)
    send()
    assert events_of("pager") == []
    found(domain, dns_mx=fault("mx_missing"))
    clock.go(seconds=61)
    send()
    assert events_of("pager") == [("opened", "fail")]


def test_what_somebody_else_must_do_from_now_on_begins_for_them(clock, hooks):
    make_channel(url=hooks.url, name="host", owners=["host"])
    make_channel(url=hooks.url, name="customer", owners=["customer"])
    domain = settled("cliente.pt")
    for owner in ("customer", "customer", "host", "host", "customer"):
        found(domain, dns_mx=fault(f"mx_{owner}", owner=owner))
        clock.go(seconds=61)
        send(2)
    assert events_of("host") == [("opened", "fail")]
    assert events_of("customer") == [("opened", "fail")]


def test_a_shared_certificate_that_ends_is_told_as_that(clock, hooks):
    make_channel(url=hooks.url, name="pager", least_severity="fail")
    _check, _trouble, sha256 = SHARED["certificate"]
    domains = [settled(f"c{n}.pt") for n in range(3)]

    def all_of(code, severity):
        for domain in domains:
            served = {"certificate": {"sha256": sha256}}
            found(
                domain, cert_le=fault(code, severity=severity, owner="host", served=served), asked=1
            )

    all_of("cert_renewal_overdue", "warn")
    clock.go(seconds=61)
    send()
    assert events_of("pager") == []
    all_of("cert_expired", "fail")
    clock.go(seconds=61)
    send()
    assert events_of("pager") == [("opened", "fail")]
    incident = Incident.objects.get(closed_at=None)
    assert (incident.kind, incident.code) == ("certificate", "cert_expired")
    all_of("cert_renewal_overdue", "warn")  # of some; it stays the worst
    incident.refresh_from_db()
    assert incident.severity == "fail"


def test_a_row_of_the_server_card_that_gets_worse_begins_for_those_who_want_failures(clock, hooks):
    make_channel(url=hooks.url, name="pager", least_severity="fail")
    tenant = make_tenant()
    for status in ("warn", "warn", "warn", "fail", "fail"):
        judged(tenant, "server_dnsbl", status, "server_listed")
        clock.go(seconds=61)
        send()
    assert events_of("pager") == [("opened", "fail")]


@pytest.mark.parametrize("before", [1, 2])
def test_an_incident_that_reaches_another_tenant_begins_for_that_tenants_channel(
    clock, hooks, before
):
    """`before`: tenants that it touched already."""
    check, trouble, _thing = SHARED["mail_host"]
    tenants = [make_tenant(f"VM{n}") for n in range(before + 1)]
    for tenant in tenants:
        make_channel(url=hooks.url, name=tenant.name, tenants=[tenant])
    *first, last = tenants
    for n in range(3):
        found(settled(f"a{n}.pt", first[n % before]), **{check: trouble(0)}, asked=True)
    clock.go(seconds=61)
    send(3)
    assert not Notification.objects.filter(channel__name=last.name).exists()
    found(settled("b.pt", last), **{check: trouble(0)}, asked=True)
    clock.go(seconds=61)
    send(3)
    assert [event for event, _severity in events_of(last.name)] == ["opened"]
    assert {len(events_of(tenant.name)) for tenant in first} == {1}
    found(settled("c.pt", last), **{check: trouble(0)}, asked=True)
    clock.go(seconds=61)
    send(3)
    assert len(events_of(last.name)) == 1
