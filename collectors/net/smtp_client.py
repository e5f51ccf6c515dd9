"""A visit to a mail server: greeting, EHLO, STARTTLS, handshake, and off again (RFC 5321, 3207).

No mail is offered. What is read is bounded in bytes and time, and what a server, or somebody on the
way, sends in clear behind its answer to STARTTLS is not taken for part of what is encrypted.
"""

import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from collectors.net.connection import Connection, Reachable, open_connection
from collectors.net.loop_lag import LoopLag
from collectors.net.tls import served_chain
from collectors.net.web_fault import WebFault, stream_fault
from collectors.text import _, clean, show_bytes

MAX_REPLY = 16 * 1024  # bytes of one reply; RFC 5321 means a line to have 512
MAX_LINES = 100
CIPHERS = "DEFAULT:!kDHE:@SECLEVEL=1"
_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)


@dataclass(frozen=True)
class SmtpReply:
    """A reply: its code, and the text of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        return clean(f"{self.code} {self.lines[0]}".strip(), 200)


@dataclass(frozen=True)
class SmtpVisit:
    """What one address answered, as far as it went; None where it did not come to that.

    `turned_away`: the reply with which it would not go on. `fault`: what went wrong otherwise;
    of kind `tls` where it was the certificate or the handshake.
    """

    address: str
    greeting: SmtpReply | None = None
    extensions: tuple[str, ...] = ()
    turned_away: SmtpReply | None = None
    tls_version: str = ""
    chain: tuple[bytes, ...] = ()
    fault: WebFault | None = None

    @property
    def starttls(self) -> bool:
        """Whether it offers TLS."""
        return "STARTTLS" in self.extensions


def smtp_context(authorities: ssl.SSLContext) -> ssl.SSLContext:
    """A context that trusts whom `authorities` trusts, for a server of any name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if known := b"".join(authorities.get_ca_certs(binary_form=True)):
        context.load_verify_locations(cadata=known)
    context.verify_flags = authorities.verify_flags
    context.hostname_checks_common_name = False
    context.set_ciphers(CIPHERS)
    return context


async def visit(
    host: str,
    port: int,
    address: str,
    *,
    context: ssl.SSLContext,
    reachable: Reachable,
    seconds: float,
    lag: LoopLag,
) -> SmtpVisit:
    """One visit to one (checked) address of `host`; raises WebFault where nobody answers there."""
    deadline = lag.now() + seconds
    connection = await open_connection(
        [address], port, context=None, host=host, reachable=reachable, seconds=seconds, lag=lag
    )
    dialogue = _Dialogue(connection)
    try:
        async with lag.timeout(max(0.01, deadline - lag.now())):
            return await _talk(dialogue, host, context)
    except TimeoutError:
        fault = WebFault("timeout", address=address, seconds=seconds, detail=dialogue.waiting_for)
        return dialogue.seen(fault=fault)
    except WebFault as fault:
        return dialogue.seen(fault=fault)
    finally:
        connection.abort()


class _Dialogue:
    """The connection, and what was heard on it."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self._buffer = connection, b""
        self.greeting: SmtpReply | None = None
        self.extensions: tuple[str, ...] = ()
        self.waiting_for = _("waiting for the greeting")

    def seen(self, **more: object) -> SmtpVisit:
        address = self.connection.address
        return SmtpVisit(address, self.greeting, self.extensions, **more)  # type: ignore[arg-type]

    @property
    def unread(self) -> bool:
        """Something came behind the last reply."""
        return bool(self._buffer)

    async def reply(self) -> SmtpReply:
        """The next reply; raises WebFault for what is none."""
        lines: list[str] = []
        left = MAX_REPLY
        while True:
            while b"\n" not in self._buffer:
                left -= len(data := await self._read())
                if left < 0:
                    raise self._fault("protocol", "its reply does not end within the limit")
                self._buffer += data
            line, _newline, self._buffer = self._buffer.partition(b"\n")
            found = _LINE.fullmatch(line.removesuffix(b"\r"))
            if not found or len(lines) >= MAX_LINES:
                raise self._fault("protocol", "what it says is no reply of SMTP")
            lines.append(clean(show_bytes(found[3] or b""), 500))
            if found[2] != b"-":
                return SmtpReply(int(found[1]), tuple(lines))

    async def command(self, text: str) -> SmtpReply:
        """Send a command, and its reply."""
        self.waiting_for = _("waiting for the reply to {command}", command=text.partition(" ")[0])
        try:
            self.connection.writer.write(f"{text}\r\n".encode("ascii"))
            await self.connection.writer.drain()
        except OSError as error:
            raise stream_fault(error, self.connection.address, self.waiting_for) from None
        return await self.reply()

    async def _read(self) -> bytes:
        try:
            data = await self.connection.reader.read(2048)
        except OSError as error:
            raise stream_fault(error, self.connection.address, self.waiting_for) from None
        if not data:
            raise self._fault("reset", "it closed the connection")
        return data

    def _fault(self, kind: str, detail: str) -> WebFault:
        return WebFault(kind, address=self.connection.address, detail=detail)

    async def start_tls(self, host: str, context: ssl.SSLContext) -> None:
        """The handshake; raises WebFault."""
        self.waiting_for = _("waiting for the TLS handshake")
        try:
            await self.connection.writer.start_tls(context, server_hostname=host)
        except OSError as error:  # an ssl.SSLError is one
            raise stream_fault(error, self.connection.address, self.waiting_for) from None
        except ValueError as error:  # a name that cannot be sent as SNI
            address = self.connection.address
            raise WebFault("tls", address=address, cause="handshake", detail=str(error)) from None


async def _talk(dialogue: _Dialogue, host: str, context: ssl.SSLContext) -> SmtpVisit:
    dialogue.greeting = greeting = await dialogue.reply()
    if greeting.code != 220:
        return dialogue.seen(turned_away=greeting)
    said = await dialogue.command(f"EHLO {_own_name(dialogue.connection)}")
    if said.code != 250:
        return dialogue.seen(turned_away=said)
    dialogue.extensions = tuple(
        line.split(" ")[0].upper() for line in said.lines[1:] if line.strip()
    )
    if "STARTTLS" not in dialogue.extensions:
        with suppress(WebFault):
            await dialogue.command("QUIT")
        return dialogue.seen()
    answer = await dialogue.command("STARTTLS")
    if answer.code != 220:
        return dialogue.seen(turned_away=answer)
    if dialogue.unread:
        raise WebFault(
            "tls",
            address=dialogue.connection.address,
            cause="injected",
            detail="more came in clear before the handshake",
        )
    await dialogue.start_tls(host, context)
    tls = dialogue.connection.tls
    version = dialogue.connection.tls_version
    with suppress(OSError):
        dialogue.connection.writer.write(b"QUIT\r\n")
        await dialogue.connection.writer.drain()
    return dialogue.seen(tls_version=version, chain=served_chain(tls))


def _own_name(connection: Connection) -> str:
    """Our end as an address literal (RFC 5321, 4.1.3): this machine may have no name."""
    ip = ip_address(connection.writer.get_extra_info("sockname")[0].partition("%")[0])
    return f"[{ip}]" if ip.version == 4 else f"[IPv6:{ip}]"
