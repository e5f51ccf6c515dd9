"""A network in which all that is on its way arrives together, wave by wave: one is one round trip.

    async with Waves() as net:
        port = await net.datagrams(to=53535)     # a relay before a name server
        port = await net.serve(converse, tls)    # a server of streams, and a relay before it
        …
        net.count                                # waves so far

Whoever asks as early as possible needs as few waves as questions hang on each other, however fast
the machine is. Answers are held until nobody has anything more to send. A connection takes a wave
of its own before what is sent through it moves on.
"""

import asyncio

HOST = "127.0.0.1"
QUIET_SECONDS = 0.03  # twice without a byte, and none owed: all wait for the next wave


class Waves:
    """The relays, and what they hold."""

    def __init__(self):
        self.count = 0
        self._held, self._moved, self._owed = [], 0, 0
        self._closing, self._tasks = [], []

    async def __aenter__(self):
        self._loop = asyncio.get_running_loop()
        look_up = self._loop.getaddrinfo

        async def getaddrinfo(*args, **kwargs):  # in a thread, for which a wave has to wait
            self._owed += 1
            try:
                return await look_up(*args, **kwargs)
            finally:
                self._owes_one_less()

        self._loop.getaddrinfo = getaddrinfo
        self._waving = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_error):
        self._waving.cancel()
        await asyncio.gather(self._waving, return_exceptions=True)
        self.hold = lambda arrive: arrive()
        self._release()
        for one in self._closing:
            one.close()
        await asyncio.gather(*self._tasks)
        del self._loop.getaddrinfo

    async def _run(self):
        while True:
            moved, quiet = self._moved, 0
            while quiet < 2 or self._owed or not self._held:
                await asyncio.sleep(QUIET_SECONDS)
                quiet = quiet + 1 if moved == self._moved else 0
                moved = self._moved
            self.count += 1
            self._release()

    def _release(self):
        held, self._held = self._held, []
        for arrive in held:
            arrive()

    def hold(self, arrive):
        """Call `arrive` with the next wave."""
        self._moved += 1
        self._held.append(arrive)

    def _owes_one_less(self):
        self._owed -= 1
        self._moved += 1

    # -- datagrams: a question, and one answer

    async def datagrams(self, *, to):
        """The port of a relay before this name server."""
        transport, _protocol = await self._loop.create_datagram_endpoint(
            lambda: _Questions(self, to), local_addr=(HOST, 0)
        )
        self._closing.append(transport)
        return transport.get_extra_info("sockname")[1]

    async def ask(self, data, port, answered):
        """Pass a question on, and hold its answer."""
        self._owed += 1
        answer = self._loop.create_future()
        there, _protocol = await self._loop.create_datagram_endpoint(
            lambda: _Answer(answer), remote_addr=(HOST, port)
        )
        there.sendto(data)
        data = await answer
        there.close()
        self.hold(lambda: answered(data))
        self._owes_one_less()

    # -- connections

    async def serve(self, converse, tls=None):
        """The port of a relay before a server of streams; `converse`: as asyncio.start_server's."""
        port = await self._listen(converse, tls)
        return await self._listen(lambda reader, writer: self._connection(reader, writer, port))

    async def _listen(self, converse, tls=None):
        async def in_its_task(reader, writer):
            self._tasks.append(asyncio.current_task())
            self._closing.append(writer)
            await converse(reader, writer)

        server = await asyncio.start_server(in_its_task, HOST, 0, ssl=tls)
        self._closing.append(server)
        return server.sockets[0].getsockname()[1]

    async def _connection(self, reader, writer, port):
        connected = self._loop.create_future()
        self.hold(lambda: connected.set_result(None))
        await connected
        there_reader, there_writer = await asyncio.open_connection(HOST, port)
        self._closing.append(there_writer)
        await asyncio.gather(
            self._pump(reader, there_writer, lambda arrive: arrive()),
            self._pump(there_reader, writer, lambda arrive: self.hold(arrive)),
        )

    async def _pump(self, reader, writer, pass_on):
        while data := await _read(reader):
            self._moved += 1
            pass_on(lambda data=data: writer.write(data))
        pass_on(writer.close)


class _Questions(asyncio.DatagramProtocol):
    def __init__(self, waves, port):
        self._waves, self._port, self._tasks = waves, port, set()

    def connection_made(self, transport):
        self._transport = transport

    def datagram_received(self, data, client):
        task = asyncio.create_task(
            self._waves.ask(data, self._port, lambda answer: self._transport.sendto(answer, client))
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Answer(asyncio.DatagramProtocol):
    def __init__(self, answer):
        self._answer = answer

    def datagram_received(self, data, _server):
        if not self._answer.done():
            self._answer.set_result(data)


async def _read(reader):
    try:
        return await reader.read(65536)
    except OSError:
        return b""
