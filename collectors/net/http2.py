"""One HTTP/2 response (RFC 9113), for servers that speak nothing else; the framing is h2's work."""

from collections.abc import AsyncGenerator

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from collectors.net.http1 import Head, Headers
from collectors.net.wire import MAX_HEADERS, Wire, unreadable
from collectors.text import _


class Http2Response:
    """The response to one GET, sent by `ask`."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._events = wire, list[Event]()
        self._h2 = H2Connection(
            H2Configuration(client_side=True, header_encoding=None, validate_inbound_headers=False)
        )
        limits = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADERS}
        self._h2.local_settings = Settings(client=True, initial_values=limits)
        self._h2.decoder.max_header_list_size = MAX_HEADERS

    async def ask(self, headers: Headers) -> None:
        """Send the request; `headers` with the pseudo-headers first."""
        self._h2.initiate_connection()
        self._h2.send_headers(1, headers, end_stream=True)
        await self._wire.write(self._h2.data_to_send())

    async def head(self) -> Head:
        """The final response's head. Raises WebFault."""
        while (event := await self._next_event()) is not None:
            if isinstance(event, ResponseReceived):
                headers = [(bytes(n).lower(), bytes(v)) for n, v in event.headers or []]
                status = dict(headers).get(b":status", b"")
                if not (status.isdigit() and 200 <= int(status) <= 599):
                    raise unreadable(self._wire, _("it has no HTTP status"))
                shown = [(n, v) for n, v in headers if not n.startswith(b":")]
                return Head(int(status), shown, "HTTP/2")
        raise self._wire.fault("reset", _("before the answer was complete"))

    async def body(self, _head: Head) -> AsyncGenerator[bytes, None]:
        """The pieces of the body. Raises WebFault."""
        while (event := await self._next_event()) is not None:
            if isinstance(event, DataReceived):
                yield event.data or b""

    async def _next_event(self) -> Event | None:
        """What happens next to our one stream; None at its end."""
        while not self._events:
            data = await self._wire.read()
            if not data:
                raise self._wire.fault("reset", _("before the answer was complete"))
            try:
                self._events += self._h2.receive_data(data)
                for event in self._events:
                    if isinstance(event, DataReceived) and event.flow_controlled_length:
                        self._h2.acknowledge_received_data(event.flow_controlled_length, 1)
                await self._wire.write(self._h2.data_to_send())
            except ProtocolError:
                raise unreadable(self._wire, _("it is not proper HTTP/2")) from None
        event = self._events.pop(0)
        refused = isinstance(event, ConnectionTerminated) and not event.last_stream_id
        if refused or isinstance(event, StreamReset):
            raise unreadable(self._wire, _("the server ends it with an HTTP/2 error"))
        return None if isinstance(event, StreamEnded) else event
