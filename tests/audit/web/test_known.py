"""Marking what is known: who may, what must be said, of one finding and of a selection."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audit.models import AuditDomain, Waiver
from audit.reading import trail
from tests.audit import factories as make

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SAID = {"reason": "moves to us", "until": "week"}


@pytest.fixture
def domain():
    return make.make_domain("cliente.pt", checks={"dns_spf": "fail", "dns_dmarc": "warn"})


@pytest.fixture
def operator(client):
    client.force_login(make.make_operator("ana"))
    return client


def url(domain, rest):
    return f"/domains/{domain.tenant_id}/{domain.domain}/{rest}/"


def one(**more):
    return {"check_id": "dns_spf", "code": "dns_spf_problem", **SAID, **more}


def test_viewers_see_what_is_known_and_change_nothing(client, domain):
    """Case 230."""
    client.force_login(make.make_operator("ana"))
    client.post(url(domain, "mark"), one())
    client.force_login(make.make_viewer())
    html = client.get(url(domain, "").replace("//", "/")).content.decode()
    assert "moves to us · ana" in html and "Take back" not in html and "Mark as known" not in html
    for path, data in [
        (url(domain, "mark"), one()),
        (url(domain, "take-back"), {"waiver": 1}),
        ("/mark-selected/", {"domain": domain.pk, **SAID}),
    ]:
        assert client.post(path, data).status_code == 403, path
    assert Waiver.objects.filter(ended_at=None).count() == 1


def test_a_finding_is_marked_shown_and_taken_back(operator, domain):
    answer = operator.post(url(domain, "mark"), one(), headers=HTMX)
    assert answer.status_code == 200 and "moves to us" in answer.content.decode()
    (waiver,) = Waiver.objects.all()
    assert (waiver.by, waiver.code, waiver.ended_at) == ("ana", "dns_spf_problem", None)
    assert timedelta(days=6.9) < waiver.until - timezone.now() < timedelta(days=7.1)
    domain.refresh_from_db()
    assert domain.score == 6 and domain.status == "critical", "score and status never lie"
    answer = operator.post(url(domain, "take-back"), {"waiver": waiver.pk})
    assert answer.status_code == 302
    waiver.refresh_from_db()
    assert waiver.ended_why == "person"
    assert [(entry.who, entry.said) for entry in trail.recent(domain)] == [
        ("ana", "No longer marked as known: dns_spf dns_spf_problem"),
        ("ana", "Marked as known: dns_spf dns_spf_problem (moves to us)"),
    ]


def test_all_that_is_wrong_and_known_moves_the_domain_to_its_group(operator, domain):
    operator.post("/mark-selected/", {"domain": domain.pk, **SAID})
    domain.refresh_from_db()
    assert domain.known
    assert [entry.said for entry in trail.recent(domain)] == [
        "Marked as known: dns_spf (moves to us)",
        "Marked as known: dns_dmarc (moves to us)",
    ]
    html = operator.get("/?group=known").content.decode()
    assert "cliente.pt" in html and "moves to us" in html
    assert "cliente.pt" not in operator.get("/?group=customer").content.decode()


@pytest.mark.parametrize(
    "said",
    [
        {"reason": " "},
        {"reason": "x" * 301},
        {"until": "day", "day": ""},
        {"until": "day", "day": "2020-01-01"},
        {"until": "day", "day": "9999-12-31"},
        {"until": "never"},
        {"check_id": "dns_mx"},
        {"check_id": "nothing"},
        {"code": "spf_other"},
    ],
)
def test_what_is_not_said_is_asked_for_and_nothing_is_marked(operator, domain, said):
    answer = operator.post(url(domain, "mark"), one(**said), headers=HTMX)
    assert answer.status_code == 422 and 'role="alert"' in answer.content.decode()
    assert not Waiver.objects.exists()


def test_it_ends_when_the_day_is_over_or_never(operator, domain):
    day = (timezone.localtime() + timedelta(days=3)).date()
    operator.post(url(domain, "mark"), one(until="day", day=day.isoformat()))
    (waiver,) = Waiver.objects.all()
    assert timezone.localtime(waiver.until).date() == day
    operator.post(url(domain, "mark"), one(until="good"))
    waiver.refresh_from_db()
    assert waiver.until is None


def test_a_selection_is_asked_for_a_reason_first(operator, domain):
    other = make.make_domain("outro.pt", checks={"dns_dmarc": "warn"})
    chosen = {"domain": [domain.pk, other.pk]}
    form = operator.post("/mark-selected/?q=pt", chosen).content.decode()
    assert "cliente.pt, outro.pt" in form and not Waiver.objects.exists()
    operator.post("/mark-selected/?q=pt", {**chosen, **SAID, "check": "dns_dmarc"})
    assert set(Waiver.objects.values_list("domain__domain", "check_id")) == {
        ("cliente.pt", "dns_dmarc"),
        ("outro.pt", "dns_dmarc"),
    }


def test_all_that_match_are_those_of_the_query_string(operator, domain):
    make.make_domain("outro.pt", checks={"dns_dmarc": "warn"})
    answer = operator.post("/mark-selected/?status=critical", {"all": "1", **SAID})
    assert answer["Location"] == "/?status=critical"
    assert set(Waiver.objects.values_list("domain__domain", flat=True)) == {"cliente.pt"}


def test_a_selection_that_is_empty_or_too_large_does_nothing(operator, domain, monkeypatch):
    assert operator.post("/mark-selected/", SAID).status_code == 422
    monkeypatch.setattr("audit.web.known.MOST", 1)
    make.make_domain("outro.pt", checks={"dns_dmarc": "warn"})
    assert operator.post("/mark-selected/", {"all": "1", **SAID}).status_code == 422
    assert not Waiver.objects.exists()


def test_nobody_takes_back_what_is_of_another_domain(operator, domain):
    operator.post(url(domain, "mark"), one())
    other = make.make_domain("outro.pt", checks={})
    operator.post(url(other, "take-back"), {"waiver": Waiver.objects.get().pk})
    assert Waiver.objects.get().ended_at is None
    assert AuditDomain.objects.count() == 2


@pytest.mark.parametrize("view", ["cards", "table"])
def test_what_was_marked_at_once_is_said_once_in_the_list(operator, domain, view):
    operator.post("/mark-selected/", {"domain": domain.pk, **SAID})
    assert Waiver.objects.count() == 2
    said = "known: moves to us · ana · until"
    listed = f"/?view={view}&fold=none"
    assert operator.get(listed).content.decode().count(said) == 1
    Waiver.objects.filter(check_id="dns_dmarc").update(reason="has its own reports")
    html = operator.get(listed).content.decode()
    assert said in html and "known: has its own reports" in html
