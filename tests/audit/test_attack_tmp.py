import os, random
from datetime import timedelta
import pytest
from django.db import transaction
from django.utils import timezone
from audit.models import *
from audit.models import (
    AuditDomain,
    Incident,
    IncidentDomain,
    TenantCounts,
    AuditCheck,
    CheckTransition,
    Waiver,
    Tenant,
    ServerCard,
    ServerCheck,
    Notification,
    ReportLink,
)
from audit.results import store, triage, waivers, check_counts
from audit.results.confirmation import was_confirmed
from audit.results.incident_sweep import sweep, hold_numbers_against_rows
from audit.results.scoring import domain_status, score, completed
from audit.results.server_card import record_card
from audit.reading import overview as ov
from audit.reading.filters import Filters, select, KEPT_GROUPS, STATUSES
from audit.reading.metrics import DatabaseCollector
from audit.notify import outbox
from audit import tasks
from collectors.base import Severity, Owner
from collectors.registry import core_checks
from tests.audit import factories as make
from tests.audit.notify.making import Clock, make_channel
from tests.audit.troubles import *
from tests.audit.troubles import _result
from tests.audit.results.test_lost_upstream import own
from datetime import datetime, UTC

pytestmark = pytest.mark.django_db


def results(rng, d):
    k = rng.random()
    if k < 0.22:
        return all_ok()
    if k < 0.30:
        return unmeasured("portal_unreachable")
    if k < 0.36:
        return unmeasured("resolver_down")
    if k < 0.50:
        return servers_silent(*own(rng.randrange(4)), domain=d.domain)
    faults = {}
    if rng.random() < 0.4:
        faults["dns_mx"] = rng.choice(
            [fault("mx_missing"), fault("mx_extra", severity="warn"), SHARED["mail_host"][1](d.pk)]
        )
    if rng.random() < 0.4:
        faults["webmail_http"] = SHARED["address"][1](d.pk)
    if rng.random() < 0.3:
        faults["cert_le"] = SHARED["certificate"][1](d.pk)
    if rng.random() < 0.3:
        faults["dns_spf"] = rng.choice(
            [
                fault("spf_missing"),
                fault("spf_x", because=("server_spf", "spf_invalid"), owner="host"),
                fault("spf_y", because=("dns_mx", "mx_missing")),
            ]
        )
    if rng.random() < 0.3:
        faults["carbonio"] = rng.choice(
            [
                fault(
                    "carbonio_services", because=("server_services", "services_down"), owner="host"
                ),
                fault("carbonio_gone"),
            ]
        )
    if rng.random() < 0.2:
        faults["dns_dmarc"] = fault("dmarc_policy_none", severity="warn")
    if rng.random() < 0.15:
        faults["dns_dkim"] = fault("dns_timeout", severity="unknown", owner="measurement")
    r = found(**faults)
    if rng.random() < 0.08:
        keep = rng.sample(sorted(r), rng.randrange(1, 5))
        r = {c: r[c] for c in keep}
    return r


ROWS = ["server_services", "server_spf", "server_portal", "server_proxy"]


