"""Many DNS questions over few UDP sockets: how each is asked first, without a task or timer.

What protects from forged answers (RFC 5452): a socket is connected, so that the kernel passes on
nothing but what comes from the server's address and port; its own port is the kernel's random
choice; the id of each question is random; an answer must hold the question. A resolver that takes a
new port for each question has no more of these bits, but shows a port for one question only. Here a
port serves at most USES questions and only while one of them waits, so that whoever found it out
can do little with it; and one that guesses is heard: after MAX_FOREIGN datagrams that answer
nothing that waits, a socket takes no more questions.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from collectors.net.dns_reader import read
from collectors.net.dns_transport import BadTry, is_truncated
from collectors.net.dns_wire import Answer, NoDnsMessage, Question, TooMuch
from collectors.net.loop_lag import LagSpan, LoopLag

USES = 64  # questions of one socket
MAX_FOREIGN = 64
AT_ONCE = 16  # datagrams that are read before others have their turn
MAX_DATAGRAM = 65_535
OnAnswer = Callable[[Answer | BadTry], None]


@dataclass(slots=True, eq=False)
class _Asked:
    """A question on its way."""

    question: Question
    on_answer: OnAnswer
    span: LagSpan
    socket: "_Socket"
    waits: bool = True


class _Socket:
    """One connected socket, closed when nobody waits for an answer any more."""

    def __init__(self, host: str, port: int) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.waiting: dict[int, _Asked] = {}  # by the id of the question
        self.server = host, port
        self.uses = self.foreign = 0
        try:
            self.socket.setblocking(False)
            self.socket.connect(self.server)
        except BaseException:
            self.socket.close()
            raise

    @property
    def takes_more(self) -> bool:
        return self.uses < USES and self.foreign < MAX_FOREIGN


class DnsSockets:
    """The questions that are on their way; `seconds`: how long each waits. Of one event loop."""

    def __init__(self, seconds: float, lag: LoopLag) -> None:
        self.seconds, self._lag = seconds, lag
        self._open: dict[tuple[str, int], _Socket] = {}  # the one that takes questions, by server
        self._line: deque[_Asked] = deque()  # in the order of asking, which is that of their ends
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, question: Question, host: str, port: int, on_answer: OnAnswer) -> None:
        """Send; `on_answer` is called once, later, with what came back or why nothing did.

        An answer may be truncated, and is not read then.
        """
        loop = asyncio.get_running_loop()
        try:
            through = self._socket(loop, host, port)
            while question.id in through.waiting:
                question = Question(question.name, question.rdtype)
            through.uses += 1
            try:
                through.socket.send(question.to_wire())
            except ConnectionRefusedError:  # which is about an earlier question
                through.socket.send(question.to_wire())
        except OSError:
            loop.call_soon(on_answer, BadTry("dns_unreachable"))
            return
        asked = _Asked(question, on_answer, self._lag.begin_span(), through)
        through.waiting[question.id] = asked
        self._line.append(asked)
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look)

    def close(self) -> None:
        """Forget all questions, without a word to those who asked."""
        for asked in self._line:
            if asked.waits:
                self._end(asked)
                self._close(asked.socket)
        self._line.clear()
        if self._timer:
            self._timer.cancel()

    def _socket(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> _Socket:
        found = self._open.get((host, port))
        if found is None or not found.takes_more:
            found = self._open[host, port] = _Socket(host, port)
            loop.add_reader(found.socket, self._read, found)
        return found

    def _read(self, through: _Socket) -> None:
        """Take what has arrived, for as long as somebody waits for it; no more than AT_ONCE."""
        for _number in range(AT_ONCE):
            if not through.waiting:
                break
            try:
                data = through.socket.recv(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # the server's port is closed, or the net is gone
                through.uses = USES
                for asked in list(through.waiting.values()):
                    self._end(asked, BadTry("dns_unreachable"))
                break
            asked_with_id = through.waiting.get(int.from_bytes(data[:2], "big"))
            found = _answer(data, asked_with_id.question) if asked_with_id else None
            if asked_with_id and found:
                self._end(asked_with_id, found)
            else:
                through.foreign += 1
        # whoever got an answer may have the next question at once
        asyncio.get_running_loop().call_soon(self._close, through)

    def _end(self, asked: _Asked, found: Answer | BadTry | None = None) -> None:
        asked.waits = False
        self._lag.end()
        del asked.socket.waiting[asked.question.id]
        if found:
            asked.on_answer(found)

    def _close(self, through: _Socket) -> None:
        """Close a socket through which nobody waits for an answer."""
        if through.waiting or through.socket.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(through.socket)
        through.socket.close()
        if self._open.get(through.server) is through:
            del self._open[through.server]

    def _look(self) -> None:
        """End those whose time is over, and look again when that of the next one is."""
        self._timer = None
        while self._line:
            asked = self._line[0]
            if asked.waits and (left := asked.span.seconds_left(self.seconds)) > 0:
                self._timer = asyncio.get_running_loop().call_later(left, self._look)
                return
            self._line.popleft()
            if asked.waits:
                self._end(asked, BadTry("dns_timeout"))
                self._close(asked.socket)


def _answer(data: bytes, question: Question) -> Answer | BadTry | None:
    """What a datagram says of a question; None where it is no answer to it."""
    if is_truncated(data, question):
        return Answer(0, len(data), truncated=True)
    try:
        return read(data, question)
    except NoDnsMessage:
        return None
    except TooMuch:
        return BadTry("dns_bad_response")
