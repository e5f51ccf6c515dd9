"""Incidents in words: what is open, worst first; what a domain is under; how one went."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import Incident, IncidentDomain, ServerTransition
from audit.reading.incidents import causes_of, open_shared, timeline
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
_keys = itertools.count()


def make_incident(kind="server", *, hours=1, **fields):
    at = timezone.now() - timedelta(hours=hours)
    defaults = {
        "code": "server_proxy_config",
        "check_id": "server_proxy",
        "message": "nginx -t finds an error. Correct it.",
        "owner": "host",
        "severity": "fail",
        "opened_at": at,
        "confirmed_at": at,
        "domains_now": 3,
        "domains_most": 3,
    }
    defaults["key"] = f"k{next(_keys)}"
    return Incident.objects.create(kind=kind, **{**defaults, **fields})


def test_the_worst_and_widest_stand_first_and_the_rest_is_a_number():
    tenant = make.make_tenant("VM112")
    make_incident(severity="warn", domains_now=500)
    wide = make_incident(tenant=tenant, domains_now=214)
    make_incident(kind="mail_host", subject="mx.x.test", code="mx_target_private", domains_now=7)
    make_incident(kind="portal", tenant=tenant, code="portal_unreachable", severity="unknown")
    make_incident(kind="check", subject="a.pt")
    make_incident(closed_at=timezone.now())
    make_incident(code="server_mx_not_found", domains_now=0, hours=0)  # nobody's, yet
    shown, total = open_shared()
    assert total == 5
    assert [i["words"] for i in shown] == [
        "VM112: nginx refuses its configuration",
        "mx.x.test: the mail server's address is not public",
        "nginx refuses its configuration",
    ]
    assert shown[0]["id"] == wide.pk and not shown[0]["measuring"]


def test_of_a_tenant_are_those_that_touch_it():
    one, two = make.make_tenant("VM1"), make.make_tenant("VM2")
    mine = make_incident(tenant=one)
    everybodys = make_incident(kind="resolver", tenant=None, code="resolver_down")
    make_incident(tenant=two)
    shared = make_incident(kind="address", tenant=None, subject="192.0.2.80")
    now = timezone.now()
    for tenant, left_at in ((one, None), (two, now)):
        domain = make.make_domain(f"{tenant.pk}.pt", tenant)
        IncidentDomain.objects.create(
            incident=shared, domain=domain, check_id="webmail_http", since=now, left_at=left_at
        )
    shown, total = open_shared(one.pk)
    assert {i["id"] for i in shown} == {mine.pk, everybodys.pk, shared.pk} and total == 3
    assert open_shared(two.pk)[1] == 2, "the shared one has left it"
    assert open_shared(make.make_tenant("VM3").pk)[1] == 1, "others' are not its own"


def test_what_a_domain_is_under_is_said_in_words(django_assert_num_queries):
    tenant = make.make_tenant("VM112")
    domain, other = make.make_domain("a.pt", tenant), make.make_domain("b.pt", tenant)
    now = timezone.now()
    for incident in (make_incident(tenant=tenant), make_incident(kind="check")):
        check_id = incident.kind
        IncidentDomain.objects.create(
            incident=incident, domain=domain, check_id=check_id, since=now
        )
    gone = make_incident(tenant=tenant)
    IncidentDomain.objects.create(incident=gone, domain=other, check_id="x", since=now, left_at=now)
    assert causes_of([domain.pk, other.pk]) == {domain.pk: "VM112: nginx refuses its configuration"}
    with django_assert_num_queries(0):
        assert causes_of([]) == {}


def test_the_timeline_of_a_server_row_has_its_changes():
    tenant = make.make_tenant()
    incident = make_incident(tenant=tenant, hours=5)
    for hours, check_id in ((9, "server_proxy"), (3, "server_proxy"), (3, "server_spf")):
        ServerTransition.objects.create(
            tenant=tenant,
            check_id=check_id,
            from_status="ok",
            to_status="fail",
            at=timezone.now() - timedelta(hours=hours),
            message=f"{check_id} {hours}",
        )
    words = [step["words"] for step in timeline(incident)]
    assert words[0] == "server_proxy 3" and set(words[1:]) == {"confirmed", "first seen"}
