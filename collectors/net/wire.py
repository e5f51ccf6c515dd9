"""What an HTTP reader reads from: a connection, with allowances for headers and for a body."""

import asyncio
import ssl
import time

from collectors.net.connection import Connection
from collectors.net.web_fault import WebFault, stream_fault
from collectors.text import Text, _

MAX_HEADERS = 256 * 1024  # bytes up to the end of the headers, interim responses counted
MAX_WIRE = 1024 * 1024  # bytes of a body with its framing
READ_AT_ONCE = 16 * 1024  # small frames and chunks cost far more than they carry


class Wire:
    """Reads from a connection and ends it where the allowance does; knows what it waits for."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.started = time.monotonic()
        self.ms_first_byte: int | None = None
        self._in_body, self._allowance = False, MAX_HEADERS

    def ms(self) -> int:
        """Milliseconds that connecting and the request have taken."""
        return self.connection.ms_setup + round((time.monotonic() - self.started) * 1000)

    def headers_are_in(self) -> None:
        """From here on the body is read, with an allowance of its own."""
        self._in_body, self._allowance = True, MAX_WIRE

    @property
    def waiting_for(self) -> Text:
        if self._in_body:
            return _("waiting for the rest of the page")
        return _("waiting for the headers")

    async def read(self) -> bytes:
        """Some bytes, none at the end of the connection. Raises WebFault."""
        if self._allowance <= 0:
            says = (
                _("the page did not end within the limit")
                if self._in_body
                else _("the headers did not end within the limit")
            )
            raise unreadable(self, says)
        try:
            # what is here already is read without waiting, so the others come first
            await asyncio.sleep(0)
            data = await self.connection.reader.read(min(READ_AT_ONCE, self._allowance))
        except ssl.SSLEOFError:
            return b""  # closed without TLS saying so, as many servers do
        except OSError as error:
            says = _("before the answer was complete")
            raise stream_fault(error, self.connection.address, says) from None
        if self.ms_first_byte is None:
            self.ms_first_byte = self.ms()
        self._allowance -= len(data)
        return data

    async def write(self, data: bytes) -> None:
        """Send; raises WebFault."""
        try:
            self.connection.writer.write(data)
            await self.connection.writer.drain()
        except OSError as error:
            # what the server said as it closed tells more than that it did
            told = self.connection.reader.exception()
            error = told if isinstance(told, OSError) else error
            says = _("before the request was sent")
            raise stream_fault(error, self.connection.address, says) from None

    def fault(self, kind: str, detail: Text) -> WebFault:
        """A WebFault of this connection."""
        return WebFault(kind, address=self.connection.address, detail=detail)


def unreadable(wire: Wire, detail: Text) -> WebFault:
    """The fault of an answer that is HTTP and that we cannot read to its end."""
    return wire.fault("unreadable", detail)
