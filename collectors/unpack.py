"""Unpacking of a response body with bounds: what comes out, what goes in, and the ratio between them."""

import zlib

from .text import Text, _

MAX_BODY = 256 * 1024
MAX_RATIO = 20  # times, beyond the first 64 KiB that come out
FREE_OUTPUT = 64 * 1024


class BadEncoding(ValueError):
    """The body is packed in a way that is not read: several codings on top of each other, or broken data; `message` says which."""

    def __init__(self, message: Text):
        super().__init__(str(message))
        self.message = message


class Unpacker:
    """Collects a body from its pieces. `coding` is a Content-Encoding header; `full` says that enough has been read.

    gzip and deflate are unpacked; another coding (none was asked for) is kept packed. Raises BadEncoding.
    """

    def __init__(self, coding=""):
        codings = [c for c in (part.strip().lower() for part in coding.split(",")) if c and c != "identity"]
        if len(codings) > 1:
            raise BadEncoding(_("several content codings on top of each other"))
        self.coding = codings[0] if codings else ""
        self._packed = self.coding in ("gzip", "x-gzip", "deflate")
        self._zlib = zlib.decompressobj(31) if self._packed and self.coding != "deflate" else None
        self._head = b""  # of deflate, until it is clear which of its two forms it is
        self._out = bytearray()
        self._in = 0
        self.full = False

    def feed(self, piece):
        """Take one piece of the body as it came."""
        self._in += len(piece)
        if self._packed:
            self._unpack(piece)
        else:
            self._out += piece[: MAX_BODY + 1 - len(self._out)]
        bomb = len(self._out) > FREE_OUTPUT and len(self._out) > MAX_RATIO * self._in
        self.full = bomb or len(self._out) > MAX_BODY or self._in > 2 * MAX_BODY

    def _unpack(self, piece):
        if self._zlib is None:
            piece = self._head = self._head + piece
            if len(piece) < 2:
                return
            wrapped = piece[0] & 15 == 8 and int.from_bytes(piece[:2]) % 31 == 0  # RFC 1950, 2.2; some servers leave it out
            self._zlib = zlib.decompressobj(15 if wrapped else -15)
        room = min(MAX_BODY, max(FREE_OUTPUT, MAX_RATIO * self._in)) + 1 - len(self._out)
        if room <= 0 or self._zlib.eof:
            return
        try:
            self._out += self._zlib.decompress(piece, room)
        except zlib.error as error:
            raise BadEncoding(_("the {coding} data is broken", coding=self.coding)) from error

    def finish(self):
        """The body, at most MAX_BODY bytes."""
        if self._packed and self._in and not self.full and not (self._zlib and self._zlib.eof):
            raise BadEncoding(_("the {coding} data ends too early", coding=self.coding))
        return bytes(self._out[:MAX_BODY])
