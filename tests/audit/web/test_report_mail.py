"""The link to the report by mail: through a real SMTP server on loopback, to one address, and said
to be sent only when it was."""

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit.models import AuditDomain, ReportLink, Tenant
from audit.notify.report_mail import Letter, Unsendable
from audit.web import report_mail
from tests.audit.factories import make_domain, make_operator, make_tenant, make_viewer

pytestmark = pytest.mark.django_db
NASTY = "Bank\r\nBcc: all@example.com\x01\u202e\u2028X: y"


@pytest.fixture
def link():
    tenant = make_tenant("VM112", language="pt", contact="suporte@host.test")
    domain = make_domain("acção.pt", tenant, checks={"dns_spf": "fail"})
    [made] = ReportLink.objects.make([domain])
    return made


@pytest.fixture
def ana(client):
    user = make_operator("ana")
    client.force_login(user)
    return user


def path(link):
    return f"/report-links/{link.pk}/mail/"


def letter(*links, **changes):
    proposed = Letter.proposed(*links)
    values = {"to": "eva@example.com", "subject": proposed.subject, "text": proposed.text}
    return values | changes


def test_it_is_sent_as_it_was_edited_and_kept(client, ana, link, mails):
    page = client.get(path(link)).content.decode()
    assert "acção.pt" in page and "{link}" in page and "suporte@host.test" in page
    posted = letter(link, text="Bom dia,\r\n\r\n{link}\r\n\r\nAté já: {link}")
    answer = client.post(path(link), posted)
    assert answer["Location"] == f"/domains/{link.domain.tenant_id}/{link.domain.domain}/"
    [(to, mail)] = mails.mails
    url = f"http://testserver{link.get_absolute_url()}"
    assert to == ["eva@example.com"] and mail["To"] == "eva@example.com"
    assert mail.get_content().replace("\r\n", "\n") == f"Bom dia,\n\n{url}\n\nAté já: {url}\n"
    assert mail["Reply-To"] == "suporte@host.test" and "acção.pt" in mail["Subject"]
    link.refresh_from_db()
    assert link.sent_to == "eva@example.com" and link.sent_at
    entry = LogEntry.objects.order_by("-pk").first()
    assert entry.change_message == "Report link mailed: eva@example.com" and entry.user == ana
    assert link.token not in entry.change_message
    assert Client().get(link.get_absolute_url()).status_code == 200
    said = client.get(answer["Location"]).content.decode()
    assert "The mail server took the message to eva@example.com." in said


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "still missing in the DNS"), ("pt", "{link}"), ("pt-br", "{link}")],
)
def test_what_is_proposed_is_in_the_customers_language(client, ana, link, language, words):
    link.domain.tenant.language = language
    proposed = Letter.proposed(link)
    assert words in proposed.text and "acção.pt" in proposed.subject
    assert "{link}" in proposed.text and Letter.of("a@b.pt", proposed.subject, proposed.text)


def refuse(mails, **kind):
    mails.refused.update(kind.get("refused", {}))
    mails.answers.update(kind.get("answers", {}))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ({"refused": {"eva@example.com": "550 no such user"}}, "no such user"),
        ({"answers": {"DATA": "554 looks like spam"}}, "looks like spam"),
        ({"answers": {"MAIL": "530 log in first"}}, "log in first"),
        ({"answers": {"MAIL": None}}, "closed the connection"),
    ],
)
def test_what_was_not_taken_is_not_said_to_be_sent(client, ana, link, mails, kind, said):
    refuse(mails, **kind)
    posted = letter(link, subject="Mine")
    answer = client.post(path(link), posted)
    html = answer.content.decode()
    assert answer.status_code == 422 and said in html
    assert 'value="Mine"' in html and 'value="eva@example.com"' in html, "nothing typed is lost"
    link.refresh_from_db()
    assert link.sent_at is None and link.sent_to == "" and mails.mails == []
    assert not LogEntry.objects.filter(change_message__contains="mailed").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"to": ""},
        {"to": "eva"},
        {"to": "eva@example.com, bob@example.com"},
        {"to": "eva@example.com\nbob@example.com"},
        {"to": "eva@example.com\r\nBcc: bob@example.com"},
        {"to": "Eva <eva@example.com>"},
        {"to": "e" * 250 + "@example.com"},
        {"subject": " \r\n "},
        {"subject": "x" * 151},
        {"text": "no link here"},
        {"text": "{link}" + "x" * 5000},
    ],
)
def test_what_cannot_go_is_said_and_not_sent(client, ana, link, mails, changes):
    answer = client.post(path(link), letter(link, **changes))
    assert answer.status_code == 422 and b'role="alert"' in answer.content
    assert mails.mails == []


def test_no_subject_reaches_beyond_its_line(client, ana, link, mails):
    client.post(path(link), letter(link, subject=NASTY, text=f"{NASTY} {{link}}"))
    [(to, mail)], [raw] = mails.mails, mails.raw
    assert to == ["eva@example.com"] and mail["Bcc"] is None and mail["X"] is None
    assert b"\r\nBcc" not in raw.partition(b"\r\n\r\n")[0]
    assert not {"\x01", "\u202e", "\u2028"} & {*str(mail["Subject"]), *mail.get_content()}


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.text(), st.text(), st.text())
def test_a_letter_is_one_address_one_line_and_a_link_or_none(to, subject, text):
    try:
        found = Letter.of(to, subject, text + "{link}")
    except Unsendable:
        return
    assert re.fullmatch(r"[^\s,;<>]+@[^\s,;<>@]+", found.to) and "{link}" in found.text
    assert found.subject == " ".join(found.subject.split()) and len(found.subject) <= 150


