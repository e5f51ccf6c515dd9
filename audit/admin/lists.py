"""Lists of domains as people have them (pasted text, CSV, XLSX) and as we hand them out (CSV and
XLSX, safe to open).
"""

import csv
import functools
import io
import logging
import re
import unicodedata
import zipfile
from dataclasses import dataclass, field

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.utils import timezone, translation
from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from audit.reading.sheets import CONTROLS, FORMULA, safe_cell
from collectors.text import clean

log = logging.getLogger(__name__)
MAX_LINES = 5000
MAX_FILE = 2 * 1024 * 1024  # bytes, of an upload
MAX_TEXT = 1024 * 1024  # characters
MAX_UNZIPPED = 20 * 1024 * 1024  # of XML, which takes seconds to read
MAX_TAGS = 1_200_000  # of all XML in a file; a cell with a text has six
MAX_CELLS = 300_000  # 300 bytes each, all of a row at once
MAX_OTHER_TAGS = 30_000  # that are no rows, cells or texts: a style takes 600 bytes, a sheet 140 µs
MAX_COLUMNS = 30
COLUMNS = {  # as the heading of an export says them; an import reads them in every language
    "tenant": pgettext_lazy("column", "tenant"),
    "domain": pgettext_lazy("column", "domain"),
    "unicode": pgettext_lazy("column", "unicode"),
    "dkim_selectors": pgettext_lazy("column", "dkim_selectors"),
    "enabled": pgettext_lazy("column", "enabled"),
    "source": pgettext_lazy("column", "source"),
    "score": pgettext_lazy("column", "score"),
    "status": pgettext_lazy("column", "status"),
    "last_audit_at": pgettext_lazy("column", "last_audit_at"),
}
NAMES_OF_DOMAIN = {"domains", "dominio", "dominios"}
_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
COLUMNS_READ = ("domain", "tenant", "dkim_selectors", "enabled")
MOST_NAMED = 20  # names that a sentence lists
_NAME = re.compile(r"[a-z0-9_]+")
_MAY_BE_A_DOMAIN = re.compile(r"[^\s=]+\.[^\s=.]+\.?")
_CELL = re.compile(rb"<(?:\w+:)?c[\s/>]")
_OTHER_TAG = re.compile(rb"<(?![/!?]|(?:\w+:)?(?:row|c|v|f|is|si|t|r)[\s/>])")


class ListError(Exception):
    """The list as a whole can't be read; the text says why and what to do."""


class HeadingNeeded(ListError):
    """It begins with what is no domain and no heading that is known. `columns`: what to choose
    the column of the domains from, [(number, heading)]; `line`: where that heading stands.
    """

    def __init__(self, line: int, cells: list[str]) -> None:
        self.line = line
        self.columns = [(n, clean(cell, 60)) for n, cell in enumerate(cells) if cell.strip()]
        super().__init__(
            _(
                "The list begins with “%(cells)s”, which is no domain and no heading that is "
                "known. Say which column holds the domains, or correct the list."
            )
            % {"cells": ", ".join(name for _n, name in self.columns[:5])}
        )


@dataclass(frozen=True)
class Row:
    """One line: its number in the text, and its cells by column. A column that the list does not
    have is not in it. `problem`: why it can't be read; '' where it can.
    """

    number: int
    cells: dict[str, str]
    problem: str = ""


@dataclass
class Source:
    """The text of a list, and what whoever sent it should know of how it was read."""

    text: str
    notes: list[str] = field(default_factory=list)
    guessed: bool = False  # the encoding


