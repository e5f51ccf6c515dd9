"""Lists of domains: pasted, as CSV and as XLSX, into the administration and out of it again."""

import csv
import io
import time
import zipfile

import openpyxl
import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from audit.admin.lists import MAX_LINES, safe_cell
from audit.models import AuditDomain, Tenant
from tests.audit.factories import make_admin, make_domain, make_domains, make_operator, make_tenant, make_viewer

pytestmark = pytest.mark.django_db
PAGE = "/admin/audit/auditdomain/import/"
EXPORT = "/admin/audit/auditdomain/export/"


@pytest.fixture
def operator(client):
    client.force_login(make_operator("ana"))
    return client


@pytest.fixture
def tenant():
    return make_tenant()


def look(client, lines="", *, tenant=None, file=None, name="list.csv", **more):
    """The answer to a list that is pasted or sent as a file."""
    if file is not None:
        more["file"] = SimpleUploadedFile(name, file if isinstance(file, bytes) else file.encode())
    response = client.post(PAGE, {"lines": lines, "tenant": tenant.pk if tenant else "", **more})
    assert response.status_code in (200, 302)
    return response


def lines(response):
    """{state: [domain or text]} of a preview."""
    return {line.state: [x.domain or x.text for x in group] for _label, group in response.context["groups"] for line in group}


def notes(response):
    return {line.number: line.note for _label, group in response.context["groups"] for line in group}


def go(client, response, button="confirm"):
    """Press a button below a preview, as the browser sends the form."""
    form = response.context["form"]
    return client.post(PAGE, {**{k: v.pk if hasattr(v, "pk") else v or "" for k, v in form.initial.items()}, button: "1"}, follow=True)


def said(response):
    return [str(m) for m in response.context["messages"]]


def faults(response):
    return " ".join(str(e) for errors in response.context["form"].errors.values() for e in errors)


def xlsx(*rows):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def stored():
    return sorted(AuditDomain.objects.values_list("domain", flat=True))


# -- pasting


def test_it_shows_first_what_it_will_do_and_then_does_it(operator, tenant, bells, django_capture_on_commit_callbacks):
    make_domain("velho.pt", tenant)
    preview = look(operator, "novo.pt\r\nBÜCHER.example.\r\n\r\nVELHO.pt\r\nnovo.PT.\r\n", tenant=tenant)
    assert lines(preview) == {"new": ["novo.pt", "xn--bcher-kva.example"], "known": ["velho.pt"], "repeat": ["novo.pt"]}
    html = preview.content.decode()
    assert "bücher.example" in html and notes(preview)[5] == "As line 1." and "Nothing is registered yet" in html
    assert stored() == ["velho.pt"] and bells == []
    with django_capture_on_commit_callbacks(execute=True):
        done = go(operator, preview)
    assert said(done) == ["Registered, to be audited now: 2. Changed: 0."]
    assert stored() == ["novo.pt", "velho.pt", "xn--bcher-kva.example"] and bells == ["drain"]
    new = AuditDomain.objects.due().filter(source="import")
    assert new.count() == 2 and {d.tenant for d in new} == {tenant}
    assert LogEntry.objects.filter(change_message="Imported.", user__username="ana").count() == 2


def test_again_is_nothing_to_do(operator, tenant):
    preview = look(operator, "a.pt\nb.pt", tenant=tenant)
    go(operator, preview)
    again = look(operator, "a.pt\nb.pt", tenant=tenant)
    assert lines(again) == {"known": ["a.pt", "b.pt"]} and 'name="confirm"' not in again.content.decode()
    go(operator, preview)
    assert stored() == ["a.pt", "b.pt"] and LogEntry.objects.count() == 2


BAD = {
    "127.0.0.1": "is an address", "localhost": "single part", "https://a.pt/x": "give the name alone", "ana@a.pt": "give the name alone",
    "a.pt:8443": "give the name alone", "co.uk": "public suffix", "x.local": "inside networks", "exa mple.com": "give the name alone",
    "a\0b.pt": "give the name alone", "a..pt": "its parts are", "<script>alert(1)</script>.pt": "give the name alone",
    "x" * 300 + ".pt": "253",
    "=cmd|x.pt": "characters that a domain name cannot have",
}  # fmt: skip


def test_cases_1_to_12_each_bad_line_is_named_with_its_reason(operator, tenant):
    preview = look(operator, "\n".join(["bom.pt", *BAD]), tenant=tenant)
    assert lines(preview)["new"] == ["bom.pt"]
    for number, (text, why) in enumerate(BAD.items(), 2):
        assert why in notes(preview)[number], text
    html = preview.content.decode()
    assert "<script>alert" not in html and f"{len(BAD)} lines have errors; nothing is registered yet" in html


