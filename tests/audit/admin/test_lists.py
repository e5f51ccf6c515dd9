"""Lists of domains: pasted, as CSV and as XLSX, into the administration and out of it again."""

import csv
import io
import json
import time
import zipfile

import openpyxl
import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit.admin import lists
from audit.admin.lists import MAX_LINES, safe_cell
from audit.models import AuditDomain, Tenant
from audit.queue import onboarding_events
from tests.audit.factories import (
    bearer,
    make_admin,
    make_domain,
    make_domains,
    make_operator,
    make_tenant,
    make_token,
    make_viewer,
)

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
    return {
        line.state: [x.domain or x.text for x in group]
        for _label, group in response.context["groups"]
        for line in group
    }


def notes(response):
    return {
        line.number: line.note for _label, group in response.context["groups"] for line in group
    }


def go(client, response, button="confirm"):
    """Press a button below a preview, as the browser sends the form."""
    form = response.context["form"]
    return client.post(
        PAGE,
        {
            **{k: v.pk if hasattr(v, "pk") else v or "" for k, v in form.initial.items()},
            button: "1",
        },
        follow=True,
    )


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


def test_it_shows_first_what_it_will_do_and_then_does_it(
    operator, tenant, bells, django_capture_on_commit_callbacks
):
    make_domain("velho.pt", tenant)
    preview = look(
        operator, "novo.pt\r\nBÜCHER.example.\r\n\r\nVELHO.pt\r\nnovo.PT.\r\n", tenant=tenant
    )
    assert lines(preview) == {
        "new": ["novo.pt", "xn--bcher-kva.example"],
        "known": ["velho.pt"],
        "repeat": ["novo.pt"],
    }
    html = preview.content.decode()
    assert (
        "bücher.example" in html
        and notes(preview)[5] == "As line 1."
        and "Nothing is registered yet" in html
    )
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
    assert (
        lines(again) == {"known": ["a.pt", "b.pt"]}
        and 'name="confirm"' not in again.content.decode()
    )
    go(operator, preview)
    entries = LogEntry.objects.filter(change_message="Imported.")
    assert stored() == ["a.pt", "b.pt"] and entries.count() == 2


BAD = {
    "127.0.0.1": "is an address",
    "localhost": "single part",
    "https://a.pt/x": "give the name alone",
    "ana@a.pt": "give the name alone",
    "a.pt:8443": "give the name alone",
    "co.uk": "public suffix",
    "x.local": "inside networks",
    "exa mple.com": "give the name alone",
    "a\0b.pt": "give the name alone",
    "a..pt": "its parts are",
    "<script>alert(1)</script>.pt": "give the name alone",
    "x" * 300 + ".pt": "253",
    "=cmd|x.pt": "characters that a domain name cannot have",
}


def test_each_bad_line_is_named_with_its_reason(operator, tenant):
    """Cases 1 to 12."""
    preview = look(operator, "\n".join(["bom.pt", *BAD]), tenant=tenant)
    assert lines(preview)["new"] == ["bom.pt"]
    for number, (text, why) in enumerate(BAD.items(), 2):
        assert why in notes(preview)[number], text
    html = preview.content.decode()
    assert (
        "<script>alert" not in html
        and f"{len(BAD)} lines have errors; nothing is registered yet" in html
    )


def test_a_bad_line_is_explained_in_the_language_of_the_page(operator, tenant):
    operator.defaults["HTTP_ACCEPT_LANGUAGE"] = "pt"
    preview = look(operator, "127.0.0.1\nnope", tenant=tenant).content.decode()
    assert (
        "127.0.0.1» é um endereço" in preview
        and "is an address" not in preview
        and "single part" not in preview
    )


def test_nothing_is_written_while_a_line_is_bad_unless_it_is_to_be_left_out(operator, tenant):
    preview = look(operator, "a.pt\nnope\nb.pt", tenant=tenant)
    assert (
        'name="confirm"' not in preview.content.decode()
        and 'name="leave_out"' in preview.content.decode()
    )
    again = go(operator, preview, "confirm")
    assert stored() == [] and lines(again)["bad"] == ["nope"]
    assert said(go(operator, preview, "leave_out")) == [
        "Registered, to be audited now: 2. Changed: 0."
    ]
    assert stored() == ["a.pt", "b.pt"]