def test_where_no_mail_is_set_up_it_can_be_copied(client, ana, link, settings):
    settings.EMAIL_HOST = ""
    html = client.get(path(link)).content.decode()
    assert "EMAIL_URL" in html and 'href="mailto:?subject=' in html and "<textarea" not in html
    assert link.get_absolute_url() in html and "{link}" not in html
    answer = client.post(path(link), letter(link))
    assert answer.status_code == 422 and ReportLink.objects.get().sent_at is None


def test_it_is_throttled(client, ana, link, mails, monkeypatch):
    monkeypatch.setattr(report_mail, "AN_HOUR", 1)
    assert client.post(path(link), letter(link)).status_code == 302
    answer = client.post(path(link), letter(link))
    assert answer.status_code == 429 and int(answer["Retry-After"]) > 0 and len(mails.mails) == 1


@pytest.fixture
def several(link):
    rows = [make_domain(f"loja{n}.pt", link.domain.tenant, checks={}) for n in (1, 2)]
    return [link, *ReportLink.objects.make(rows)]


def together(links):
    return "/report-links/mail/?" + "&".join(f"link={link.pk}" for link in links)


@pytest.mark.parametrize("language", ["en", "pt", "pt-br"])
def test_one_mail_carries_the_links_of_several_domains(client, ana, several, mails, language):
    Tenant.objects.update(language=language)
    page = client.get(together(several)).content.decode().replace("<wbr>", "")
    assert all(name in page for name in ("acção.pt", "loja1.pt", "loja2.pt", "{link}"))
    answer = client.post(together(several), letter(*ReportLink.objects.all()))
    assert answer["Location"] == "/onboarding/"
    [(to, mail)] = mails.mails
    text = mail.get_content().replace("\r\n", "\n")
    assert to == ["eva@example.com"] and "3" in mail["Subject"] and "{link}" not in text
    for link in ReportLink.objects.all():
        url = f"http://testserver{link.get_absolute_url()}"
        assert text.count(f"{link.domain.unicode}\n{url}\n") == 1
        assert link.sent_to == "eva@example.com" and link.sent_at
    said = [
        entry.object_repr for entry in LogEntry.objects.filter(change_message__contains="maile")
    ]
    assert len(said) == 3, "it stands with each domain"


def test_of_several_links_all_are_sent_or_none(client, ana, several, mails):
    refuse(mails, answers={"DATA": "554 looks like spam"})
    assert client.post(together(several), letter(*several)).status_code == 422
    several[2].revoke()
    html = client.get(together(several)).content.decode()
    assert "Not all of these links" in html and not any(link.token in html for link in several)
    assert client.post(together(several), letter(*several)).status_code == 410
    assert mails.mails == [] and not ReportLink.objects.exclude(sent_at=None).exists()


def test_one_mail_is_of_one_server_and_bounded(client, ana, several, mails, monkeypatch):
    [foreign] = ReportLink.objects.make([make_domain("z.pt", make_tenant("VM7"), checks={})])
    nothing = ("", "?link=x&link=&link=0&link=999999", f"?link={2**70}")
    for query in nothing:
        assert client.get(f"/report-links/mail/{query}").status_code == 422
    mixed = together([*several, foreign])
    for answer in (client.get(mixed), client.post(mixed, letter(*several))):
        assert answer.status_code == 422 and "several servers" in answer.content.decode()
    monkeypatch.setattr(report_mail, "MOST", 2)
    assert client.get(together(several)).status_code == 422 and mails.mails == []
    client.force_login(make_viewer())
    assert client.get(together(several[:2])).status_code == 403
    assert client.post(together(several[:2]), letter(*several)).status_code == 403


def test_selected_domains_are_ticked_for_one_mail_and_none_by_itself(client, ana, several):
    rows = [link.domain for link in several]
    AuditDomain.objects.update(last_audit_at=timezone.now())
    html = client.post("/report-selected/", {"domain": [r.pk for r in rows]}).content.decode()
    assert html.count('name="link"') == 3 and " checked" not in html
    assert 'action="/report-links/mail/"' in html
    alone = client.post("/report-selected/", {"domain": [rows[0].pk]}).content.decode()
    assert 'name="link"' not in alone and "/mail/" in alone


def test_only_who_may_make_links_mails_them(client, link, mails):
    assert "/login/" in client.get(path(link))["Location"]
    client.force_login(make_viewer())
    assert client.get(path(link)).status_code == 403
    assert client.post(path(link), letter(link)).status_code == 403
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_operator())
    assert strict.post(path(link), letter(link)).status_code == 403
    assert mails.mails == []
    assert strict.get("/report-links/999999/mail/").status_code == 404
    assert strict.get(f"/report-links/{2**70}/mail/").status_code == 404


@pytest.mark.parametrize("end", ["revoked_at", "expires_at"])
def test_a_link_that_has_ended_is_not_sent(client, ana, link, mails, end):
    ReportLink.objects.update(**{end: timezone.now()})
    assert client.post(path(link), letter(link)).status_code == 410
    html = client.get(path(link)).content.decode()
    assert "leads nowhere any more" in html and link.token not in html and mails.mails == []
