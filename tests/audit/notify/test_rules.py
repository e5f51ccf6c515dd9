"""Which channel is told of what, and whose mail is down."""

import pytest

from audit.models import AuditDomain, Tenant
from audit.notify import rules
from tests.audit.factories import make_domain, make_tenant
from tests.audit.notify.making import make_channel, open_incident

pytestmark = pytest.mark.django_db


def test_addresses_at_a_domain_or_below_it_are_found_and_others_not():
    make_domain("cliente.pt")
    make_domain("outro.pt")
    found = rules.watched(
        ["a@cliente.pt", "b@Mail.Cliente.PT", "c@ocliente.pt", "d@pt", "e@outro.pt"]
    )
    assert found == {
        "cliente.pt": ["a@cliente.pt", "b@Mail.Cliente.PT"],
        "outro.pt": ["e@outro.pt"],
    }


def test_an_incident_of_one_domain_is_about_that_one_and_one_of_a_server_about_all_of_its():
    one, two = make_domain("cliente.pt"), make_domain("outro.pt")
    other = make_domain("longe.pt", tenant=make_tenant("VM113"))
    addresses = [f"a@{d.domain}" for d in (one, two, other)]
    of_one = open_incident(one)
    assert rules.at_those_domains(addresses, of_one) == ["a@cliente.pt"]
    of_server = open_incident(tenant=one.tenant, kind="server", check_id="server_mx")
    assert rules.at_those_domains(addresses, of_server) == ["a@cliente.pt", "a@outro.pt"]
    of_all = open_incident(kind="resolver", check_id="", tenant=None, key="resolver")
    assert len(rules.at_those_domains(addresses, of_all)) == 3


def test_what_nobody_looks_at_any_more_is_known():
    first, second = make_domain(), make_domain(tenant=make_tenant("VM113"))
    pair = [make_domain(), make_domain()]
    incidents = [open_incident(first), open_incident(second), open_incident(*pair, kind="address")]
    ids = [incident.pk for incident in incidents]
    assert rules.switched_off(ids) == set()
    AuditDomain.objects.filter(pk__in=[first.pk, *(d.pk for d in pair)]).update(enabled=False)
    Tenant.objects.filter(pk=second.tenant_id).update(enabled=False)
    assert rules.switched_off(ids) == set(ids[:2])  # the shared one ends by itself


def test_known_and_merged_incidents_are_for_no_channel():
    channel = make_channel("email")
    plain = open_incident(make_domain())
    open_incident(make_domain(), known=True)
    open_incident(make_domain(), merged_into=plain)
    assert list(rules.incidents_of(channel, set())) == [plain]


def test_the_domains_of_a_channel_follow_its_tenants_and_its_stage():
    tenant = make_tenant()
    make_domain("a.pt", tenant=tenant, onboarding=True)
    make_domain("b.pt", tenant=tenant, onboarding=False)
    make_domain("c.pt", tenant=make_tenant("VM113"), onboarding=False)
    make_domain("d.pt", tenant=tenant, enabled=False)

    def names(tenants=(), **fields):
        channel = make_channel("email", name=str(fields) + str(tenants), **fields)
        rows = rules.domains_for(channel, {t.pk for t in tenants})
        return sorted(rows.values_list("domain", flat=True))

    assert names() == ["a.pt", "b.pt", "c.pt"]
    assert names([tenant]) == ["a.pt", "b.pt"]
    assert names(onboarding="only") == ["a.pt"]
    assert names(onboarding="without") == ["b.pt", "c.pt"]
