"""Links to customers' reports: what opens one, what ends it, and what its visits leave."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit import tasks
from audit.models import AuditDomain, ReportLink
from audit.models.onboarding import LinkEnded
from tests.audit.factories import (
    audit,
    make_admin,
    make_domain,
    make_operator,
    make_tenant,
    make_viewer,
)

pytestmark = pytest.mark.django_db
OLD = timezone.now() - timedelta(days=1)


@pytest.fixture
def domain():
    tenant = make_tenant("VM9", language="pt-br", contact="suporte@host.test")
    return make_domain("cliente.pt", tenant, status="critical", checks={})


@pytest.fixture
def link(domain):
    [made] = ReportLink.objects.make([domain])
    return made


def path(link):
    return reverse("report", args=[link.token])


def test_a_token_opens_its_own_link_alone(link, domain):
    [other] = ReportLink.objects.make([domain])
    assert ReportLink.objects.of_token(link.token) == link
    assert link.token == ReportLink.objects.get(pk=link.pk).token
    number, _dot, signature = link.token.partition(".")
    for forged in (f"{other.pk}.{signature}", f"{number}.", number, "", f"{number}.{signature}x"):
        assert ReportLink.objects.of_token(forged) is None, forged
    domain.delete()
    assert ReportLink.objects.of_token(f"{number}.{signature}") is None


@pytest.mark.parametrize(
    ("values", "why", "words"),
    [
        ({"revoked_at": OLD}, "revoked", "suporte@host.test"),
        ({"expires_at": OLD}, "expired", "suporte@host.test"),
        ({"expires_at": OLD, "done_at": OLD}, "done", "suporte@host.test"),
        ({"revoked_at": OLD, "expires_at": OLD, "done_at": OLD}, "revoked", "suporte@host.test"),
    ],
)
def test_an_ended_link_says_why_in_the_language_of_the_customer(link, values, why, words):
    ReportLink.objects.update(**values)
    with pytest.raises(LinkEnded) as ended:
        ReportLink.objects.of_token(link.token)
    assert ended.value.why == why
    answer = Client().get(path(link))
    html = answer.content.decode()
    assert answer.status_code == 410 and '<html lang="pt-br">' in html and words in html
    assert "cliente.pt" not in html and "no-store" in answer["Cache-Control"]
    link.refresh_from_db()
    assert link.opened_at is None


@pytest.mark.parametrize(
    ("checks", "age", "well"),
    [
        ({}, 0, True),
        ({"dns_mx": "fail"}, 0, False),
        ({"dns_mx": "unknown"}, 0, False),
        ({}, 9, False),
    ],
)
def test_a_link_that_was_done_says_that_all_is_well_while_it_is(link, checks, age, well):
    """The domain may have broken since, or nobody may have looked for days."""
    now = timezone.now()
    link.domain.tenant.__class__.objects.update(language="en")
    audit(link.domain, **checks)
    AuditDomain.objects.update(last_audit_at=now - timedelta(days=age))
    ReportLink.objects.update(expires_at=OLD, done_at=OLD)
    answer = Client().get(path(link))
    html = answer.content.decode()
    assert answer.status_code == 410 and "thank you" in html
    assert ("All is well" in html, "has everything" in html) == (well, well)
    assert ("If something has changed since" in html) is not well


@pytest.mark.parametrize("gone", ["removed", "switched off", "link deleted"])
def test_a_whole_link_to_a_domain_that_is_gone_is_not_said_to_be_cut_off(link, domain, gone):
    """Its holder would copy it again and again."""
    address = path(link)
    if gone == "removed":
        domain.delete()
    elif gone == "switched off":
        AuditDomain.objects.update(enabled=False)
    else:
        link.delete()
    for one in (address, address + "zone.txt"):
        answer = Client().get(one, headers={"Accept-Language": "en"})
        html = answer.content.decode()
        assert answer.status_code == 404 and "no longer looked at here" in html
        assert "cut off" not in html and domain.domain not in html
    cut = Client().get(address[:-5] + "/", headers={"Accept-Language": "en"})
    assert cut.status_code == 404 and "cut off" in cut.content.decode()


SCANNERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36",
    "Mozilla/5.0 (compatible; BarracudaCentral/1.0)",
    "WhatsApp/2.23.20.0",
    "",
)


@pytest.mark.parametrize("agent", SCANNERS)
def test_what_fetches_the_page_has_not_opened_it(link, agent):
    """Filters and previews say that they are browsers; they fetch, and nobody is there."""
    html = Client().get(path(link), headers={"User-Agent": agent}).content.decode()
    Client().get(path(link) + "zone.txt")
    link.refresh_from_db()
    assert link.opened_at is None and link.seen_at is None
    assert f'data-seen="{path(link)}seen/"' in html
    assert f'<noscript><img src="{path(link)}seen/"' in html, "without scripts"


def test_only_a_stranger_counts_as_who_opened_it(client, link):
    seen = path(link) + "seen/"
    client.force_login(make_operator())
    assert client.get(seen).status_code == 204
    assert Client().head(seen).status_code == 204
    link.refresh_from_db()
    assert link.opened_at is None and link.seen_at is None
    answer = Client().get(seen)
    assert answer.status_code == 204 and "no-store" in answer["Cache-Control"]
    link.refresh_from_db()
    first = link.opened_at
    assert first and link.seen_at == first
    ReportLink.objects.update(seen_at=OLD)
    Client().get(seen)
    link.refresh_from_db()
    assert link.opened_at == first and link.seen_at > first


def test_whoever_checks_again_has_opened_it(link):
    link.note_checked()
    link.refresh_from_db()
    assert link.opened_at and link.seen_at and link.checked_at


def test_a_page_that_is_still_open_when_its_link_ends_is_told_nothing(link):
    link.revoke()
    for token in (link.token, f"{link.pk}.forged", "x"):
        assert Client().get(f"/report/{token}/seen/").status_code == 204
    link.refresh_from_db()
    assert link.opened_at is None


def test_each_link_is_a_row_that_says_who_made_it(client, domain):
    ana = make_operator()
    client.force_login(ana)
    make = reverse("make-report", args=[domain.tenant_id, domain.domain])
    html = client.post(make).content.decode()
    made = ReportLink.objects.get()
    assert re.search(r"/report/[^<\"]+/", html)[0] == path(made)
    assert made.created_by == ana and made.domain == domain
    assert made.expires_at - made.created_at == timedelta(days=30)


def test_it_is_revoked_alone_from_the_scorecard(client, domain):
    [one, other] = ReportLink.objects.make([domain, domain])
    client.force_login(make_operator())
    page = reverse("scorecard", args=[domain.tenant_id, domain.domain])
    assert client.get(page).content.decode().count("Revoke this link") == 2
    assert client.get(page + "revoke/")["Location"] == page
    assert client.post(page + "revoke/", {"link": one.pk})["Location"] == page
    assert Client().get(path(one)).status_code == 410
    assert Client().get(path(other)).status_code == 200
    html = client.get(page).content.decode()
    assert html.count("Revoke this link") == 1 and "revoked" in html
    assert "Report link revoked" in html, "it stands in the trail"
    for nonsense in ("x", "", str(2**70), str(one.pk)):
        assert client.post(page + "revoke/", {"link": nonsense}).status_code == 302
    foreign = make_domain("outro.pt", domain.tenant, checks={})
    [theirs] = ReportLink.objects.make([foreign])
    client.post(page + "revoke/", {"link": theirs.pk})
    assert ReportLink.objects.get(pk=theirs.pk).revoked_at is None
    client.force_login(make_viewer())
    assert client.post(page + "revoke/", {"link": other.pk}).status_code == 403
    assert "Revoke this link" not in client.get(page).content.decode()


def test_a_new_link_leads_to_its_mail_on_request(client, domain):
    client.force_login(make_operator())
    make = reverse("make-report", args=[domain.tenant_id, domain.domain])
    answer = client.post(make, {"mail": "1"})
    assert answer["Location"] == f"/report-links/{ReportLink.objects.get().pk}/mail/"


def test_links_that_have_ended_are_pruned_with_the_rest(link, domain, settings):
    settings.AUDIT_RETENTION_DAYS = 90
    [old] = ReportLink.objects.make([domain])
    ReportLink.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(days=91))
    assert tasks.prune()["report_links"] == 1
    assert list(ReportLink.objects.all()) == [link]


def test_the_administration_shows_links_and_nothing_that_opens_them(client, link):
    link.note_sent("eva@example.com")
    client.force_login(make_admin())
    for address in ("/admin/audit/reportlink/", f"/admin/audit/reportlink/{link.pk}/change/"):
        answer = client.get(address)
        html = answer.content.decode()
        assert answer.status_code == 200 and "eva@example.com" in html
        assert link.token not in html and 'name="_save"' not in html
    assert client.post(f"/admin/audit/reportlink/{link.pk}/delete/").status_code == 403
    assert client.get("/admin/audit/reportlink/add/").status_code == 403
