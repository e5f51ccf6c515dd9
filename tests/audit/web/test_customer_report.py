"""The report for the customer: who makes links, what their holders see, and what they never see."""

import re
from datetime import timedelta

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.models import AuditDomain, ReportLink
from audit.results import store
from collectors.base import Action, DnsRecord, Fix, Owner
from collectors.text import _
from tests.audit.factories import (
    audit,
    make_domain,
    make_operator,
    make_result,
    make_tenant,
    make_viewer,
)

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def domain():
    """SPF is the customer's turn, the certificate is ours, DKIM could not be measured."""
    row = make_domain(
        "cliente.pt",
        make_tenant("VM112", portal_url="http://10.10.10.112:8090", language="en"),
        checks={},
    )
    audit(row, dns_spf="fail", dns_dkim="unknown")
    fix = Fix(
        _("Publish this one."),
        (
            DnsRecord(
                "TXT",
                "cliente.pt",
                "v=spf1 include:_spf.host.test -all",
                Action.REPLACE,
                "v=spf1 -all",
            ),
        ),
    )
    results = {
        "dns_spf": make_result(
            "dns_spf",
            "fail",
            message="Your SPF leaves us out.",
            evidence={"seen": "SECRET-EVIDENCE"},
            fix=fix,
        ),
        "cert_le": make_result(
            "cert_le", "fail", message="OUR-OWN-FAULT on 10.10.10.112.", owner=Owner.HOST
        ),
    }
    assert store.record(row, results, begun_at=timezone.now())
    return row


def make_link(client, domain, **kwargs):
    response = client.post(f"/domains/{domain.tenant_id}/{domain.domain}/report/", **kwargs)
    assert response.status_code == 200
    return re.search(r"http://testserver(/report/[^<\"]+)", response.content.decode()).group(1)


def test_the_holder_of_a_link_sees_what_to_publish_and_nothing_internal(client, domain):
    client.force_login(make_operator())
    path = make_link(client, domain, headers=HTMX)
    answer = Client().get(path)
    html = answer.content.decode()
    assert answer.status_code == 200 and "Your SPF leaves us out." in html
    assert "include:_spf.host.test" in html and "Published now" in html
    assert "<mark>include:_spf.host.test</mark>" in html.replace(" </mark>", "</mark>")
    assert "With us, nothing for you to do: the webmail&#x27;s certificate." in html
    assert "1 of 4 records to change" in html  # DKIM could not be measured
    for ours in (
        "OUR-OWN-FAULT",
        "10.10.10.112",
        "VM112",
        "SECRET-EVIDENCE",
        "/admin/",
        "manage.py",
        "dns_spf_problem",
        "ana",
    ):
        assert ours not in html, ours
    assert (answer["Referrer-Policy"], answer["X-Robots-Tag"]) == ("same-origin", "noindex")
    assert (
        "no-store" in answer["Cache-Control"]
        and "default-src 'none'" in answer["Content-Security-Policy"]
    )


@pytest.mark.parametrize(
    ("language", "words", "title"),
    [
        ("pt", "Correio eletrónico do seu domínio", "Português"),
        ("pt-br", "E-mail do seu domínio", "Português (Brasil)"),
    ],
)
def test_it_is_in_the_language_of_the_tenant_whatever_the_browser_says(
    client, domain, language, words, title
):
    domain.tenant.language = language
    domain.tenant.save()
    client.force_login(make_operator())
    client.cookies["django_language"] = "pt"
    making = f"/domains/{domain.tenant_id}/{domain.domain}/report/"
    assert f"Na língua definida no inquilino: {title}." in client.post(making).content.decode()
    answer = Client().get(make_link(client, domain), headers={"Accept-Language": "en"})
    html = answer.content.decode()
    assert f'<html lang="{language}">' in html and answer["Content-Language"] == language
    assert words in html and "What to change" not in html


def test_a_link_of_another_make_is_404_and_an_old_one_is_410(client, domain):
    client.force_login(make_operator())
    path = make_link(client, domain)
    assert client.get(path[:-2] + "xx/").status_code == 404
    other = signing.Signer(salt="something.else", sep=".").sign("1")
    for broken in (f"/report/{other}/", path[:-9] + "/", "/report/x/"):
        answer = client.get(broken)
        html = answer.content.decode()
        assert (
            answer.status_code == 404
            and "same-origin" in answer["Referrer-Policy"]
            and "noindex" in answer["X-Robots-Tag"]
        )
        assert "This link leads nowhere" in html and not any(
            ours in html for ours in ("overview", "/login/", "<nav", "API")
        ), broken
    ReportLink.objects.update(expires_at=timezone.now())
    old = Client().get(path)
    assert (
        old.status_code == 410
        and "This link has ended" in old.content.decode()
        and "cliente.pt" not in old.content.decode()
    )


