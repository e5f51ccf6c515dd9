"""The server card as data: stored rows, rows that are off, rows that were just judged."""

import pytest
from django.utils import timezone, translation

from audit.models import ServerCard, server_of
from audit.reading import server_card
from audit.results.server_card import record_card
from collectors.server.card import CARD
from tests.audit import factories as make

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant():
    return make.make_tenant()


def judged(tenant, **statuses):
    ServerCard.objects.claim("w", 1)
    results = {c: make.make_result(c, s) for c, s in statuses.items()}
    record_card(tenant.pk, results, owner="w", begun_at=timezone.now())
    return results


def test_the_ten_rows_stand_in_their_order_and_say_why_they_are_off(tenant):
    state = server_card.of_tenant(tenant)
    assert [c["check_id"] for c in state["checks"]] == list(CARD) and len(CARD) == 10
    of = {c["check_id"]: c for c in state["checks"]}
    assert (of["server_mx"]["status"], of["server_mx"]["off"]) == ("unknown", "")
    assert of["server_spf"]["status"] == "off" and "SPF include" in of["server_spf"]["off"]
    assert state["stale"] and state["status"] == "unknown" and state["last_audit"] is None


def test_the_worst_row_is_the_cards_status_and_rows_that_are_off_do_not_count(tenant):
    judged(tenant, server_mx="ok", server_ptr="warn")
    state = server_card.of_tenant(tenant)
    assert state["status"] == "warn" and not state["stale"]
    assert server_card.worst(["off", "ok", "ok"]) == "ok"
    assert server_card.worst(["off", "ok", "unknown"]) == "unknown"
    assert server_card.worst([]) == "unknown"


def test_a_tenant_that_is_switched_off_is_not_judged_again(tenant):
    tenant.enabled = False
    tenant.save()
    assert server_card.of_tenant(tenant)["next_audit"] is None


def test_what_was_just_judged_is_shown_without_being_kept(tenant):
    results = {"server_mx": make.make_result("server_mx", "fail")}
    rows = server_card.of_results(results, server_of(tenant))
    of = {row["check_id"]: row["status"] for row in rows}
    assert of["server_mx"] == "fail" and of["server_spf"] == "off"
    assert "server_ptr" not in of


def test_a_row_is_headed_with_a_capital_in_every_language(tenant):
    results = judged(tenant, server_spf="fail")
    for language in ("pt", "pt-br"):
        with translation.override(language):
            off = server_card.of_tenant(tenant)["checks"]  # no include is set
            tenant.spf_include = "_spf.host.test"
            on = server_card.of_tenant(tenant)["checks"]
            now = server_card.of_results(results, server_of(tenant))
            tenant.spf_include = ""
            for rows in (off, on, now):
                assert "Include do SPF" in [row["title"] for row in rows], language
            assert all(row["title"][0].isupper() for row in [*off, *on])
    assert server_card.row_title("server_gone") == "server_gone"
