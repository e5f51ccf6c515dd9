"""Processes of an installation that record audits with troubles, side by side; run by the tests of
incidents on PostgreSQL with `python -m tests.servers.recording NAME ARGUMENT …`.

AUDIT_CONFIRM is 1 here: each audit confirms alone, so a domain's members follow from its checks.
"""

import contextlib
import multiprocessing
import os
import random
import sys
import time
import traceback

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ligbox.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.utils import timezone  # noqa: E402

from audit.models import (  # noqa: E402
    AuditCheck,
    AuditDomain,
    Incident,
    IncidentDomain,
    ServerCheck,
    Tenant,
    TenantCounts,
)
from audit.results import incident_cards, incident_events, incident_sweep, store, triage  # noqa: E402
from audit.results.incident_rows import IncidentClosed  # noqa: E402
from tests.audit.troubles import fault, found  # noqa: E402

LOT = 8
PATIENCE = 120  # seconds for the other side: a machine may be busy
STATES = {
    "ok": {},
    "server": {
        "dns_spf": fault("spf_include_missing", owner="host", because=("server_spf", "broken"))
    },
    "other row": {"carbonio": fault("x", owner="host", because=("server_services", "down"))},
    "both rows": {
        "dns_spf": fault("spf_include_missing", owner="host", because=("server_spf", "broken")),
        "carbonio": fault("x", owner="host", because=("server_services", "down")),
    },
    "address": {"webmail_http": fault("webmail_refused", owner="host", addresses=["192.0.2.80"])},
    "certificate": {
        "cert_le": fault("cert_expired", owner="host", served={"certificate": {"sha256": "aa"}})
    },
    "alone": {"dns_mx": fault("mx_missing")},
    "portal": {
        c: fault("portal_unreachable", severity="unknown", owner="measurement")
        for c in ("carbonio", "nginx_vhost")
    },
}


def record(domains, states, *, gone=False, **options):
    """Record a lot, domain by domain in the state that it has; what is locked is tried again, as a
    drain does. `gone`: some may have been removed meanwhile."""
    todo = list(zip(domains, states, strict=True))
    until = time.monotonic() + PATIENCE
    while todo:
        assert time.monotonic() < until, "locked for ever"
        now = timezone.now()
        lot = [store.Audited(d, found(**STATES[state]), now) for d, state in todo]
        saved = store.record_lot(lot, **options)
        assert gone or store.Saved.LOST not in saved
        todo = [one for one, what in zip(todo, saved, strict=True) if what == store.Saved.LOCKED]


def check_all():
    """Whatever happened: members, numbers and columns say what the checks say."""
    wrong = {(p.domain_id, p.check_id) for p in AuditCheck.objects.filter(
        conclusive_status__in=("warn", "fail"), check_id__in=triage.CORE
    )}  # fmt: skip
    members = IncidentDomain.objects.filter(left_at=None)
    of_checks = set(members.exclude(check_id="portal").values_list("domain_id", "check_id"))
    assert of_checks == wrong, ("lost or left over", of_checks ^ wrong)
    silent = AuditCheck.objects.filter(check_id="carbonio", status="unknown")
    away = set(members.filter(check_id="portal").values_list("domain_id", flat=True))
    assert away == set(silent.values_list("domain_id", flat=True))
    assert not members.exclude(incident__closed_at=None).exists(), "a member of a closed one"
    for incident in Incident.objects.all():
        now = members.filter(incident=incident).values("domain").distinct().count()
        assert incident.domains_now == now, (incident, incident.domains_now, now)
        assert incident.domains_most >= now
        assert bool(incident.closed_at) == (not now and not incident.held), incident
    tenants = Tenant.objects.values_list("pk", flat=True)
    assert TenantCounts.objects.count() == len(tenants)
    assert AuditDomain.objects.count_anew(list(tenants)) == 0, "numbers of a tenant"
    with transaction.atomic():
        columns = ("not_measured", "known", "covered", "trouble_at", "onboarding")
        before = list(AuditDomain.objects.order_by("pk").values_list("pk", *columns))
        triage.refresh([pk for pk, *_columns in before], timezone.now())
        after = list(AuditDomain.objects.order_by("pk").values_list("pk", *columns))
        assert before == after, [
            both for both in zip(before, after, strict=True) if len({*both}) > 1
        ]


def side_by_side(*acts):
    """Call each in a process of its own with `meet`, which waits for all; exit with what failed."""
    connection.close()
    fork = multiprocessing.get_context("fork")
    barrier = fork.Barrier(len(acts))

    def run(act):
        try:
            act(lambda: barrier.wait(PATIENCE))
        except BaseException:  # noqa: BLE001 - whatever it was, the others must not wait
            traceback.print_exc()
            barrier.abort()
            sys.stderr.flush()
            os._exit(1)

    processes = [fork.Process(target=run, args=(act,)) for act in acts]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        sys.exit("one of the processes failed")