def test_a_link_leads_nowhere_when_the_domain_is_gone_or_switched_off(client, domain):
    client.force_login(make_operator())
    path = make_link(client, domain)
    AuditDomain.objects.update(enabled=False)
    gone = Client().get(path)
    assert (
        gone.status_code == 404
        and "This link has ended" in gone.content.decode()
        and "cliente.pt" not in gone.content.decode()
    )
    AuditDomain.objects.all().delete()
    assert Client().get(path).status_code == 404


def test_a_healthy_domain_has_nothing_to_do(client):
    domain = make_domain("bom.pt", make_tenant("VM9", language="en"), checks={})
    client.force_login(make_operator())
    html = Client().get(make_link(client, domain)).content.decode()
    assert "Thank you, all is done" in html and "There is nothing for you to do." in html
    assert "With us" not in html and "zone.txt" not in html
    type(domain).objects.update(last_audit_at=timezone.now() - timedelta(days=2))
    html = Client().get(make_link(client, domain)).content.decode()
    assert "Thank you" not in html and "it may have changed since" in html


def test_links_are_for_operators_by_post_alone(client, domain):
    path = f"/domains/{domain.tenant_id}/{domain.domain}/"
    assert client.post(path + "report/").status_code == 302
    client.force_login(make_viewer())
    assert client.post(path + "report/").status_code == 403
    assert "Report for the customer" not in client.get(path).content.decode()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(make_operator())
    assert strict.post(path + "report/").status_code == 403
    assert strict.get(path + "report/")["Location"] == path
    assert "Report for the customer" in strict.get(path).content.decode()


def test_its_zone_text_is_a_file_to_keep_as_private_as_the_page(client, domain):
    client.force_login(make_operator())
    path = make_link(client, domain)
    assert f'href="{path}zone.txt" download' in Client().get(path).content.decode()
    answer = Client().get(path + "zone.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="zone.txt"'
    assert (answer["Referrer-Policy"], answer["X-Robots-Tag"]) == ("same-origin", "noindex")
    assert "no-store" in answer["Cache-Control"]
    text = answer.content.decode()
    assert '\n@ 3600 IN TXT "v=spf1 include:_spf.host.test -all"\n' in text
    assert '\n; take out: @ 3600 IN TXT "v=spf1 -all"\n' in text
    assert Client().post(path + "zone.txt").status_code in (403, 405)
    store.record(domain, {"dns_spf": make_result("dns_spf")}, begun_at=timezone.now())
    assert Client().get(path + "zone.txt").status_code == 404
    assert Client().get("/report/forged/zone.txt").status_code == 404
    ReportLink.objects.update(revoked_at=timezone.now())
    assert Client().get(path + "zone.txt").status_code == 410


def test_whatever_records_say_is_shown_as_text(client, domain):
    evil = '"><script>alert(1)</script>'
    record = DnsRecord("TXT", "cliente.pt", f"v=spf1 {evil}", Action.REPLACE, evil)
    result = make_result("dns_spf", "fail", message=evil, fix=Fix(_("{x}", x=evil), (record,)))
    assert store.record(domain, {"dns_spf": result}, begun_at=timezone.now())
    client.force_login(make_operator())
    path = make_link(client, domain)
    assert "<script>alert" not in client.get(path).content.decode()
    text = client.get(path + "zone.txt").content.decode()
    assert [x for x in text.splitlines() if not x.startswith((";", "$"))] == [
        '@ 3600 IN TXT "v=spf1 \\"><script>alert(1)</script>"'
    ]


def test_it_names_whom_the_customer_may_ask(client, domain):
    [made] = ReportLink.objects.make([domain])
    link = reverse("report", args=[made.token])
    assert "Questions?" not in client.get(link).content.decode()
    type(domain.tenant).objects.update(contact="support@host.test <b>")
    html = client.get(link).content.decode()
    assert "Questions? Ask support@host.test &lt;b&gt;" in html
    assert "Say that it is about cliente.pt on VM112." in html


def test_without_a_portal_all_that_is_looked_at_is_in_order_and_the_rest_is_named(client):
    row = make_domain(
        "a.pt", make_tenant("VM1", without_portal=True, language="en"), checks={"carbonio": "fail"}
    )
    html = client.get(reverse("report", args=[ReportLink.objects.create(domain=row).token]))
    text = html.content.decode()
    assert "Not looked at here: your mailboxes on our server, the webmail" in text
    assert "Your mailboxes are ready" not in text and "portal" not in text.lower()
