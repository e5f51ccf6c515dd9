"""What is written of an answer, and what not: one that is stored already changes times alone."""

from datetime import timedelta

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditCheck, AuditDomain, CheckTransition
from audit.reading import scorecard
from audit.results import check_rows, store
from collectors.registry import core_checks
from tests.audit import factories as make
from tests.audit.check_results import result, results

pytestmark = pytest.mark.django_db


@pytest.fixture
def domain():
    return make.make_domain("cliente.pt")


def record(domain, found, at):
    assert store.record(domain, found, begun_at=at)
    domain.refresh_from_db()


def test_the_same_answer_writes_the_domains_row_alone(domain):
    first = timezone.now() - timedelta(hours=1)
    for _confirmed in range(2):
        record(domain, results(at=first, dns_mx="warn"), first)
    with CaptureQueriesContext(connection) as captured:
        record(domain, results(at=timezone.now(), dns_mx="warn"), timezone.now())
    asked = [q["sql"].removeprefix("1 times: ") for q in captured]
    written = [sql for sql in asked if sql.startswith(("INSERT", "UPDATE", "DELETE"))]
    assert len(written) == 1 and "UPDATE audit_domains" in written[0]
    assert not any("evidence" in q["sql"] for q in captured), "what is stored is not read either"


@pytest.mark.parametrize("status", ["ok", "warn", "fail", "unknown"])
def test_its_times_are_those_of_the_last_audit_all_the_same(domain, status):
    """`since` stays, and what belongs to the status goes on; a partial audit leaves the others."""
    first = timezone.now() - timedelta(hours=3)
    record(domain, results(at=first), first)
    second, third = first + timedelta(hours=1), first + timedelta(hours=2)
    for at in (second, third):
        record(domain, {"dns_mx": result("dns_mx", status, at=at)}, at)
    shown = {c["check_id"]: c for c in scorecard.of_domain(domain)["checks"]}
    mx, spf = shown["dns_mx"], shown["dns_spf"]
    assert (mx["checked_at"], spf["checked_at"], spf["last_ok_at"]) == (third, first, first)
    assert mx["since"] == (first if status == "ok" else second)
    assert mx["last_ok_at"] == (third if status == "ok" else first)
    last = {"status": "ok", "at": first} if status == "unknown" else {"status": status, "at": third}
    assert mx["last_conclusive"] == last and mx["duration_ms"] == 12


def test_what_was_ok_until_the_last_audit_was_last_ok_then(domain):
    """The times of answers that were not written count for the one that is."""
    first = timezone.now() - timedelta(hours=3)
    for hours in (0, 1):
        at = first + timedelta(hours=hours)
        record(domain, results(at=at), at)
    record(domain, results(at=first + timedelta(hours=2), dns_mx="fail"), at)
    check = AuditCheck.of(domain)["dns_mx"]
    assert check.last_ok_at == first + timedelta(hours=1)
    assert check.since == check.checked_at == first + timedelta(hours=2)


@pytest.mark.parametrize("what", ["seen", "status", "message"])
def test_an_answer_that_differs_in_anything_is_written(domain, what):
    record(domain, results(), timezone.now())
    other = result("dns_mx", "warn" if what == "status" else "ok", seen="else")
    if what == "message":
        other = make.make_result(
            "dns_mx", message="Another {check}.", evidence={"seen": "something"}
        )
    record(domain, {"dns_mx": other}, timezone.now())
    check = AuditCheck.objects.get(domain=domain, check_id="dns_mx")
    assert (check.status, check.evidence) == (other.status, other.evidence)
    assert check.message == str(other.message)


def test_a_row_from_before_there_were_digests_is_written_once(domain):
    record(domain, results(), timezone.now())
    AuditCheck.objects.update(digest=None, evidence={})
    record(domain, results(), timezone.now())
    assert AuditCheck.objects.exclude(digest=None).exclude(evidence={}).count() == len(
        core_checks()
    )
    assert CheckTransition.objects.count() == len(core_checks()), "it is no change"


def test_of_a_lot_all_is_written_or_nothing(domain, monkeypatch):
    """Whoever saves a lot may save each of it alone then."""
    others = [make.make_domain(), make.make_domain()]
    lot = [store.Audited(row, results(), timezone.now()) for row in [domain, *others]]
    merged = check_rows._merged

    def picky(row, *args):
        if row.pk == others[0].pk:
            raise DataError("invalid byte sequence")
        return merged(row, *args)

    monkeypatch.setattr(check_rows, "_merged", picky)
    with pytest.raises(DataError):
        store.record_lot(lot)
    assert not AuditCheck.objects.exists() and not CheckTransition.objects.exists()
    saved = [store.record_lot([audited]) for audited in (lot[0], lot[2])]
    assert saved == [[store.Saved.WRITTEN]] * 2
    assert AuditDomain.objects.exclude(last_audit_at=None).count() == 2


def test_of_a_lot_what_another_has_claimed_or_removed_is_left_out(domain):
    gone, taken = make.make_domain(), make.make_domain()
    AuditDomain.objects.claim("me", [domain.pk, gone.pk])
    AuditDomain.objects.claim("other", [taken.pk])
    AuditDomain.objects.filter(pk=gone.pk).delete()
    lot = [
        store.Audited(row, results(), timezone.now(), owner="me") for row in (gone, taken, domain)
    ]
    assert store.record_lot(lot) == [store.Saved.LOST, store.Saved.LOST, store.Saved.WRITTEN]
    assert set(AuditCheck.objects.values_list("domain", flat=True)) == {domain.pk}
