"""Random audits of several domains against a simple model of what incidents are."""

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audit.models import AuditDomain, Incident, IncidentDomain, TenantCounts
from audit.results import incident_sweep, store
from tests.audit import factories as make
from tests.audit.troubles import fault, found

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]
NAMES = 4
SPF_OURS = fault("spf_include_missing", owner="host", because=("server_spf", "server_spf_broken"))
REFUSED = fault("webmail_refused", owner="host", addresses=["192.0.2.80"])
SILENT = fault("portal_timeout", severity="unknown", owner="measurement")
UNKNOWN = fault("dns_timeout", severity="unknown", owner="measurement")
STATES = {
    "ok": {},
    "mx": {"dns_mx": fault("mx_missing")},
    "mx unknown": {"dns_mx": UNKNOWN},
    "spf own": {"dns_spf": fault("spf_missing", severity="warn")},
    "spf ours": {"dns_spf": SPF_OURS},
    "refused": {"webmail_http": REFUSED},
    "portal": {"carbonio": SILENT, "nginx_vhost": SILENT},
    "mx and spf": {"dns_mx": fault("mx_missing"), "dns_spf": SPF_OURS},
}
ACTS = st.lists(
    st.tuples(
        st.lists(st.integers(0, NAMES - 1), min_size=1, max_size=NAMES, unique=True),
        st.sampled_from(sorted(STATES)),
        st.booleans(),
    ),
    max_size=12,
)


class Model:
    """What of one domain is confirmed: {check: trouble}, by counting in the plainest way."""

    def __init__(self):
        self.confirmed, self.seen = {}, {}

    def audit(self, state, *, at_once, known):
        """`known`: the troubles whose shared cause was an open incident before."""
        faults = STATES[state]
        self.known = known
        for check in ("dns_mx", "dns_spf", "webmail_http"):
            trouble = faults.get(check)
            if trouble is not UNKNOWN:
                self._count(check, trouble and trouble[0], at_once)
        self._count("portal", "away" if state == "portal" else None, at_once)

    def _count(self, check, trouble, at_once):
        if trouble == self.confirmed.get(check):
            self.seen.pop(check, None)
            return
        last, n = self.seen.get(check, (trouble, 0))
        goes_on = (last is None) == (trouble is None)  # wrong again, whatever is
        self.seen[check] = (trouble, n + 1 if goes_on else 1)
        by_cause = trouble in self.known and check not in self.confirmed
        if at_once or by_cause or self.seen[check][1] >= 2:
            self.seen.pop(check)
            self.confirmed.pop(check, None)
            if trouble:
                self.confirmed[check] = trouble


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(ACTS)
@example([([0], "mx and spf", False), ([0], "spf own", False)])
def test_members_numbers_and_columns_are_those_of_the_model(acts):
    with transaction.atomic():
        tenants = [make.make_tenant(f"T{n}") for n in range(2)]
        domains = [
            make.make_domain(f"c{n}.pt", tenants[n % 2], onboarding=False) for n in range(NAMES)
        ]
        models = [Model() for _domain in domains]
        for numbers, state, at_once in acts:
            now = timezone.now()
            rows = AuditDomain.objects.filter(pk__in=[domains[n].pk for n in numbers])
            rows.update(requested_at=now if at_once else None, requested_bulk=False)
            known = {n: _known(domains[n].tenant_id) for n in numbers}
            store.record_lot(
                [store.Audited(domains[n], found(**STATES[state]), now) for n in numbers]
            )
            for n in numbers:
                models[n].audit(state, at_once=at_once, known=known[n])
            incident_sweep.sweep(now)
            _hold(domains, models)
        transaction.set_rollback(True)


def _known(tenant_id):
    keys = {f"{tenant_id}:server_spf": "spf_include_missing", str(tenant_id): "away"}
    there = Incident.objects.filter(kind__in=("server", "portal"), key__in=keys, closed_at=None)
    return {keys[key] for key in there.values_list("key", flat=True)}


def _hold(domains, models):
    for domain, model in zip(domains, models, strict=True):
        domain.refresh_from_db()
        parts = IncidentDomain.objects.filter(domain=domain, left_at=None)
        assert {p.check_id for p in parts} == set(model.confirmed)
        kinds = {p.check_id: p.incident.kind for p in parts.select_related("incident")}
        for check, trouble in model.confirmed.items():
            expected = {"spf_include_missing": "server", "away": "portal"}.get(trouble)
            assert expected is None or kinds[check] == expected
        alone = [p.since for p in parts if p.incident.kind == "check"]
        assert domain.trouble_at == max(alone, default=None)
    for incident in Incident.objects.all():
        parts = IncidentDomain.objects.filter(incident=incident, left_at=None)
        now = parts.values("domain").distinct().count()
        assert incident.domains_now == now
        assert bool(incident.closed_at) == (now == 0)
        tenants = set(parts.values_list("domain__tenant", flat=True))
        assert incident.tenant_id is None or tenants <= {incident.tenant_id}
    refused = [d for d, m in zip(domains, models, strict=True) if "webmail_http" in m.confirmed]
    if len(refused) < 3 and not Incident.objects.filter(kind="address", closed_at=None).exists():
        singles = Incident.objects.filter(closed_at=None, check_id="webmail_http", kind="check")
        assert singles.count() == len(refused)
    elif refused:
        shared = Incident.objects.get(kind="address", closed_at=None)
        assert shared.domains_now == len(refused)
    pks = TenantCounts.objects.values_list("pk", flat=True)
    assert AuditDomain.objects.count_anew(list(pks)) == 0
