"""Lists of domains as people have them (pasted text, CSV, XLSX) and as we hand them out (CSV and XLSX, safe to open)."""

import csv
import io
import logging
import re
import zipfile
from dataclasses import dataclass

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _

log = logging.getLogger(__name__)
MAX_LINES = 5000
MAX_FILE = 2 * 1024 * 1024  # bytes, of an upload
MAX_TEXT = 1024 * 1024  # characters
MAX_UNZIPPED = 20 * 1024 * 1024  # of XML, which takes seconds to read
MAX_COLUMNS = 30
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
COLUMNS = ("tenant", "domain", "unicode", "dkim_selectors", "enabled", "source", "score", "status", "last_audit_at")
NAMES_OF_DOMAIN = {"domain", "domains", "domínio", "dominio", "domínios", "dominios"}
_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f]")  # what neither a line of text nor an XLSX cell holds


class ListError(Exception):
    """The list as a whole can't be read; the text says why and what to do."""


@dataclass(frozen=True)
class Row:
    """One line: its number in the text, and its cells by column. A column that the list does not have is not in it."""

    number: int
    cells: dict


def text_of(upload):
    """The text of an uploaded file (CSV, XLSX or one name a line); raises ListError."""
    if upload.size > MAX_FILE:
        raise ListError(_("The file is larger than %(size)d MB. Split it.") % {"size": MAX_FILE // 1024 // 1024})
    raw = upload.read()
    if raw.startswith(b"PK\x03\x04"):
        return _sheet(raw)
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")  # what spreadsheets on Windows write
    if _CONTROLS.search(text.replace("\r", "")):
        raise ListError(_("This is neither text, CSV nor XLSX. Save the sheet as CSV (UTF-8) or XLSX and send that."))
    return text


def rows_of(text):
    """The rows of a list; raises ListError. With a heading that names a column “domain” it is CSV (`,` `;` or tab);
    without one, every entry is a domain, one a line or separated by `,` `;` or tabs."""
    if len(text) > MAX_TEXT:
        raise ListError(_("The list is longer than %(count)d characters. Split it.") % {"count": MAX_TEXT})
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    head = next((line for line in text.split("\n") if line.strip(" ;,\t")), "")
    delimiter = max(";,\t", key=head.count)
    heading = [cell.strip(' "').lower().replace(" ", "_") for cell in head.split(delimiter)]
    if NAMES_OF_DOMAIN & set(heading):
        heading = ["domain" if name in NAMES_OF_DOMAIN else name for name in heading]
        rows = _csv(text, delimiter, heading)
    else:
        lines = enumerate(text.split("\n"), 1)
        rows = [Row(n, {"domain": _cell(part)}) for n, line in lines for part in re.split(r"[,;\t]", line) if part.strip(' "')]
    if not rows:
        raise ListError(_("There is no domain in the list."))
    if len(rows) > MAX_LINES:
        numbers = {"count": len(rows), "most": MAX_LINES}
        raise ListError(_("The list has %(count)d domains; at most %(most)d are taken at once. Split it.") % numbers)
    return rows


def _csv(text, delimiter, heading):
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, headed = [], False
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if headed:
                cells.extend([""] * (len(heading) - len(cells)))
                rows.append(Row(reader.line_num, {name: _cell(cell) for name, cell in zip(heading, cells, strict=False) if name}))
            headed = True
    except csv.Error as error:
        raise ListError(_("Line %(number)d can't be read as CSV: %(problem)s.") % {"number": reader.line_num, "problem": error}) from None
    return rows


def _cell(text):
    """A cell without the blanks and quotes around it, and without the apostrophe that kept it from being a formula."""
    text = text.strip(' "')
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _sheet(raw):
    """The first sheet of an XLSX file as CSV; raises ListError. Blank rows stay, so that line numbers are the sheet's."""
    import openpyxl

    broken = _("The file can't be read as XLSX. Open it in the spreadsheet, save it again as XLSX or CSV, and send that.")
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(part.file_size for part in archive.infolist()) > MAX_UNZIPPED:
                raise ListError(_("The sheet is too large. Copy the list into a sheet of its own."))
        book = openpyxl.load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # files say wrong ones
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";", lineterminator="\n")
        for cells in sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS):
            values = ["" if value is None else re.sub(r"[\r\n]+", " ", str(value)) for value in cells]
            writer.writerow(values if any(values) else [])
            if out.tell() > MAX_TEXT:
                break
    except ListError:
        raise
    except Exception:  # a broken file makes openpyxl raise whatever it stumbled over
        log.info("an uploaded XLSX file can't be read", exc_info=True)
        raise ListError(broken) from None
    return out.getvalue()


# -- handing out


def safe_cell(value):
    """A cell that no spreadsheet takes for a formula: an apostrophe before what could start one, no control characters."""
    text = _CONTROLS.sub(lambda c: c[0] if c[0] in "\t\r" else "", value) if isinstance(value, str) else value
    return f"'{text}" if isinstance(text, str) and text.startswith(FORMULA) else text


def _table(domains):
    """The heading and the rows of a queryset of domains."""
    yield list(COLUMNS)
    rows = domains.select_related("tenant").defer("tenant__portal_token", "tenant__webhook_secret")
    for row in rows.iterator(chunk_size=1000):
        at = timezone.localtime(row.last_audit_at).isoformat(timespec="seconds") if row.last_audit_at else ""
        selectors, enabled = " ".join(row.dkim_selectors), "yes" if row.enabled else "no"
        values = [row.tenant.name, row.domain, row.unicode, selectors, enabled, row.source, row.score, row.status, at]
        yield [safe_cell(value) for value in values]


def csv_response(domains):
    """CSV as spreadsheets in Portugal read it: `;`, and a byte order mark for UTF-8."""
    out = io.StringIO()
    out.write("\ufeff")
    csv.writer(out, delimiter=";").writerows(_table(domains))
    return _download(out.getvalue(), "text/csv; charset=utf-8", "csv")


def xlsx_response(domains):
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("domains")
    for row in _table(domains):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    return _download(out.getvalue(), _XLSX_TYPE, "xlsx")


def _download(content, content_type, extension):
    name = f"domains-{timezone.localdate():%Y-%m-%d}.{extension}"
    return HttpResponse(
        content, content_type=content_type, headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    )