def test_what_was_not_previewed_is_not_registered(operator, tenant):
    preview = look(operator, "a.pt", tenant=tenant)
    seen = preview.context["form"].initial["seen"]
    for change in ({"lines": "a.pt\nb.pt"}, {"tenant": make_tenant("T2").pk}, {"seen": ""}):
        data = {"lines": "a.pt", "tenant": tenant.pk, "seen": seen, "confirm": "1", **change}
        assert operator.post(PAGE, data).status_code == 200 and stored() == []
    assert (
        operator.post(
            PAGE, {"lines": "a.pt", "tenant": tenant.pk, "seen": seen, "confirm": "1"}
        ).status_code
        == 302
    )


def test_separators_are_as_good_as_lines(operator, tenant):
    assert lines(look(operator, "a.pt, b.pt;c.pt\td.pt\n'e.pt", tenant=tenant))["new"] == [
        "a.pt",
        "b.pt",
        "c.pt",
        "d.pt",
    ]
    assert lines(look(operator, '"a.pt", "b.pt"', tenant=tenant)) == {"new": ["a.pt", "b.pt"]}


def test_the_tenant_is_chosen_where_there_is_one_and_asked_for_where_there_are_more(
    operator, tenant
):
    assert f'value="{tenant.pk}" selected' in operator.get(PAGE).content.decode()
    make_tenant("T2")
    assert " selected" not in operator.get(PAGE).content.decode().partition('value="1" ')[
        2
    ].partition("</select>")[0].replace('"" selected', "")
    preview = look(operator, "a.pt")
    assert lines(preview) == {"bad": ["a.pt"]} and "Choose a tenant above" in notes(preview)[1]


@pytest.mark.parametrize("text", ["", "   \n\n", ",;\t", "domain;tenant\n", "\ufeff"])
def test_an_empty_list_says_so(operator, tenant, text):
    assert "There is no domain in the list." in faults(look(operator, text, tenant=tenant))


def test_five_thousand_lines_take_seconds_and_few_queries(
    operator, tenant, django_assert_max_num_queries
):
    make_domains(1000, tenant)
    text = "\n".join(f"firma{n:06d}.pt" for n in range(MAX_LINES))
    begun = time.process_time()
    with django_assert_max_num_queries(40):
        preview = look(operator, text, tenant=tenant)
    assert {k: len(v) for k, v in lines(preview).items()} == {"new": 4000, "known": 1000}
    with django_assert_max_num_queries(203):  # SQLite takes 29 rows of 34 columns at once
        assert (
            operator.post(
                PAGE,
                {
                    "lines": text,
                    "tenant": tenant.pk,
                    "seen": preview.context["form"].initial["seen"],
                    "confirm": "1",
                },
            ).status_code
            == 302
        )
    assert AuditDomain.objects.count() == MAX_LINES and time.process_time() - begun < 20


def test_more_than_that_says_so(operator, tenant):
    response = look(operator, "\n".join(f"a{n}.pt" for n in range(MAX_LINES + 1)), tenant=tenant)
    assert "The list has 5,001 domains; at most 5,000 are taken at once." in faults(response)
    assert (
        "longer than" in faults(look(operator, "a" * 1_100_000, tenant=tenant)) and stored() == []
    )


def test_one_registered_meanwhile_stays_as_it_is(operator, tenant, monkeypatch):
    from audit.admin import registering

    preview = look(operator, "a.pt\nb.pt", tenant=tenant)
    compare = registering._compare

    def meanwhile(found):
        compare(found)
        AuditDomain.objects.get_or_create(tenant=tenant, domain="a.pt", source="onboarding")

    monkeypatch.setattr(registering, "_compare", meanwhile)
    assert go(operator, preview).status_code == 200
    assert dict(AuditDomain.objects.values_list("domain", "source")) == {
        "a.pt": "onboarding",
        "b.pt": "import",
    }


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
    assert lines(look(operator, file="a.pt\r\nb.pt", name="list.txt", tenant=tenant)) == {
        "new": ["a.pt", "b.pt"]
    }


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
    assert lines(preview) == {"bad": ["nope"], "new": ["xn--4ca.example", "b.pt"]} and 5 in notes(
        preview
    )
    go(operator, preview, "leave_out")
    assert dict(AuditDomain.objects.values_list("domain", "enabled")) == {
        "xn--4ca.example": True,
        "b.pt": False,
    }
    assert lines(
        look(operator, file=xlsx(["a.pt"], ["c.pt"]), tenant=tenant, name="bare.xlsx")
    ) == {"new": ["a.pt", "c.pt"]}


