"""Unpacking of a response body with bounds: what comes out, what goes in, and their ratio."""

import zlib

from collectors.text import Text, _

MAX_BODY = 256 * 1024
MAX_RATIO = 20  # times, beyond the first 64 KiB that come out
FREE_OUTPUT = 64 * 1024
SLICE = 4096  # bytes that are unpacked at once


class BadEncoding(ValueError):
    """The body is packed in a way that is not read; `message` says in which.

    `kind`: of the WebFault. protocol where browsers show an error too, unreadable where we give up.
    """

    def __init__(self, message: Text, kind: str) -> None:
        super().__init__(str(message))
        self.message, self.kind = message, kind


class BodyDecoder:
    """Collects a body from its pieces. `coding`: Content-Encoding; `full`: enough has been read.

    gzip and deflate are unpacked, as far as they go; another coding (none was asked for) is kept
    packed. Raises BadEncoding.
    """

    def __init__(self, coding: str = "") -> None:
        codings = [
            c for c in (part.strip().lower() for part in coding.split(",")) if c and c != "identity"
        ]
        if len(codings) > 1:
            raise BadEncoding(_("several content codings on top of each other"), "unreadable")
        self.coding = codings[0] if codings else ""
        self._packed = self.coding in ("gzip", "x-gzip", "deflate")
        self._zlib = zlib.decompressobj(31) if self._packed and self.coding != "deflate" else None
        self._head = b""  # of deflate, until it is clear which of its two forms it is
        self._out = bytearray()
        self._in = 0
        self._broken = False
        self.full = False

    def feed(self, piece: bytes) -> None:
        """Take one piece of the body as it came."""
        if not self._packed:
            self._in += len(piece)
            self._out += piece[: MAX_BODY + 1 - len(self._out)]
            self._measure()
        for start in range(0, len(piece) if self._packed else 0, SLICE):
            part = piece[start : start + SLICE]
            self._in += len(part)
            self._unpack(part)
            self._measure()
            if self.full:
                return

    def _measure(self) -> None:
        bomb = len(self._out) > FREE_OUTPUT and len(self._out) > MAX_RATIO * self._in
        self.full = bomb or len(self._out) > MAX_BODY or self._in > 2 * MAX_BODY

    def _unpack(self, piece: bytes) -> None:
        if self._zlib is None:
            piece = self._head = self._head + piece
            if len(piece) < 2:
                return
            # RFC 1950, 2.2; some servers leave it out
            wrapped = piece[0] & 15 == 8 and int.from_bytes(piece[:2]) % 31 == 0
            self._zlib = zlib.decompressobj(15 if wrapped else -15)
        room = min(MAX_BODY, max(FREE_OUTPUT, MAX_RATIO * self._in)) + 1 - len(self._out)
        if room <= 0 or self._zlib.eof or self._broken:
            return
        before = self._zlib.copy()
        try:
            self._out += self._zlib.decompress(piece, room)
        except zlib.error:
            self._unpack_up_to_break(before, piece, room)

    def _unpack_up_to_break(self, unpacker: "zlib._Decompress", piece: bytes, room: int) -> None:
        """Keep what comes before the broken part, as browsers do; nothing before it is an error."""
        self._broken = True
        try:
            for at in range(len(piece)):
                got = unpacker.decompress(piece[at : at + 1], max(1, room))
                self._out += got
                room -= len(got)
        except zlib.error:
            if not self._out:
                says = _("the {coding} data is broken", coding=self.coding)
                raise BadEncoding(says, "protocol") from None

    def finish(self) -> bytes:
        """The body, at most MAX_BODY bytes."""
        return bytes(self._out[:MAX_BODY])
