"""HTTP/1.1 responses (RFC 9112) read as leniently as browsers read them, and bounded.

A webmail that people can open is not broken because its header lines are: what browsers pass over
is passed over here, and the body is framed by what frames it for them.
"""

import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol

from collectors.net.wire import Wire, unreadable
from collectors.text import _, show_bytes

_END_OF_HEAD = re.compile(rb"\n\r{0,2}\n")
_STATUS = re.compile(rb"(?:http(?:/(\d+)(?:\.(\d+))?)?|icy)\s+(\d{3})(?!\d)", re.IGNORECASE)
_START = re.compile(rb".{0,4}?(http|icy )", re.IGNORECASE | re.DOTALL)  # browsers skip four bytes
_CHUNK_SIZE = re.compile(rb"[0-9a-fA-F]{1,16}")
MAX_LINES = 10_000  # of headers
MAX_LINE = 16 * 1024  # of a chunk's size with its extensions
WITHOUT_BODY = (204, 205, 304)

Headers = list[tuple[bytes, bytes]]


class Http2Spoken(Exception):
    """The server answers with HTTP/2 to a request in HTTP/1.1."""


@dataclass
class Head:
    """The status and headers of a response, names in lower case, values as they came."""

    status: int
    headers: Headers = field(default_factory=list)
    version: str = "HTTP/1.1"

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class HttpResponse(Protocol):
    """One response, whatever it is framed in."""

    async def head(self) -> Head:
        """The final response's head. Raises WebFault."""

    def body(self, head: Head) -> AsyncGenerator[bytes, None]:
        """The pieces of the body. Raises WebFault."""


class Http1Response:
    """One response, read from a `Wire`."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._buffer = wire, bytearray()

    async def head(self) -> Head:
        """The final response's head; interim ones are passed over. Raises WebFault, Http2Spoken."""
        while True:
            head = await self._one_head()
            if not 100 <= head.status < 200 or head.status == 101:
                return head

    async def _one_head(self) -> Head:
        searched = 0
        while True:
            self._look_at_start()
            end = _END_OF_HEAD.search(self._buffer, max(0, searched - 3))
            if end:
                lines = bytes(self._buffer[: end.start()])
                del self._buffer[: end.end()]
                return self._parsed(lines)
            searched = len(self._buffer)
            if not await self._more():
                raise self._wire.fault("reset", _("before the answer was complete"))

    def _look_at_start(self) -> None:
        """Empty lines before the answer are dropped; what cannot become one is refused at once."""
        kept = self._buffer.lstrip(b"\r\n\t ")
        if len(kept) != len(self._buffer):
            self._buffer[:] = kept
        if self._buffer[3:9] == b"\x04\0\0\0\0\0" or self._buffer[:4] == b"PRI ":
            raise Http2Spoken
        start = bytes(self._buffer[:9])
        if len(start) == 9 and not _START.match(start):
            raise self._wire.fault(
                "protocol", _("it begins with “{start}”", start=show_bytes(start))
            )

    def _parsed(self, text: bytes) -> Head:
        first, *lines = text.split(b"\n")
        status = _STATUS.search(first)
        if status is None:
            says = _("it begins with “{start}”", start=show_bytes(first[:40].strip()))
            raise self._wire.fault("protocol", says)
        number = int(status[3])
        if not 100 <= number <= 599:
            raise self._wire.fault("protocol", _("{status} is not an HTTP status", status=number))
        head = Head(number, version=f"HTTP/{int(status[1] or 1)}.{int(status[2] or 0)}")
        if len(lines) > MAX_LINES:
            raise unreadable(self._wire, _("the headers did not end within the limit"))
        found: list[tuple[bytes, list[bytes]]] = []
        for line in lines:
            name, colon, value = line.partition(b":")
            if line[:1] in b" \t" and found:  # folded (RFC 9112, 5.2)
                found[-1][1].append(line.strip())
            elif colon and name.strip():
                found.append((name.strip().lower(), [value.strip(b" \t\r")]))
        head.headers = [(name, b" ".join(values).strip()) for name, values in found]
        return head

    def body(self, head: Head) -> AsyncGenerator[bytes, None]:
        """The pieces of the body, as RFC 9112, section 6.3, frames it. Raises WebFault."""
        if b"chunked" in b",".join(head.values(b"transfer-encoding")).lower():
            return self._chunks()
        return self._plain(0 if head.status in WITHOUT_BODY else self._length(head))

    async def _plain(self, left: int | None) -> AsyncGenerator[bytes, None]:
        """`left` bytes, or all to the end of the connection."""
        while left is None or left > 0:
            if not self._buffer and not await self._more():
                if left is None:
                    return
                raise self._wire.fault("reset", _("before the answer was complete"))
            piece = bytes(self._buffer[:left])
            self._buffer.clear()  # what is sent beyond the length is for nobody
            if left is not None:
                left -= len(piece)
            yield piece

    def _length(self, head: Head) -> int | None:
        """The Content-Length; None where the connection's end is the body's end."""
        values = {v.strip() for v in b",".join(head.values(b"content-length")).split(b",")}
        numbers = {int(v[:18]) for v in values if v.isdigit()}
        if len(numbers) > 1:
            raise unreadable(self._wire, _("it has several different lengths"))
        return numbers.pop() if numbers else None

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        """RFC 9112, section 7.1; lines may end with LF, and what follows the last chunk is left.

        Where the connection ends after a whole chunk, that was the last one, as for browsers.
        """
        whole = False
        while True:
            if whole and not self._buffer.strip() and not await self._more():
                return
            line = await self._line()
            if not line:
                continue
            size = _CHUNK_SIZE.fullmatch(line.split(b";")[0].strip())
            if size is None:
                raise unreadable(self._wire, _("a chunk of it has no length"))
            left = int(size[0], 16)
            if left == 0:
                return
            while left > 0:
                if not self._buffer and not await self._more():
                    raise self._wire.fault("reset", _("before the answer was complete"))
                piece = bytes(self._buffer[:left])
                del self._buffer[: len(piece)]
                left -= len(piece)
                yield piece
            whole = True

    async def _line(self) -> bytes:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > MAX_LINE:
                raise unreadable(self._wire, _("a chunk of it has no length"))
            if not await self._more():
                raise self._wire.fault("reset", _("before the answer was complete"))
        line = bytes(self._buffer[:end]).strip()
        del self._buffer[: end + 1]
        return line

    async def _more(self) -> bool:
        piece = await self._wire.read()
        self._buffer += piece
        return bool(piece)