def test_each_bad_line_of_a_file_says_what_is_wrong(operator):
    make_tenant("VM112")
    make_tenant("T2")
    heading = "domain;tenant;dkim_selectors;enabled"
    rows = [
        "a.pt;VM999;;",
        "b.pt;;;",
        "c.pt;VM112;../../x;",
        "d.pt;VM112;;maybe",
        ";VM112;;",
        "e.pt;VM112;s1;",
        "e.pt;VM112;s2;",
    ]
    preview = look(operator, file="\n".join([heading, *rows]))
    found = notes(preview)
    assert lines(preview)["new"] == ["e.pt"]
    assert "There is no tenant “VM999”." in found[2] and "It is not said whose it is." in found[3]
    assert (
        "“../../x” is not a DKIM selector." in found[4]
        and "neither yes nor no" in found[5]
        and "is empty" in found[6]
    )
    assert found[8] == "Line 7 says something else about the same domain. Remove one of the two."
    assert 'class="is-bad"' in preview.content.decode()


def test_a_file_changes_what_it_names_and_nothing_else(operator, tenant):
    make_domain("a.pt", tenant, dkim_selectors=["old"], enabled=False)
    make_domain("b.pt", tenant, dkim_selectors=["keep"])
    AuditDomain.objects.update(next_audit_at=timezone.now() + timezone.timedelta(hours=1), score=5)
    preview = look(operator, file="domain,enabled\na.pt,yes\nb.pt,\n")
    assert (
        lines(preview) == {"change": ["a.pt"], "known": ["b.pt"]}
        and "Will be enabled." in notes(preview)[2]
    )
    assert said(go(operator, preview)) == ["Registered, to be audited now: 0. Changed: 1."]
    preview = look(operator, file="domain,dkim_selectors\na.pt,new1 new2\nb.pt,\n")
    assert (
        "DKIM selectors: old → new1 new2" in notes(preview)[2]
        and "DKIM selectors: keep → –" in notes(preview)[3]
    )
    go(operator, preview)
    a, b = AuditDomain.objects.order_by("domain")
    assert (a.enabled, a.dkim_selectors, a.score, b.dkim_selectors, b.enabled) == (
        True,
        ["new1", "new2"],
        5,
        [],
        True,
    )
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
    for data in (
        {"file": "text"},
        {"tenant": "x"},
        {"tenant": "99"},
        {"lines": "a.pt", "tenant": "\0"},
        {},
    ):
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
    assert (
        response.content.startswith(b"\xef\xbb\xbf")
        and "attachment" in response["Content-Disposition"]
    )
    heading, row = table(response)
    values = dict(zip(heading, row, strict=True))
    assert (
        values["domain"] == "xn--bcher-kva.example"
        and values["unicode"] == "bücher.example"
        and values["tenant"] == "VM112"
    )
    assert (values["score"], values["status"], values["dkim_selectors"], values["enabled"]) == (
        "7",
        "critical",
        "s1 s2",
        "yes",
    )
    assert (
        len(table(operator.get(EXPORT + "csv/?q=saudavel"))) == 2
        and len(table(operator.get(EXPORT + "csv/"))) == 3
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_cell_is_no_formula(operator, text):
    """Case 163."""
    assert safe_cell(text) == f"'{text}"
    make_domain("a.pt", make_tenant(text))
    assert table(operator.get(EXPORT + "csv/"))[1][0].startswith("'")
    sheet = openpyxl.load_workbook(io.BytesIO(operator.get(EXPORT + "xlsx/").content)).active
    cell = sheet["A2"]
    assert (
        cell.data_type == "s"
        and cell.value.startswith("'")
        and safe_cell("a.pt") == "a.pt"
        and safe_cell(-1) == -1
    )


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_what_goes_out_comes_in_again(operator, kind):
    for name in ("=1+1", "Câmara; “Lda”"):
        tenant = make_tenant(name)
        make_domain(
            "bücher.example", tenant, dkim_selectors=["s1", "s2"], checks={"dns_mx": "fail"}
        )
        make_domain("a.pt", tenant, enabled=False)
    exported = operator.get(f"{EXPORT}{kind}/").content
    before = sorted(
        AuditDomain.objects.values_list("tenant__name", "domain", "dkim_selectors", "enabled")
    )
    assert set(lines(look(operator, file=exported, name=f"x.{kind}"))) == {"known"}
    AuditDomain.objects.all().delete()
    go(operator, look(operator, file=exported, name=f"x.{kind}"))
    assert (
        sorted(
            AuditDomain.objects.values_list("tenant__name", "domain", "dkim_selectors", "enabled")
        )
        == before
    )


def test_a_strange_tenant_name_breaks_no_export(operator):
    make_domain("a.pt", make_tenant("x\x01\x1by\n=1"))
    assert (
        operator.get(EXPORT + "xlsx/").status_code
        == operator.get(EXPORT + "csv/").status_code
        == 200
    )
    assert Tenant.objects.get().name == "x\x01\x1by\n=1"


def test_an_export_is_for_those_who_may_see(client, django_assert_max_num_queries):
    make_domains(300, make_tenant())
    assert Client().get(EXPORT + "csv/").status_code == 302
    client.force_login(make_viewer())
    with django_assert_max_num_queries(20):
        assert len(table(client.get(EXPORT + "csv/"))) == 301


# -- nothing is lost without a word


HEAD = "domain;tenant;notes\n"


def swallowing(count):
    """A sheet in which a quote is opened and closed only `count` lines below."""
    rows = [f"d{n}.pt;VM112;note" for n in range(count + 1)]
    rows[0], rows[-1] = 'd0.pt;VM112;"note', f'd{count}.pt;VM112;note"'
    return HEAD + "\n".join(rows)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + 'a.pt;VM112;"note\n' + "\n".join(f"d{n}.pt;VM112;x" for n in range(40)),
        HEAD + 'a.pt;"VM112;x\nb.pt;VM112;x',
        HEAD + '"a.pt;VM112;x\nb.pt;VM112;"y\nc.pt;VM112;x',
    ],
)
def test_a_quote_that_is_not_closed_is_an_error_that_names_its_line(operator, tenant, text):
    """Case 195."""
    answer = look(operator, file=text, tenant=tenant)
    assert "Line 2 can't be read as CSV" in faults(answer) and stored() == []


