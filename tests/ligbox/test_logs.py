"""Case 198: log lines that cannot be forged, by any way that leads into the log."""

import json
import logging
import os
import subprocess
import sys
import unicodedata
import warnings

import pytest

from ligbox.logs import LONGEST, OneLine, RateLimitFilter, StrangersFilter, escaped
from tests.installation import ROOT

# every control, format (bidi, zero width), separator and surrogate character
INVISIBLE = [
    chr(n)
    for n in range(0x11_0000)
    if unicodedata.category(chr(n)) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co")
    and (n < 0x3000 or n in (0xD800, 0xDFFF, 0xE000, 0xFEFF, 0xFFF9, 0xE0001, 0xE007F))
]


def record_of(text, name="x", **extra):
    record = logging.LogRecord(name, logging.ERROR, "f.py", 1, "%s", (text,), None)
    record.__dict__.update(extra)
    return record


@pytest.fixture
def formatter():
    return OneLine("%(levelname)s %(name)s: %(message)s")


def test_every_invisible_character_is_an_escape(formatter):
    assert len(INVISIBLE) > 100
    for char in INVISIBLE:
        line = formatter.format(record_of(f"a{char}b"))
        assert line.isprintable() and "\\" in line, ascii(char)


def test_what_people_write_stays():
    text = "não é nada: ñ 漢字 🙂 € “x”"
    assert escaped(text) == text


def test_a_traceback_keeps_its_lines_and_no_character_of_the_text(formatter):
    text = "".join(INVISIBLE) + "\n2026-01-01 00:00:00,000 INFO x: forged"
    try:
        try:
            raise ValueError(text)
        except ValueError as error:
            error.add_note(f"note{text}")
            raise RuntimeError(text) from error
    except RuntimeError:
        record = record_of("it failed")
        record.exc_info = sys.exc_info()
        record.stack_info = f"Stack {text}"
    logging.Formatter().format(record)  # leaves the raw traceback in the record
    first, *others = formatter.format(record).split("\n")
    assert first == "ERROR x: it failed"
    assert all(line.startswith("    ") and line.isprintable() for line in others)
    assert sum("forged" in line for line in others) >= 3


def test_a_long_line_is_cut(formatter):
    line = formatter.format(record_of("x" * 10_000_000))
    assert len(line) < LONGEST + 100 and "more characters" in line


def test_the_same_trouble_is_told_once_a_minute(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("ligbox.logs.time.monotonic", lambda: now[0])
    seldom = RateLimitFilter()
    assert [seldom.filter(record_of("x")) for _ in range(3)] == [True, False, False]
    now[0] += 61
    assert seldom.filter(record_of("x"))


def test_what_strangers_cause_is_told_a_few_times_without_a_traceback(monkeypatch, formatter):
    """Case 197."""
    now = [1000.0]
    monkeypatch.setattr("ligbox.logs.time.monotonic", lambda: now[0])
    strangers = StrangersFilter()
    kept = []
    for number in range(100):
        record = record_of(f"refused {number}", "django.security.DisallowedHost", status_code=400)
        record.exc_info = (ValueError, ValueError("x"), None)
        if strangers.filter(record):
            kept.append(formatter.format(record))
    assert len(kept) == StrangersFilter.MOST and not any("\n" in line for line in kept)
    now[0] += 61
    record = record_of("refused again", "django.security.DisallowedHost", status_code=400)
    assert strangers.filter(record) and "80 like it" in record.getMessage()


def test_what_django_tells_twice_is_told_once():
    strangers, request = StrangersFilter(), type("Request", (), {})()
    first = record_of("why", "django.security.x", status_code=400, request=request)
    second = record_of("Bad Request: /", "django.request", status_code=400, request=request)
    assert strangers.filter(first) and not strangers.filter(second)


@pytest.mark.parametrize("status", [500, 503, 200, 302, None])
def test_an_error_of_ours_keeps_its_traceback_and_is_always_told(status):
    strangers = StrangersFilter()
    for _number in range(50):
        record = record_of("x", "django.request", status_code=status)
        record.exc_info = (ValueError, ValueError("x"), None)
        assert strangers.filter(record) and record.exc_info


HANDLERS = """
import json, logging, django
django.setup()
import django_q.conf, django_q.cluster
found = []
for name in ["", *logging.root.manager.loggerDict]:
    log = logging.getLogger(name)
    for handler in log.handlers:
        found.append([name, type(handler).__name__, type(handler.formatter).__name__])
print(json.dumps(found))
"""

WAYS = r"""
import logging, sys, threading, warnings, django
django.setup()
text = json_text = "A\x1b[31mB\u202eC\u200bD\nE 2026 INFO x: forged"
for name in ["", "audit.tasks", "django", "django.request", "django.server", "django-q",
             "audit.management.commands.worker", "asyncio", "httpx", "py.warnings", "unknown"]:
    log = logging.getLogger(name)
    log.critical("said %s", text)
    log.critical(text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed %s", text)
        log.critical("stack", stack_info=True)
warnings.warn(text)
def fail():
    raise ValueError(text)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
class Odd(Exception):
    def __str__(self):
        return text
raise Odd
"""


def python(code):
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "ligbox.settings", "PYTHONUTF8": "1"}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )


def test_every_handler_there_is_writes_such_lines():
    found = json.loads(python(HANDLERS).stdout)
    assert {name for name, _handler, _formatter in found} >= {"", "django", "django-q"}
    for name, handler, formatter in found:
        assert formatter == "OneLine" or handler == "NullHandler", (name, handler, formatter)


def test_every_way_into_the_log_is_escaped():
    """Through each logger, as a message and as an exception; as a warning, and uncaught."""
    done = python(WAYS)
    assert done.returncode == 1
    assert done.stderr.count("forged") > 30 and "\\x1b" in done.stderr
    for line in done.stderr.split("\n"):
        assert line.isprintable() and not line.startswith("E 2026"), ascii(line)
    for said in ("py.warnings", "uncaught exception", "django-q: "):
        assert said in done.stderr


def test_warnings_are_shown_as_before_where_nobody_logs_them():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("x", stacklevel=1)
    assert len(caught) == 1
