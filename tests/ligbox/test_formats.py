"""How dates and numbers are written, in each language."""

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse
from django.utils import translation
from django.utils.formats import date_format, localize

from audit.models import AuditRun, TenantCounts
from audit.templatetags import show
from tests.audit.factories import audit, make_admin, make_domain, make_tenant, make_worker

AT = datetime(2026, 11, 3, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "day", "short", "number", "fraction"),
    [
        ("en", "3 November 2026", "3 Nov 2026", "1,234,567", "1.5"),
        ("pt", "3 de novembro de 2026", "03/11/2026", "1\xa0234\xa0567", "1,5"),
        ("pt-br", "3 de novembro de 2026", "03/11/2026", "1.234.567", "1,5"),
    ],
)
def test_dates_and_numbers_are_as_readers_write_them(language, day, short, number, fraction):
    with translation.override(language):
        assert date_format(AT) == day and date_format(AT, "DATETIME_FORMAT") == f"{day}, 15:04"
        assert date_format(AT, "SHORT_DATE_FORMAT") == short and localize(1.5) == fraction
        assert localize(1234567) == number
        assert show.exact(AT).startswith(f"{day} 15:04:05")


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "pt", "pt-br"])
def test_numbers_that_are_counted_are_grouped_and_keys_are_not(client, language):
    make_worker()
    tenant = make_tenant(pk=1234567)
    domain = make_domain("cliente.pt", tenant, pk=2345678, checks={})
    audit(domain, dns_spf="fail")
    TenantCounts.objects.filter(tenant=tenant).update(critical=10_000)
    run = AuditRun.objects.create(pk=3456789, tenant=tenant, trigger="manual", domains=12_345)
    client.force_login(make_admin())
    client.cookies["django_language"] = language
    group = {"en": ",", "pt": "\xa0", "pt-br": "."}[language]
    overview = client.get(f"/?limit=100&runs={run.pk}").content.decode()
    assert f"<b>10{group}000</b>" in overview and f"12{group}345" in overview
    assert 'max="12345"' in overview
    addresses = [
        "/",
        f"/domains/{tenant.pk}/cliente.pt/",
        f"/domains/{tenant.pk}/cliente.pt/history/",
        reverse("admin:queue"),
        reverse("admin:audit_auditdomain_changelist"),
        reverse("admin:audit_tenant_change", args=[tenant.pk]),
    ]
    for address in addresses:
        html = client.get(address).content.decode()
        assert not re.search(r"[123][^\d<>]{1,6}(234|345|456)[^\d<>]{1,6}\d{3}\b", html), address