@pytest.mark.parametrize("count", [1, 2, 40])
def test_domains_that_a_cell_in_quotes_swallows_are_not_lost(operator, tenant, count):
    """Case 195: The row is an error: not even a hurried confirmation loses them."""
    answer = look(operator, file=swallowing(count), tenant=tenant)
    assert lines(answer) == {"bad": ["d0.pt"]}
    assert "swallows the domain “d1.pt”" in notes(answer)[count + 2]
    assert f"Lines 2 to {count + 2} are one row" in answer.content.decode()


def test_a_cell_of_several_lines_that_is_meant_is_said_and_taken(operator, tenant):
    text = HEAD + 'a.pt;VM112;"moved\nin spring"\nb.pt;VM112;x'
    answer = look(operator, file=text, tenant=tenant)
    assert lines(answer) == {"new": ["a.pt", "b.pt"]}
    assert "Lines 2 to 3 are one row" in answer.content.decode()
    assert [line.number for _label, group in answer.context["groups"] for line in group] == [3, 4]


def test_cells_beyond_the_heading_are_not_lost(operator, tenant):
    answer = look(operator, file="domain;tenant\na.pt;VM112;b.pt\nc.pt;VM112;;", tenant=tenant)
    assert lines(answer) == {"bad": ["a.pt"], "new": ["c.pt"]}
    assert "more cells than the heading: b.pt" in notes(answer)[2]


