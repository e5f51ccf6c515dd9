"""Log lines that cannot be forged: one record, one line."""

import logging
import time


class OneLine(logging.Formatter):
    """A formatter that keeps a message on its line (line breaks and control characters are shown as escapes).

    A traceback keeps its own lines, indented, so that none of them can look like a record.
    """

    def formatMessage(self, record):
        line = super().formatMessage(record)
        return line if line.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)

    def formatException(self, ei):
        return "\n".join("    " + line for line in super().formatException(ei).splitlines())


class Seldom(logging.Filter):
    """Lets the same message of one logger through once a minute: a database or a queue that is away is told every second."""

    SECONDS = 60

    def __init__(self):
        super().__init__()
        self._said = {}

    def filter(self, record):
        now = time.monotonic()
        key = record.name, record.levelno, str(record.msg)[:200]
        if now - self._said.get(key, -self.SECONDS) < self.SECONDS:
            return False
        if len(self._said) > 500:
            self._said.clear()
        self._said[key] = now
        return True