def test_a_bad_line_is_explained_in_the_language_of_the_page(operator, tenant):
    operator.defaults["HTTP_ACCEPT_LANGUAGE"] = "pt"
    preview = look(operator, "127.0.0.1\nnope", tenant=tenant).content.decode()
    assert "127.0.0.1» é um endereço" in preview and "is an address" not in preview and "single part" not in preview


def test_nothing_is_written_while_a_line_is_bad_unless_it_is_to_be_left_out(operator, tenant):
    preview = look(operator, "a.pt\nnope\nb.pt", tenant=tenant)
    assert 'name="confirm"' not in preview.content.decode() and 'name="leave_out"' in preview.content.decode()
    again = go(operator, preview, "confirm")
    assert stored() == [] and lines(again)["bad"] == ["nope"]
    assert said(go(operator, preview, "leave_out")) == ["Registered, to be audited now: 2. Changed: 0."]
    assert stored() == ["a.pt", "b.pt"]


def test_what_was_not_previewed_is_not_registered(operator, tenant):
    preview = look(operator, "a.pt", tenant=tenant)
    seen = preview.context["form"].initial["seen"]
    for change in ({"lines": "a.pt\nb.pt"}, {"tenant": make_tenant("T2").pk}, {"seen": ""}):
        data = {"lines": "a.pt", "tenant": tenant.pk, "seen": seen, "confirm": "1", **change}
        assert operator.post(PAGE, data).status_code == 200 and stored() == []
    assert operator.post(PAGE, {"lines": "a.pt", "tenant": tenant.pk, "seen": seen, "confirm": "1"}).status_code == 302


def test_separators_are_as_good_as_lines(operator, tenant):
    assert lines(look(operator, "a.pt, b.pt;c.pt\td.pt\n'e.pt", tenant=tenant))["new"] == ["a.pt", "b.pt", "c.pt", "d.pt"]
    assert lines(look(operator, '"a.pt", "b.pt"', tenant=tenant)) == {"new": ["a.pt", "b.pt"]}


def test_the_tenant_is_chosen_where_there_is_one_and_asked_for_where_there_are_more(operator, tenant):
    assert f'value="{tenant.pk}" selected' in operator.get(PAGE).content.decode()
    make_tenant("T2")
    assert " selected" not in operator.get(PAGE).content.decode().partition('value="1" ')[2].partition("</select>")[0].replace(
        '"" selected', ""
    )
    preview = look(operator, "a.pt")
    assert lines(preview) == {"bad": ["a.pt"]} and "Choose a tenant above" in notes(preview)[1]


@pytest.mark.parametrize("text", ["", "   \n\n", ",;\t", "domain;tenant\n", "\ufeff"])
def test_an_empty_list_says_so(operator, tenant, text):
    assert "There is no domain in the list." in faults(look(operator, text, tenant=tenant))


def test_five_thousand_lines_take_seconds_and_few_queries(operator, tenant, django_assert_max_num_queries):
    make_domains(1000, tenant)
    text = "\n".join(f"firma{n:06d}.pt" for n in range(MAX_LINES))
    begun = time.monotonic()
    with django_assert_max_num_queries(40):
        preview = look(operator, text, tenant=tenant)
    assert {k: len(v) for k, v in lines(preview).items()} == {"new": 4000, "known": 1000}
    with django_assert_max_num_queries(150):
        assert (
            operator.post(
                PAGE, {"lines": text, "tenant": tenant.pk, "seen": preview.context["form"].initial["seen"], "confirm": "1"}
            ).status_code
            == 302
        )
    assert AuditDomain.objects.count() == MAX_LINES and time.monotonic() - begun < 20


def test_more_than_that_says_so(operator, tenant):
    response = look(operator, "\n".join(f"a{n}.pt" for n in range(MAX_LINES + 1)), tenant=tenant)
    assert "The list has 5001 domains; at most 5000 are taken at once." in faults(response)
    assert "longer than" in faults(look(operator, "a" * 1_100_000, tenant=tenant)) and stored() == []


def test_one_registered_meanwhile_stays_as_it_is(operator, tenant, monkeypatch):
    from audit.admin import registering

    preview = look(operator, "a.pt\nb.pt", tenant=tenant)
    compare = registering._compare

    def meanwhile(found):
        compare(found)
        AuditDomain.objects.get_or_create(tenant=tenant, domain="a.pt", source="onboarding")

    monkeypatch.setattr(registering, "_compare", meanwhile)
    assert go(operator, preview).status_code == 200
    assert dict(AuditDomain.objects.values_list("domain", "source")) == {"a.pt": "onboarding", "b.pt": "import"}