def test_a_column_that_stands_twice_is_asked_about(operator, tenant):
    answer = look(operator, file="domain;domínio\na.pt;b.pt", tenant=tenant)
    assert "names the column “domain” twice" in faults(answer)


def test_a_guessed_encoding_is_said_with_the_names_that_depend_on_it(operator, tenant):
    raw = "domain;tenant\nbücher.example;VM112\na.pt;VM112\n".encode("cp1252")
    html = look(operator, file=raw, tenant=tenant).content.decode()
    assert "read as Windows-1252" in html and "right: bücher.example</p>" in html
    html = look(operator, file=raw.decode("cp1252").encode(), tenant=tenant).content.decode()
    assert "Windows-1252" not in html
    html = look(operator, file="a.pt\n# é\n".encode("cp850"), tenant=tenant).content.decode()
    assert "read as Windows-1252" in html


def test_the_other_sheets_of_a_file_are_named(operator, tenant):
    book = openpyxl.Workbook()
    book.active.append(["a.pt"])
    book.create_sheet("Norte").append(["b.pt"])
    out = io.BytesIO()
    book.save(out)
    html = look(operator, file=out.getvalue(), name="x.xlsx", tenant=tenant).content.decode()
    assert "there are others: Norte" in html


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Domain Name;Servidor\na.pt;VM112\nb.pt;VM112", ["Domain Name", "Servidor"]),
        ("Servidor\na.pt\nb.pt", ["Servidor"]),
        ("sep=;\ndomain;tenant\na.pt;VM112\nb.pt;VM112", ["domain", "tenant"]),
        ("sep=,\nDomain Name,Servidor\na.pt,VM112\nb.pt,VM112", ["Domain Name", "Servidor"]),
        ("Clientes em 2026;;\n\nDomain Name;Servidor\na.pt;x\nb.pt;x", ["Domain Name", "Servidor"]),
        ("Clientes S.A. 2026\na.pt\nb.pt", ["Clientes S.A. 2026"]),
        ('"Nome do site"\t"Cliente"\na.pt\tX\nb.pt\tY', ["Nome do site", "Cliente"]),
    ],
)
@pytest.mark.parametrize("as_file", [True, False])
def test_a_heading_that_is_not_known_is_asked_about(operator, tenant, text, columns, as_file):
    """Never is every cell taken for a domain."""
    given = {"file": text} if as_file else {"lines": text}
    asked = look(operator, tenant=tenant, **given)
    assert "Say which column holds the domains" in faults(asked) and stored() == []
    assert "groups" not in asked.context
    choices = dict(asked.context["form"].fields["column"].widget.choices)
    assert [name.partition(": ")[2] for name in list(choices.values())[1:]] == columns
    html = asked.content.decode()
    assert '<select name="column"' in html and "a.pt" in html
    answer = look(operator, text, tenant=tenant, column="0")
    assert lines(answer) == {"new": ["a.pt", "b.pt"]}
    data = answer.context["form"].initial
    done = look(operator, data["lines"], tenant=tenant, seen=data["seen"], confirm="1")
    assert done.status_code == 302 and stored() == ["a.pt", "b.pt"]


def test_another_column_can_be_the_one_of_the_domains(operator, tenant):
    text = "Cliente;Domain Name;enabled\nX;a.pt;no\nY;b.pt;yes"
    answer = look(operator, text, tenant=tenant, column="1")
    assert lines(answer) == {"new": ["a.pt", "b.pt"]}
    wanted = [line.wanted for _label, group in answer.context["groups"] for line in group]
    assert wanted == [{"enabled": False}, {"enabled": True}]


INVISIBLE = [
    "cliente\u200b.pt",
    "\ufeffx.cliente.pt",
    "cliente.pt\u00a0",
    "cli\u00a0ente.pt",
    "cliente.pt\u3000",
    "cli\u00adente.pt",
    "cliente.pt\u200d",
    "cliente\u2800.pt",
    "cli\u2064ente.pt",
]


