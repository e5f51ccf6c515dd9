"""Log lines that cannot be forged: one record, one line."""

import logging


class OneLine(logging.Formatter):
    """A formatter that keeps a message on its line (line breaks and control characters are shown as escapes).

    A traceback keeps its own lines, indented, so that none of them can look like a record.
    """

    def formatMessage(self, record):
        line = super().formatMessage(record)
        return line if line.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)

    def formatException(self, ei):
        return "\n".join("    " + line for line in super().formatException(ei).splitlines())