def test_a_viewer_may_not_and_an_administrator_may(client, tenant):
    client.force_login(make_viewer())
    assert client.get(PAGE).status_code == client.post(PAGE, {"lines": "a.pt"}).status_code == 403
    client.force_login(make_admin())
    assert client.get(PAGE).status_code == 200 and stored() == []


# -- files


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_it_reads_csv_as_spreadsheets_write_it(operator, delimiter, encoding):
    one, two = make_tenant("VM112"), make_tenant("Câmara; Lda")
    rows = [
        ["Tenant", "DOMAIN", "dkim selectors", "enabled", "note"],
        ["VM112", "A.pt", "s1 s2", "", "x"],
        [two.name, "bücher.example", "", "não", "y"],
    ]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    preview = look(operator, file=out.getvalue().encode(encoding))
    assert lines(preview) == {"new": ["a.pt", "xn--bcher-kva.example"]}
    go(operator, preview)
    a, b = AuditDomain.objects.order_by("domain")
    assert (a.tenant, a.dkim_selectors, a.enabled, a.source) == (one, ["s1", "s2"], True, "import")
    assert (b.tenant, b.dkim_selectors, b.enabled) == (two, [], False)


def test_it_reads_old_windows_encodings_and_bare_lists(operator, tenant):
    assert lines(look(operator, file="BÜCHER.example\na.pt\n".encode("cp1252"), tenant=tenant)) == {
        "new": ["xn--bcher-kva.example", "a.pt"]
    }
    assert lines(look(operator, file="a.pt\r\nb.pt", name="list.txt", tenant=tenant)) == {"new": ["a.pt", "b.pt"]}


def test_it_reads_xlsx(operator, tenant):
    make_tenant("T2")
    raw = xlsx(
        ["domain", "tenant", "enabled", "n"],
        ["Ä.example", "VM112", True, 1],
        [None, None, None, None],
        ["b.pt", "T2", False, 2.5],
        ["nope", "T2", None, None],
    )
    preview = look(operator, file=raw, name="list.xlsx")
    assert lines(preview) == {"bad": ["nope"], "new": ["xn--4ca.example", "b.pt"]} and 5 in notes(preview)
    go(operator, preview, "leave_out")
    assert dict(AuditDomain.objects.values_list("domain", "enabled")) == {"xn--4ca.example": True, "b.pt": False}
    assert lines(look(operator, file=xlsx(["a.pt"], ["c.pt"]), tenant=tenant, name="bare.xlsx")) == {"new": ["a.pt", "c.pt"]}


def test_each_bad_line_of_a_file_says_what_is_wrong(operator):
    make_tenant("VM112")
    make_tenant("T2")
    heading = "domain;tenant;dkim_selectors;enabled"
    rows = ["a.pt;VM999;;", "b.pt;;;", "c.pt;VM112;../../x;", "d.pt;VM112;;maybe", ";VM112;;", "e.pt;VM112;s1;", "e.pt;VM112;s2;"]
    preview = look(operator, file="\n".join([heading, *rows]))
    found = notes(preview)
    assert lines(preview)["new"] == ["e.pt"]
    assert "There is no tenant “VM999”." in found[2] and "It is not said whose it is." in found[3]
    assert "“../../x” is not a DKIM selector." in found[4] and "neither yes nor no" in found[5] and "is empty" in found[6]
    assert found[8] == "Line 7 says something else about the same domain. Remove one of the two."
    assert 'class="is-bad"' in preview.content.decode()


def test_a_file_changes_what_it_names_and_nothing_else(operator, tenant):
    make_domain("a.pt", tenant, dkim_selectors=["old"], enabled=False)
    make_domain("b.pt", tenant, dkim_selectors=["keep"])
    AuditDomain.objects.update(next_audit_at=timezone.now() + timezone.timedelta(hours=1), score=5)
    preview = look(operator, file="domain,enabled\na.pt,yes\nb.pt,\n")
    assert lines(preview) == {"change": ["a.pt"], "known": ["b.pt"]} and "Will be enabled." in notes(preview)[2]
    assert said(go(operator, preview)) == ["Registered, to be audited now: 0. Changed: 1."]
    preview = look(operator, file="domain,dkim_selectors\na.pt,new1 new2\nb.pt,\n")
    assert "DKIM selectors: old → new1 new2" in notes(preview)[2] and "DKIM selectors: keep → –" in notes(preview)[3]
    go(operator, preview)
    a, b = AuditDomain.objects.order_by("domain")
    assert (a.enabled, a.dkim_selectors, a.score, b.dkim_selectors, b.enabled) == (True, ["new1", "new2"], 5, [], True)
    assert AuditDomain.objects.due().count() == 2