@pytest.mark.parametrize("name", INVISIBLE, ids=ascii)
def test_what_is_invisible_is_shown_at_every_door(client, tenant, name):
    """Import, form, API, event and command say the same of it, and none lets it in."""
    hidden = next(c for c in name if not c.isascii())
    shown = f"\\x{ord(hidden):02x}" if ord(hidden) < 256 else f"\\u{ord(hidden):04x}"
    client.force_login(make_admin())
    said = {"import": str(notes(look(client, f"a.pt\n{name}", tenant=tenant)))}
    form = {"tenant": tenant.pk, "domain": name, "dkim_selectors": "", "enabled": "on"}
    said["form"] = faults_of_form(client.post("/admin/audit/auditdomain/add/", form))
    answer = client.post(
        f"/api/v1/audit/tenants/{tenant.pk}/domains",
        data=json.dumps({"domain": name}),
        content_type="application/json",
        headers=bearer(make_token("run")),
    )
    said["API"] = answer.json()["detail"]
    with pytest.raises(onboarding_events.EventError) as error:
        onboarding_events.domain_of({"data": {"domain": name}})
    said["event"] = str(error.value)
    with pytest.raises(CommandError) as error:
        call_command("run_audit", name)
    said["command"] = str(error.value)
    for door, text in said.items():
        assert shown in text and hidden not in text, (door, ascii(text))
    assert stored() == []


def faults_of_form(response):
    return "\n".join(e for group in response.context["errors"] for e in group)


@pytest.mark.parametrize("language", ["pt", "pt-br"])
def test_columns_are_named_in_the_readers_language_and_read_in_every(operator, tenant, language):
    make_domain("cliente.pt", tenant, checks={}, dkim_selectors=["s1"], enabled=False)
    operator.cookies["django_language"] = language
    response = operator.get(EXPORT + "csv/")
    heading, row = table(response)
    assert heading[:5] == ["inquilino", "domínio", "em letras", "seletores DKIM", "ativo"]
    assert row[:5] == ["VM112", "cliente.pt", "cliente.pt", "s1", "não"]
    operator.cookies["django_language"] = "en"
    AuditDomain.objects.all().delete()
    preview = look(operator, file=response.content)
    assert lines(preview) == {"new": ["cliente.pt"]}, "an export is read in whatever language"
    preview = look(operator, "DOMINIO;Inquilino;Activo;ATIVO\na.pt;VM112;;nao", tenant=None)
    (line,) = preview.context["groups"][0][1]
    assert line.tenant == tenant and line.wanted["enabled"] is False


SHEETS = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
BOMBS = {  # part of the file, what it is put before, what is repeated
    "styles": ("xl/styles.xml", "</cellXfs>", "<xf/>"),
    "fonts": ("xl/styles.xml", "</fonts>", "<font/>"),
    "sheets": ("xl/workbook.xml", "</sheets>", f'<sheet name="a" sheetId="1" r:id="r" {SHEETS}/>'),
    "types": ("[Content_Types].xml", "</Types>", '<Override PartName="/a" ContentType="b"/>'),
    "cells": ("xl/worksheets/sheet1.xml", "</sheetData>", "<c/>"),
    "rows": ("xl/worksheets/sheet1.xml", "</sheetData>", "<row/>"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_file_of_many_parts_of_parts_is_refused_before_it_is_read(name):
    """Case 218: 20 KB of styles took a minute and 2 GB."""
    part, before, repeated = BOMBS[name]
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(xlsx(["a.pt"]))) as good,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for entry in good.namelist():
            text = good.read(entry).decode()
            if entry == part:
                assert before in text
                text = text.replace(before, repeated * 1_200_001 + before)
            bad.writestr(entry, text[:20_000_000] if entry == part else text)
    begun = time.process_time()
    with pytest.raises(lists.ListError, match="too large"):
        lists.text_of(SimpleUploadedFile("list.xlsx", out.getvalue()))
    assert time.process_time() - begun < 3


def test_as_many_domains_as_are_taken_fit_into_a_sheet_of_all_columns():
    rows = [["domain", *(f"c{n}" for n in range(1, 30))]]
    rows += [[f"d{n}.example.pt", *(f"{n}" for _column in range(29))] for n in range(5000)]
    found, _notes = lists.rows_of(lists.text_of(SimpleUploadedFile("list.xlsx", xlsx(*rows))).text)
    assert len(found) == 5000
