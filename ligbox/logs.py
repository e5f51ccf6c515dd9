"""Log lines that cannot be forged, and that strangers cannot fill a disk with."""

import logging
import logging.config
import re
import sys
import threading
import time
from types import TracebackType
from typing import Any

LONGEST = 8000  # characters of one line; what is longer is cut
_KEY = re.compile(r"(/report/)[^/\s?]+")  # the address of a customer's report is its key


def escaped(text: str) -> str:
    """`text` on one line: line breaks, control, bidi and other invisible characters as escapes
    (`\\x1b`, `\\u202e`), without keys of reports, and cut where it is very long."""
    text = _KEY.sub(r"\1-", text)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text) - LONGEST} more characters)"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def indented(text: str) -> str:
    """The lines of `text`, each escaped, and indented: none of them can look like a record."""
    return "\n".join("    " + escaped(line) for line in text.split("\n"))


class OneLine(logging.Formatter):
    """A formatter that keeps a message on its line.

    A traceback keeps its own lines, escaped and indented.
    """

    def format(self, record: logging.LogRecord) -> str:
        kept, record.exc_text = record.exc_text, None  # another formatter leaves its own here, raw
        try:
            return super().format(record)
        finally:
            record.exc_text = kept

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escaped(super().formatMessage(record).rstrip("\n"))

    def formatException(self, ei: Any) -> str:
        return indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return indented(super().formatStack(stack_info))


class RateLimitFilter(logging.Filter):
    """Lets the same message of one logger through once a minute: a database or a queue that is
    away is told every second."""

    SECONDS = 60

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, int, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        key = record.name, record.levelno, str(record.msg)[:200]
        if now - self._said.get(key, -self.SECONDS) < self.SECONDS:
            return False
        if len(self._said) > 500:
            self._said.clear()
        self._said[key] = now
        return True


class StrangersFilter(logging.Filter):
    """What anybody can cause by a request that is refused: one line without a traceback, and of a
    kind (logger, status) at most MOST in a minute; the next one after that says how many were left
    out.
    """

    MOST, SECONDS = 20, 60

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, int], tuple[float, int]] = {}  # since when, how many

    def filter(self, record: logging.LogRecord) -> bool:
        status = self._refused_with(record)
        if not status:
            return True
        record.exc_info = record.exc_text = record.stack_info = None
        request = getattr(record, "request", None)
        if request is not None:
            if getattr(request, "was_told", False):
                return False  # Django tells some twice: why, and that it answered
            request.was_told = True
        now, key = time.monotonic(), (record.name, status)
        with self._lock:
            since, count = self._counts.get(key, (now, 0))
            left_out = 0
            if now - since >= self.SECONDS:
                since, count, left_out = now, 0, max(0, count - self.MOST)
            self._counts[key] = since, count + 1
        if left_out:
            record.msg = f"{record.getMessage()} (and {left_out} like it that are not listed)"
            record.args = ()
        return count < self.MOST

    @staticmethod
    def _refused_with(record: logging.LogRecord) -> int:
        """The status (400 to 499) that the request was refused with; 0 where it was not."""
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and 400 <= status < 500:
            return status
        # gunicorn's own, of what never becomes a request
        own = record.name == "gunicorn.error" and record.levelno == logging.WARNING
        return 400 if own and str(record.msg).startswith("Invalid request") else 0


def configure(config: dict[str, Any]) -> None:
    """Set up logging as settings.LOGGING says, and have what else ends on stderr, warnings and
    uncaught exceptions, pass through it (settings.LOGGING_CONFIG)."""
    logging.config.dictConfig(config)
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        logging.getLogger("ligbox").critical("uncaught exception", exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)