def text_of(upload: UploadedFile) -> Source:
    """The text of an uploaded file (CSV, XLSX or one name a line); raises ListError."""
    if (upload.size or 0) > MAX_FILE:
        raise ListError(
            _("The file is larger than %(size)d MB. Split it.") % {"size": MAX_FILE // 1024 // 1024}
        )
    raw = upload.read()
    if raw.startswith(b"PK\x03\x04"):
        return _sheet(raw)
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    guessed = False
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        guessed = True
        text = raw.decode("cp1252", "replace")  # what spreadsheets on Windows write
    if CONTROLS.search(text.replace("\r", "")):
        raise ListError(
            _(
                "This is neither text, CSV nor XLSX. Save the sheet as CSV (UTF-8) or XLSX and "
                "send that."
            )
        )
    return Source(text, guessed=guessed)


def note_on_encoding(rows: list[Row]) -> str:
    """What a guess of the encoding means for these rows: the names that would be others."""
    names = [name for row in rows if not (name := row.cells.get("domain", "")).isascii()]
    said = _("The file is not UTF-8; it was read as Windows-1252.")
    if names:
        text = _("Look whether these names are right: %(names)s")
        shown = ", ".join(clean(name, 100) for name in names[:MOST_NAMED])
        more = "" if len(names) <= MOST_NAMED else f" … (+{len(names) - MOST_NAMED})"
        said = f"{said} {text % {'names': shown + more}}"
    return said


def with_heading(text: str, column: int) -> str:
    """The list with its unknown heading named: `column` is the one of the domains. What stands
    above the heading goes."""
    lines = plain_lines(text)
    line, cells, delimiter = _heading(lines)
    if not line:
        return text
    cells = ["domain" if n == column else _other_name(cell) for n, cell in enumerate(cells)]
    return "\n".join([*[""] * (line - 1), delimiter.join(cells), *lines[line:]])


def _other_name(cell: str) -> str:
    name = _name(cell)
    return "" if name == "domain" or not _NAME.fullmatch(name) else name


def rows_of(text: str) -> tuple[list[Row], list[str]]:
    """The rows of a list, and what to know of how they were read; raises ListError.

    With a heading that names a column “domain” it is CSV (`,` `;` or tab); without one, every
    entry is a domain, one a line or separated by `,` `;` or tabs. What begins with neither is
    HeadingNeeded: nothing is guessed.
    """
    if len(text) > MAX_TEXT:
        raise ListError(
            _("The list is longer than %(count)s characters. Split it.")
            % {"count": localize(MAX_TEXT)}
        )
    lines = plain_lines(text)
    line, cells, delimiter = _heading(lines)
    heading = [_name(cell) for cell in cells]
    notes: list[str] = []
    if line and "domain" in heading and not any(part.strip() for part in lines[: line - 1]):
        rows, notes = _csv(lines, line, heading, delimiter)
    elif line:
        raise HeadingNeeded(line, cells)
    else:
        rows = [
            Row(n, {"domain": _cell(part)})
            for n, text_line in enumerate(lines, 1)
            for part in re.split(r"[,;\t]", text_line)
            if part.strip(' "')
        ]
    if not rows:
        raise ListError(_("There is no domain in the list."))
    if len(rows) > MAX_LINES:
        numbers = {"count": localize(len(rows)), "most": localize(MAX_LINES)}
        raise ListError(
            _("The list has %(count)s domains; at most %(most)s are taken at once. Split it.")
            % numbers
        )
    return rows, notes


def _lost(cells: list[str], heading: list[str], swallowed: list[str], delimiter: str) -> str:
    """What of a row would be lost without a word, as a sentence; '' for a row that is whole.

    `swallowed`: the lines below its first, which a cell in quotes spans.
    """
    place = heading.index("domain")
    for line in swallowed:
        parts = [part.strip(' "') for part in line.split(delimiter)]
        if len(parts) > place and _MAY_BE_A_DOMAIN.fullmatch(parts[place]):
            return _("A cell in quotes swallows the domain “%(name)s” below.") % {
                "name": clean(parts[place], 100)
            }
    if surplus := [cell for cell in cells[len(heading) :] if cell.strip()]:
        said = clean(", ".join(surplus), 100)
        return _("It has more cells than the heading: %(cells)s.") % {"cells": said}
    return ""


def plain_lines(text: str) -> list[str]:
    """The lines of a list, whatever ended them."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _heading(lines: list[str]) -> tuple[int, list[str], str]:
    """`(number, cells, delimiter)` of the line that is the heading: the last one before the first
    line with what may be a domain, or the first that names a column “domain”; number 0 where the
    list begins with what may be a domain.
    """
    found: tuple[int, list[str], str] = (0, [], ";")
    for number, line in enumerate(lines, 1):
        if not line.strip(" ;,\t"):
            continue
        delimiter = max(";,\t", key=line.count)
        cells = [cell.strip(' "') for cell in line.split(delimiter)]
        if "domain" in map(_name, cells):
            return number, cells, delimiter
        if any(_MAY_BE_A_DOMAIN.fullmatch(cell.strip(' "')) for cell in re.split(r"[,;\t]", line)):
            break
        found = number, cells, delimiter
    return found


def _name(cell: str) -> str:
    """The name of a column as it is known, from its name in any language."""
    name = _plain(cell.strip(' "'))
    return "domain" if name in NAMES_OF_DOMAIN else _known_names().get(name, name)


def _plain(name: str) -> str:
    """Without capitals, accents and blanks."""
    letters = unicodedata.normalize("NFKD", name.lower().replace(" ", "_"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@functools.cache
def _known_names() -> dict[str, str]:
    """The columns by their names in every language of the pages."""
    names: dict[str, str] = {}
    for language, _title in settings.LANGUAGES:
        with translation.override(language):
            names |= {_plain(str(title)): name for name, title in COLUMNS.items()}
    return names | {name: name for name in COLUMNS}


def _csv(
    lines: list[str], line: int, heading: list[str], delimiter: str
) -> tuple[list[Row], list[str]]:
    """The rows below the heading. Read strictly: a quote that is not closed swallows no line."""
    for name in COLUMNS_READ:
        if heading.count(name) > 1:
            raise ListError(_("The heading names the column “%(name)s” twice.") % {"name": name})
    rows, notes = [], []
    body = "\n".join(lines[line:])
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True)
    begins = line + 1
    try:
        for cells in reader:
            first, last = begins, line + reader.line_num
            begins = last + 1
            if last > first:
                notes.append(
                    _(
                        "Lines %(first)d to %(last)d are one row: a cell in quotes spans them. If "
                        "they are several domains, a quote is missing or too many."
                    )
                    % {"first": first, "last": last}
                )
            if not any(cell.strip() for cell in cells):
                continue
            problem = _lost(cells, heading, lines[first:last], delimiter)
            cells.extend([""] * (len(heading) - len(cells)))
            named = zip(heading, cells, strict=False)
            rows.append(Row(last, {name: _cell(cell) for name, cell in named if name}, problem))
    except csv.Error as error:
        raise ListError(
            _(
                "Line %(number)d can't be read as CSV: %(problem)s. Look for a quote (\") that is "
                "not closed, from there on."
            )
            % {"number": begins, "problem": error}
        ) from None
    return rows, notes


def _cell(text: str) -> str:
    """A cell without the blanks and quotes around it, and without the apostrophe that kept it from
    being a formula.
    """
    text = text.strip(' "')
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _is_bomb(archive: zipfile.ZipFile) -> bool:
    """Whether what is packed would take more memory or time than a list of domains does."""
    parts = archive.infolist()
    if sum(part.file_size for part in parts) > MAX_UNZIPPED:
        return True
    tags = cells = others = 0
    for part in parts:
        xml = archive.read(part)
        tags += xml.count(b"<")
        if tags > MAX_TAGS:
            return True
        cells += sum(1 for _tag in _CELL.finditer(xml))
        others += sum(1 for _tag in _OTHER_TAG.finditer(xml))
    return cells > MAX_CELLS or others > MAX_OTHER_TAGS


def _sheet(raw: bytes) -> Source:
    """The first sheet of an XLSX file as CSV; raises ListError. Blank rows stay, so that line
    numbers are the sheet's.
    """
    import openpyxl

    broken = _(
        "The file can't be read as XLSX. Open it in the spreadsheet, save it again as XLSX or CSV, "
        "and send that."
    )
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if _is_bomb(archive):
                raise ListError(_("The sheet is too large. Copy the list into a sheet of its own."))
        book = openpyxl.load_workbook(
            io.BytesIO(raw), read_only=True, data_only=True, keep_links=False
        )
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # files say wrong ones
        out = io.StringIO()
        writer = csv.writer(out, delimiter=";", lineterminator="\n")
        for cells in sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS):
            values = [
                "" if value is None else re.sub(r"[\r\n]+", " ", str(value)) for value in cells
            ]
            writer.writerow(values if any(values) else [])
            if out.tell() > MAX_TEXT:
                break
    except ListError:
        raise
    except Exception:  # a broken file makes openpyxl raise whatever it stumbled over
        log.info("an uploaded XLSX file can't be read", exc_info=True)
        raise ListError(broken) from None
    notes = []
    if others := [clean(other.title, 60) for other in book.worksheets[1:]]:
        notes.append(
            _("Only the first sheet “%(first)s” is read; there are others: %(others)s")
            % {"first": clean(sheet.title, 60), "others": ", ".join(others[:MOST_NAMED])}
        )
    return Source(out.getvalue(), notes)


# -- handing out


def _table(domains):
    """The heading and the rows of a queryset of domains."""
    yield [str(title) for title in COLUMNS.values()]
    rows = domains.select_related("tenant").defer("tenant__portal_token", "tenant__webhook_secret")
    for row in rows.iterator(chunk_size=1000):
        at = (
            timezone.localtime(row.last_audit_at).isoformat(timespec="seconds")
            if row.last_audit_at
            else ""
        )
        selectors, enabled = " ".join(row.dkim_selectors), _("yes") if row.enabled else _("no")
        values = [
            row.tenant.name,
            row.domain,
            row.unicode,
            selectors,
            enabled,
            row.source,
            row.score,
            row.status,
            at,
        ]
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
        content,
        content_type=content_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )
