"""What goes now: many at once are one, what is needless is dropped, somebody else is told too."""

import pytest

from audit.models import AuditDomain, Incident, Notification, Tenant
from audit.notify import waiting
from tests.audit.factories import make_admin, make_domain, make_domains, make_tenant
from tests.audit.notify.making import make_channel, open_incident, send

State = Notification.State
pytestmark = pytest.mark.django_db


def types(hooks):
    return [body.split(b'"')[3].decode() for _path, _headers, body in hooks.posts]


def test_nine_at_once_are_nine_and_ten_are_one(clock, hooks):
    make_channel(url=hooks.url)
    for number, expected in ((9, 9 * ["incident.opened"]), (10, ["incidents.many"])):
        for domain in make_domains(number, make_tenant(f"VM{number}")):
            open_incident(domain)
        clock.go(seconds=61)
        send(2)
        assert types(hooks) == expected
        hooks.posts.clear()
        clock.go(hours=1)


def test_a_drizzle_over_an_interval_is_nine_and_the_rest_together(clock, hooks):
    """Sixty domains of a small site fail together, and are audited over ten minutes."""
    make_channel(url=hooks.url)
    for number, domain in enumerate(make_domains(60, make_tenant())):
        open_incident(domain)
        if number % 3 == 2:
            clock.go(seconds=30)
            send()
    for _tick in range(30):
        clock.go(seconds=30)
        send()
    assert types(hooks).count("incidents.many") == 1
    assert len(hooks.posts) <= waiting.MANY
    assert not Notification.objects.waiting().exists()


def test_a_storm_that_does_not_end_is_told_after_ten_minutes(clock, hooks):
    make_channel(url=hooks.url)
    first_at = None
    for minute in range(40):
        for domain in make_domains(15, make_tenant(f"VM{minute}")):
            open_incident(domain)
        clock.go(seconds=59)
        send()
        first_at = first_at or (minute if hooks.posts else None)
    assert 8 <= first_at <= 11
    assert set(types(hooks)) == {"incidents.many"} and len(hooks.posts) <= 4


def test_a_disabled_tenant_or_domain_is_not_told_of_and_nothing_waits_for_it(clock, hooks):
    """Case 248."""
    make_channel(url=hooks.url)
    first, second = make_domain(), make_domain(tenant=make_tenant("VM113"))
    open_incident(first)
    open_incident(tenant=second.tenant, kind="portal", owner="measurement", severity="unknown")
    AuditDomain.objects.filter(pk=first.pk).update(enabled=False)
    Tenant.objects.filter(pk=second.tenant_id).update(enabled=False)
    clock.go(seconds=61)
    send()
    assert hooks.posts == []
    assert set(Notification.objects.values_list("state", flat=True)) == {State.DROPPED}


def test_what_a_channel_is_not_for_by_its_domains_leaves_no_row(clock, hooks):
    one, two = make_tenant("VM112"), make_tenant("VM113")
    make_channel(url=hooks.url, name="one", tenants=[one])
    make_channel(url=hooks.url, name="young", onboarding="only")
    make_channel(url=hooks.url, name="old", onboarding="without")
    domains = [make_domain(tenant=two, onboarding=False) for _number in range(3)]
    of_nobody = {"kind": "name_server", "tenant": None}
    incident = open_incident(*domains, **of_nobody, key="ns.test")
    assert incident.notifications.count() == 3
    clock.go(seconds=61)
    send()
    assert [n.channel.name for n in incident.notifications.all()] == ["old"]
    incident = open_incident(make_domain(tenant=one, onboarding=True))
    clock.go(seconds=61)
    send()
    assert {n.channel.name for n in incident.notifications.all()} == {"one", "young"}


def test_a_channel_for_one_tenant_sees_its_own_domains_of_a_shared_cause(clock, hooks):
    one, two = make_tenant("VM112"), make_tenant("VM113")
    make_channel(url=hooks.url, tenants=[one])
    domains = [make_domain("own.pt", tenant=one), make_domain("other.pt", tenant=two)]
    open_incident(*domains, kind="name_server", tenant=None, key="ns.test")
    clock.go(seconds=61)
    send()
    ((_path, _headers, body),) = hooks.posts
    assert b'"domains":["own.pt"],"domains_count":1' in body and b"other.pt" not in body


# -- whose own mail is down


def test_another_channel_is_told_where_a_recipients_mail_is_down(clock, hooks, mails):
    """Case 246."""
    make_channel("email", name="own mail", recipients=["ana@mail.cliente.pt"])
    make_channel(url=hooks.url, name="elsewhere", owners=["host"])  # not for it by its rules
    open_incident(make_domain("cliente.pt"))
    clock.go(seconds=61)
    send(2)
    assert len(hooks.posts) == len(mails.mails) == 1
    note = Notification.objects.get(channel__name="own mail").note
    assert "ana@mail.cliente.pt" in note and "elsewhere" in note


@pytest.mark.parametrize("shared", [False, True])
def test_a_channel_of_other_tenants_is_not_told_instead(clock, hooks, mails, shared):
    one, two, three = (make_tenant(f"VM{n}") for n in range(3))
    make_channel("email", name="own mail", recipients=["ana@cliente.pt"])
    make_channel(url=hooks.url, name="of two", tenants=[two], owners=["host"])
    make_channel(url=hooks.url, name="of three", tenants=[two, three], owners=["host"])
    domains = [make_domain("cliente.pt", tenant=one)]
    if shared:
        domains.append(make_domain("outro.pt", tenant=three))
        open_incident(*domains, kind="mail_host", key="mx.test", tenant=None)
    else:
        open_incident(*domains)
    clock.go(seconds=61)
    send(2)
    told = Notification.objects.exclude(channel__name="own mail")
    assert [n.channel.name for n in told] == (["of three"] if shared else [])
    assert len(mails.mails) == 1


def test_a_mail_channel_that_is_down_too_is_no_other_channel(clock, hooks, mails):
    make_channel("email", name="a", recipients=["ana@cliente.pt"])
    make_channel("email", name="b", recipients=["rui@cliente.pt"], at_once=False, digest=True)
    both = ["rui@cliente.pt", "x@other.example"]
    make_channel("email", name="c", recipients=both, owners=["host"])
    open_incident(make_domain("cliente.pt"))
    clock.go(seconds=61)
    send(2)
    assert sorted(to for to, _mail in mails.mails) == [["ana@cliente.pt"], both]


def test_without_another_channel_the_administrators_elsewhere_are_written_to(clock, mails):
    """Case 246."""
    make_channel("email", recipients=["ana@cliente.pt"])
    for name, address in (("a", "root@cliente.pt"), ("b", "boss@other.example"), ("c", "")):
        admin = make_admin(name)
        admin.email = address
        admin.save()
    open_incident(make_domain("cliente.pt"))
    clock.go(seconds=61)
    send()
    ((to, mail),) = mails.mails
    assert to == ["ana@cliente.pt", "boss@other.example"]
    assert "although you are not in the channel" in mail.get_body(("plain",)).get_content()


def test_where_nobody_else_can_be_told_the_row_says_so(clock, mails):
    make_channel("email", recipients=["ana@cliente.pt"])
    open_incident(make_domain("cliente.pt"))
    clock.go(seconds=61)
    send()
    assert "nobody else" in Notification.objects.get().note
    assert len(mails.mails) == 1


def test_a_server_counts_for_all_of_its_domains(clock, hooks, mails):
    make_channel("email", name="own mail", recipients=["ana@cliente.pt"])
    make_channel(url=hooks.url, name="elsewhere", owners=["customer"])
    tenant = make_domain("cliente.pt").tenant
    open_incident(tenant=tenant, kind="server", check_id="server_mx", owner="host")
    clock.go(seconds=61)
    send(2)
    assert len(hooks.posts) == 1


def test_a_domain_elsewhere_alarms_nobody(clock, hooks, mails):
    make_channel("email", recipients=["ana@other.pt"])
    make_channel(url=hooks.url, owners=["host"])
    make_domain("other.pt")
    open_incident(make_domain("cliente.pt"))
    clock.go(seconds=61)
    send(2)
    assert len(mails.mails) == 1 and hooks.posts == []


def test_a_test_that_was_interrupted_does_not_wait_for_ever(clock, hooks):
    channel = make_channel(url=hooks.url)
    Notification.objects.create(channel=channel, event="test", key="test:1")
    clock.go(minutes=5)
    send()
    assert Notification.objects.get().state == State.DROPPED and hooks.posts == []
    assert not Incident.objects.exists()