def bomb():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b" " * 60_000_000)
    return out.getvalue()


def other_zip():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("readme.txt", "hello")
    return out.getvalue()


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "neither text, CSV nor XLSX"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "neither text, CSV nor XLSX"),
        (b"PK\x03\x04 and no more", "can't be read as XLSX"),
        (other_zip(), "can't be read as XLSX"),
        (bomb(), "The sheet is too large"),
        (xlsx(["a.pt"])[:-300], "can't be read as XLSX"),
        (b"x" * (2 * 1024 * 1024 + 1), "larger than 2 MB"),
        (b"domain,tenant\n" + b'"' + b"x" * 200_000, "can't be read as CSV"),
        (xlsx(), "There is no domain"),
    ],
)
def test_a_file_that_is_none_is_a_message(operator, tenant, file, why):
    response = look(operator, file=file, name="list.xlsx", tenant=tenant)
    assert response.status_code == 200 and why in faults(response) and stored() == []


def test_an_empty_or_strange_upload_is_a_message(operator, tenant):
    assert "empty" in faults(look(operator, file=b"", tenant=tenant))
    for data in ({"file": "text"}, {"tenant": "x"}, {"tenant": "99"}, {"lines": "a.pt", "tenant": "\0"}, {}):
        assert operator.post(PAGE, data).status_code == 200
    assert stored() == []


# -- export


def table(response):
    text = response.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=";"))


def test_it_exports_what_the_list_shows_with_a_mark_and_semicolons(operator, tenant):
    make_domain("bücher.example", tenant, checks={"dns_mx": "fail"}, dkim_selectors=["s1", "s2"])
    make_domain("saudavel.pt", tenant, checks={})
    response = operator.get(EXPORT + "csv/?status__exact=critical")
    assert response.content.startswith(b"\xef\xbb\xbf") and "attachment" in response["Content-Disposition"]
    heading, row = table(response)
    values = dict(zip(heading, row, strict=True))
    assert values["domain"] == "xn--bcher-kva.example" and values["unicode"] == "bücher.example" and values["tenant"] == "VM112"
    assert (values["score"], values["status"], values["dkim_selectors"], values["enabled"]) == ("7", "critical", "s1 s2", "yes")
    assert len(table(operator.get(EXPORT + "csv/?q=saudavel"))) == 2 and len(table(operator.get(EXPORT + "csv/"))) == 3


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_case_163_a_cell_is_no_formula(operator, text):
    assert safe_cell(text) == f"'{text}"
    make_domain("a.pt", make_tenant(text))
    assert table(operator.get(EXPORT + "csv/"))[1][0].startswith("'")
    sheet = openpyxl.load_workbook(io.BytesIO(operator.get(EXPORT + "xlsx/").content)).active
    cell = sheet["A2"]
    assert cell.data_type == "s" and cell.value.startswith("'") and safe_cell("a.pt") == "a.pt" and safe_cell(-1) == -1


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_goes_out_comes_in_again(operator, kind):
    for name in ("=1+1", "Câmara; “Lda”"):
        tenant = make_tenant(name)
        make_domain("bücher.example", tenant, dkim_selectors=["s1", "s2"], checks={"dns_mx": "fail"})
        make_domain("a.pt", tenant, enabled=False)
    exported = operator.get(f"{EXPORT}{kind}/").content
    before = sorted(AuditDomain.objects.values_list("tenant__name", "domain", "dkim_selectors", "enabled"))
    assert set(lines(look(operator, file=exported, name=f"x.{kind}"))) == {"known"}
    AuditDomain.objects.all().delete()
    go(operator, look(operator, file=exported, name=f"x.{kind}"))
    assert sorted(AuditDomain.objects.values_list("tenant__name", "domain", "dkim_selectors", "enabled")) == before


def test_a_strange_tenant_name_breaks_no_export(operator):
    make_domain("a.pt", make_tenant("x\x01\x1by\n=1"))
    assert operator.get(EXPORT + "xlsx/").status_code == operator.get(EXPORT + "csv/").status_code == 200
    assert Tenant.objects.get().name == "x\x01\x1by\n=1"


def test_an_export_is_for_those_who_may_see(client, django_assert_max_num_queries):
    make_domains(300, make_tenant())
    assert Client().get(EXPORT + "csv/").status_code == 302
    client.force_login(make_viewer())
    with django_assert_max_num_queries(20):
        assert len(table(client.get(EXPORT + "csv/"))) == 301