def check(ctx):
    now = timezone.now()
    assert_true_to_rows()
    # 2 numbers vs lists
    found = ov.counts()
    for t in found:
        for st in STATUSES:
            n = select(AuditDomain.objects.active(), Filters(tenant=t["id"], status=st)).count()
            assert n == t[st], (t["id"], st, n, t[st])
        for g in ("new", *KEPT_GROUPS):
            n = select(AuditDomain.objects.active(), Filters(tenant=t["id"], group=g)).count()
            assert n == t["groups"][g], (t["id"], g, n, t["groups"])
        full = ov.overview(
            AuditDomain.objects.filter(tenant=t["id"]), Filters(), limit=200, tenant=t["id"]
        )
        assert len(full["cards"]) == t["domains"]
    # incidents
    from collections import Counter

    keys = Counter(Incident.objects.filter(closed_at=None).values_list("kind", "key"))
    assert not keys or max(keys.values()) == 1
    assert (
        not IncidentDomain.objects.filter(left_at=None).exclude(incident__closed_at=None).exists()
    )
    for m in IncidentDomain.objects.filter(left_at=None).select_related("incident"):
        assert m.incident.closed_at is None
    members = triage.members_of(AuditDomain.objects.values_list("pk", flat=True))
    for d in AuditDomain.objects.select_related("tenant"):
        checks = AuditCheck.of(d)
        st = {c: x.status for c, x in checks.items()}
        core = d.tenant.core_checks
        if st:
            assert d.score == score(st, core), (d, st)
            assert d.status == domain_status(st, core)
        mem = members[d.pk]
        if d.active:
            for c, x in checks.items():
                if c not in core_checks():
                    continue
                conf = was_confirmed(x.conclusive_status, d.unconfirmed.get(c))
                assert conf == (c in mem), (d.domain, c, x.conclusive_status, d.unconfirmed, mem)
            for kind in ("portal", "resolver"):
                e = d.unconfirmed.get(kind)
                away_ = e is not None and (e[0] == "ok" or e[1] >= 2)
                assert away_ == (kind in mem), (d.domain, kind, e, mem)
        # transitions chain
        for c, x in checks.items():
            trs = list(CheckTransition.objects.filter(domain=d, check_id=c).order_by("at", "id"))
            for a, b in zip(trs, trs[1:]):
                assert a.to_status == b.from_status or (
                    b.from_status == "" and c in ("carbonio", "nginx_vhost")
                ), (d.domain, c, [(t.from_status, t.to_status, t.at) for t in trs])
            if trs and x.conclusive_status:
                assert trs[-1].to_status == x.conclusive_status
            if ctx and x.conclusive_status and trs and x.status != "unknown":
                assert abs((x.since - trs[-1].at).total_seconds()) < 1, (
                    d.domain,
                    c,
                    x.since,
                    trs[-1].at,
                )
        before = {
            n: getattr(d, n)
            for n in (
                "known",
                "covered",
                "not_measured",
                "trouble_at",
                "needs_host",
                "needs_customer",
            )
        }
        sid = transaction.savepoint()
        triage.refresh([d.pk], now)
        d2 = AuditDomain.objects.get(pk=d.pk)
        after = {n: getattr(d2, n) for n in before}
        assert before == after, (d.domain, before, after)
        wrongs = [
            f
            for c in AuditCheck.objects.filter(domain=d, check_id__in=core_checks())
            for f in c.findings
            if f["severity"] in ("warn", "fail")
        ]
        assert d.needs_host == any(f["owner"] == "host" for f in wrongs), d
        assert d.needs_customer == any(f["owner"] == "customer" for f in wrongs), d
        transaction.savepoint_rollback(sid)
    # known of check incidents
    for i in Incident.objects.filter(closed_at=None, kind="check"):
        pk, c = i.key.split(":")
        w = Waiver.objects.filter(domain=pk, check_id=c, ended_at=None).exists()
        if i.known:
            assert w, i
    # notifications
    for ch in NotificationChannel.objects.all():
        for i in Incident.objects.all():
            ns = list(ch.notifications.filter(incident=i).order_by("pk"))
            ev = Counter(n.event for n in ns)
            assert ev["opened"] <= 1 and ev["closed"] <= 1, (i, ev)
            if ev["closed"]:
                assert i.closed_at
    list(DatabaseCollector().collect())