def same_cause(rounds):
    """Two processes, each with half of a tenant's domains: all fail at once for one cause, and are
    well again at once, so that one closes while the other still counts."""
    domains = list(AuditDomain.objects.order_by("pk"))

    def worker(number):
        mine = domains[number::2]

        def act(meet):
            for n in range(rounds):
                for state, open_now in (("server", 1), ("ok", 0)):
                    meet()
                    for start in range(0, len(mine), LOT):
                        lot = mine[start : start + LOT]
                        record(lot, [state] * len(lot))
                    meet()
                    if number == 0:
                        of = Incident.objects.filter(closed_at=None)
                        numbers = list(of.values_list("kind", "domains_now", "domains_most"))
                        all_ = len(domains)
                        assert numbers == [("server", all_, all_)] * open_now, numbers
                        check_all()
                        assert Incident.objects.count() >= n + 1
                    meet()

        return act

    side_by_side(worker(0), worker(1))


def crosswise(rounds, seed):
    """Processes that record random states of all domains, in any order: what opens, closes and
    merges, within and across tenants; beside one that judges server cards and sweeps."""
    domains = list(AuditDomain.objects.order_by("pk"))
    tenants = list(Tenant.objects.order_by("pk").values_list("pk", flat=True))

    def worker(number):
        chance = random.Random(seed + number)

        def act(meet):
            for n in range(rounds):
                meet()
                for _lot in range(3):
                    lot = chance.sample(domains, LOT)
                    few = chance.sample(sorted(STATES), 4)  # some of a kind: they come to share
                    record(lot, [chance.choice(few) for _domain in lot])
                meet()
                if number == 0 and n % 5 == 4:
                    check_all()
                    for start in range(0, len(domains), LOT):  # all ends, and begins anew
                        lot = domains[start : start + LOT]
                        record(lot, ["ok" for _domain in lot])
                meet()

        return act

    def caretaker(meet):
        chance = random.Random(seed + 99)
        for _round in range(rounds):
            meet()
            for _act in range(3):
                judge(chance, chance.choice(tenants))
                incident_sweep.sweep(timezone.now())
                incident_sweep.hold_numbers_against_rows()
            meet()
            meet()

    side_by_side(worker(0), worker(1), caretaker)
    incident_sweep.sweep(timezone.now())
    check_all()


def removed(rounds, seed):
    """Two processes that record random states, beside one that removes random domains, all of a
    tenant, or one by one, and registers them anew."""

    def worker(number):
        chance = random.Random(seed + number)

        def act(meet):
            for _round in range(rounds):
                meet()
                for _lot in range(3):
                    domains = list(AuditDomain.objects.order_by("pk"))
                    lot = chance.sample(domains, min(LOT, len(domains)))
                    record(lot, [chance.choice(sorted(STATES)) for _domain in lot], gone=True)
                meet()

        return act

    def remover(meet):
        chance = random.Random(seed + 99)
        for n in range(rounds):
            meet()
            rows = list(AuditDomain.objects.order_by("pk"))
            gone = chance.sample(rows, min(6, len(rows)))
            if n % 3 == 0:
                AuditDomain.objects.filter(pk__in=[row.pk for row in gone]).delete()
            elif n % 3 == 1:
                for row in gone:
                    row.delete()
            else:
                gone = rows
                Tenant.objects.filter(pk=rows[0].tenant_id).delete()
            tenant, _made = Tenant.objects.get_or_create(name="VM112")
            names = [row.domain for row in gone]
            AuditDomain.objects.bulk_create(
                [AuditDomain(tenant=tenant, domain=name, onboarding=False) for name in names]
            )
            meet()

    side_by_side(worker(0), worker(1), remover)
    incident_sweep.sweep(timezone.now())
    check_all()


def judge(chance, tenant_id):
    """Judge rows of a server card as a drain does: again, where one was closed meanwhile."""
    after = {}
    for row in ("server_services", "server_spf", "server_portal"):
        status = chance.choice(("ok", "fail"))
        code = "portal_unreachable" if row == "server_portal" else "down"
        finding = {"code": code, "severity": "fail", "owner": "host"}
        after[row] = ServerCheck(
            tenant_id=tenant_id, check_id=row, status=status, message=f"{row} is {status}.",
            findings=[finding] if status == "fail" else [], checked_at=timezone.now(),
        )  # fmt: skip
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with contextlib.suppress(IncidentClosed), transaction.atomic():
            return incident_cards.server_changed(tenant_id, dict.fromkeys(after), after)
    raise AssertionError("closed by others for ever")


def till_killed(seed):
    """Record random lots until somebody kills us; a line when it begins."""
    chance = random.Random(seed)
    domains = list(AuditDomain.objects.order_by("pk"))
    print("recording", flush=True)
    while True:
        few = chance.sample(sorted(STATES), 2)
        lot = chance.sample(domains, LOT)
        record(lot, [chance.choice(few) for _domain in lot])


def stand_still(event, *states):
    """Bring all domains into these states, one after the other, and stand still in the middle of
    the transaction that makes `event` happen in the last; a line when it does."""
    domains = list(AuditDomain.objects.order_by("pk"))[:LOT]

    def stop(_incident, what):
        if what == event and armed:
            print("in the middle", flush=True)
            time.sleep(PATIENCE)

    armed = False
    incident_events.subscribe(stop)
    for n, state in enumerate(states, 1):
        armed = n == len(states)
        for start in range(0, LOT, 2):  # two are alone, three share
            record(domains[start : start + 2], [state] * 2)


ACTS = {
    f.__name__: f for f in (same_cause, crosswise, removed, check_all, till_killed, stand_still)
}


if __name__ == "__main__":
    ACTS[sys.argv[1]](*(int(a) if a.isdigit() else a for a in sys.argv[2:]))
