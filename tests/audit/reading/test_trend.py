"""Lines and timelines from the transitions that are kept."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import CheckTransition
from audit.reading import trend
from audit.reading.overview import cards
from tests.audit.factories import audit, make_domain, make_viewer

pytestmark = pytest.mark.django_db


def ago(days):
    return timezone.now() - timedelta(days=days)


def line(domain):
    found, _previous, _next = cards(type(domain).objects.filter(pk=domain.pk))
    return [
        (round(x, 2), score)
        for x, score in trend.scores({c["id"]: c["known"] for c in found}).get(domain.pk, [])
    ]


def test_a_line_goes_up_and_down_with_the_score():
    domain = make_domain("a.pt", created_at=ago(80))
    audit(domain, at=ago(60))
    assert line(domain) == [(0.0, 8), (1.0, 8)]
    audit(domain, at=ago(15), dns_spf="fail", dns_mx="warn")
    audit(domain, at=ago(3), dns_spf="fail")
    assert line(domain) == [(0.0, 8), (0.5, 6), (0.9, 7), (1.0, 7)]


def test_a_line_begins_with_the_first_audit_and_unknown_is_as_last_known():
    domain = make_domain("a.pt")
    assert line(domain) == []
    audit(domain, at=ago(6))
    audit(domain, at=ago(1), dns_mx="unknown")
    assert line(domain) == [(0.8, 8), (1.0, 8)]


def test_a_timeline_has_a_span_for_each_status_and_none_before_the_first_answer():
    domain = make_domain("a.pt")
    audit(domain, at=ago(45), dns_spf="fail")
    audit(domain, at=ago(9))
    parts = [
        (round(x, 2), round(width, 2), status)
        for x, width, status, _since in trend.spans(domain)["dns_spf"]
    ]
    assert parts == [(0.5, 0.4, "fail"), (0.9, 0.1, "ok")]


def test_what_is_older_than_the_window_is_one_span_from_its_edge():
    domain = make_domain("a.pt")
    CheckTransition.objects.create(
        domain=domain, check_id="dns_mx", from_status="", to_status="fail", at=ago(300)
    )
    CheckTransition.objects.create(
        domain=domain, check_id="dns_mx", from_status="fail", to_status="ok", at=ago(200)
    )
    assert [(x, round(w, 2), s) for x, w, s, _since in trend.spans(domain)["dns_mx"]] == [
        (0.0, 1.0, "ok")
    ]


def test_a_domain_of_today_has_no_line_and_no_timeline_yet():
    domain = make_domain("a.pt")
    audit(domain, at=ago(1))
    audit(domain, at=ago(0.5), dns_spf="fail")
    assert line(domain) == [] and trend.spans(domain) == {}


def test_the_pages_draw_them(client):
    domain = make_domain("a.pt")
    audit(domain, at=ago(5), dns_spf="fail")
    client.force_login(make_viewer())

    def html_of(url):
        html = client.get(url, headers={"Accept-Language": "pt"}).content.decode()
        return " ".join(html.split())

    assert '<svg class="spark"' in html_of("/")
    html = html_of(f"/domains/{domain.tenant_id}/a.pt/")
    assert (
        html.count('<svg class="timeline"') == 8
        and 'width="0,' not in html
        and 'x="0.0"' not in html.replace('x="0.0" w', "")
    )