def run(seed, n=60):
    rng = random.Random(seed)
    clock = Clock(datetime(2026, 11, 24, 2, 31, 5, tzinfo=UTC))
    log = []
    try:
        ts = [make.make_tenant(f"VM{k}", portal_url=f"http://10.0.0.{k}:8090") for k in range(2)]
        make_channel(name="hook", url="https://x.example/") if False else None
        ds = []
        names = [f"c{k}.pt" for k in range(7)]
        for k, nm in enumerate(names):
            ds.append(make.make_domain(nm, ts[k % 2], onboarding=rng.random() < 0.3))
        for step in range(n):
            op = rng.choices(
                [
                    "audit",
                    "twice",
                    "all",
                    "asked",
                    "card",
                    "waive",
                    "back",
                    "disable",
                    "enable",
                    "tenable",
                    "portal",
                    "delete",
                    "readd",
                    "sweep",
                    "tick",
                    "clock",
                    "bulk",
                    "prune",
                ],
                [30, 20, 6, 6, 10, 8, 4, 3, 4, 2, 2, 2, 4, 8, 0, 10, 2, 1],
            )[0]
            alive = list(AuditDomain.objects.select_related("tenant"))
            d = rng.choice(alive) if alive else None
            log.append((op, d and d.domain))
            if op in ("audit", "twice", "asked") and d:
                for _ in range(2 if op == "twice" else 1):
                    st = rng.getstate()
                    r = results(rng, d)
                    if op == "twice" and _ == 0:
                        rng.setstate(st)
                    audit(d, r, asked=op == "asked")
                    clock.go(seconds=rng.choice([1, 61]))
            elif op == "all":
                r0 = rng.choice(["portal", "res", "srv", "ok", "addr"])
                for _ in range(2):
                    lot = []
                    for x in AuditDomain.objects.filter(enabled=True):
                        r = {
                            "portal": lambda: unmeasured("portal_unreachable"),
                            "res": lambda: unmeasured("resolver_down"),
                            "srv": lambda: found(
                                carbonio=fault(
                                    "carbonio_services",
                                    because=("server_services", "services_down"),
                                    owner="host",
                                )
                            ),
                            "ok": all_ok,
                            "addr": lambda: found(webmail_http=SHARED["address"][1](x.pk)),
                        }[r0]()
                        lot.append(store.Audited(x, r, timezone.now()))
                    if lot:
                        store.record_lot(lot)
            elif op == "card":
                t = rng.choice(list(Tenant.objects.all()))
                ServerCard.objects.get_or_create(tenant=t)
                for _ in range(rng.choice([1, 2])):
                    ServerCard.objects.filter(pk=t.pk).update(claimed_by="me")
                    sub = rng.sample(ROWS, 2)
                    res = {}
                    for r in sub:
                        s = rng.choice(["ok", "fail", "warn", "unknown"])
                        res[r] = _result(
                            r,
                            None
                            if s == "ok"
                            else fault(
                                rng.choice(["x_a", "server_clock_off"]), severity=s, owner="host"
                            ),
                            None,
                        )
                    record_card(t.pk, res, owner="me", begun_at=timezone.now())
            elif op == "waive" and d:
                c = AuditCheck.objects.filter(domain=d, status__in=["warn", "fail"]).first()
                if c:
                    try:
                        waivers.waive(
                            d,
                            c.check_id,
                            rng.choice(["", c.findings[0]["code"]]),
                            reason="r",
                            by="me",
                            until=rng.choice([None, timezone.now() + timedelta(hours=1)]),
                        )
                    except ValueError:
                        pass
            elif op == "back":
                w = Waiver.objects.filter(ended_at=None).first()
                if w:
                    waivers.take_back(w, "me")
            elif op == "disable" and d:
                if rng.random() < 0.5:
                    d.enabled = False
                    d.save()
                else:
                    AuditDomain.objects.filter(pk=d.pk).update(enabled=False)
                sweep(timezone.now())
            elif op == "enable":
                AuditDomain.objects.filter(enabled=False).update(enabled=True)
            elif op == "tenable":
                t = rng.choice(list(Tenant.objects.all()))
                t.enabled = not t.enabled
                t.save()
                sweep(timezone.now())
            elif op == "portal":
                t = rng.choice(list(Tenant.objects.all()))
                if t.portal_url:
                    t.portal_url, t.without_portal = "", True
                else:
                    t.portal_url, t.without_portal = "http://10.0.0.9:8090", False
                t.save()
            elif op == "delete" and d:
                if rng.random() < 0.5:
                    d.delete()
                else:
                    AuditDomain.objects.filter(pk=d.pk).delete()
            elif op == "readd":
                nm = rng.choice(names)
                AuditDomain.objects.get_or_create(tenant=rng.choice(ts), domain=nm)
            elif op == "sweep":
                sweep(timezone.now())
            elif op == "clock":
                clock.go(seconds=rng.choice([61, 600, 3700, 90000, 60 if seed % 2 else -4000]))
            elif op == "bulk":
                AuditDomain.objects.all().request_audit(bulk=True)
            elif op == "prune":
                tasks.prune()
            try:
                check(seed % 2)
            except AssertionError as e:
                raise AssertionError(f"seed {seed} step {step} after {log[-6:]}: {e}") from e
    finally:
        clock.stop()


N = int(os.environ.get("ATT_N", "20"))
S = int(os.environ.get("ATT_S", "0"))


@pytest.mark.parametrize("seed", range(S, S + N))
def test_attack(seed):
    run(seed)
