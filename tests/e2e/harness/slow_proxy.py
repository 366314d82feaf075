"""Stands between quotad and Redis and plays the faults that a real server cannot play."""

import asyncio
import contextlib
import threading

from harness.ports import ADDRESS, free_port


class SlowProxy:
    """Passes everything on to `target`, a server with an `endpoint`. Listens on a port of the
    loopback, or with `unix` on a socket. The faults can be set and taken back at any time:

    delay      seconds by which every answer comes late, in order, without holding up requests
    stalled    nothing is read from anybody: buffers fill up, nothing is ever answered
    mute       requests are passed on and carried out, their answers are lost
    refusing   new connections are closed as soon as they are there"""

    def __init__(self, target, unix=None):
        self.delay = 0.0
        self.stalled = False
        self.mute = False
        self.refusing = False
        self.accepted = 0
        self._target = target
        self._unix = str(unix) if unix else None
        self._port = 0 if unix else free_port()
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self):
        return f"redis+unix://{self._unix}" if self._unix else f"redis://{ADDRESS}:{self._port}"

    def start(self):
        self._thread.start()
        self._server = self._run(self._listen())
        return self

    def drop(self):
        """Closes every connection in the middle of whatever it was doing."""
        self._loop.call_soon_threadsafe(self._abort_all)

    def stop(self):
        if not self._thread.is_alive():
            return
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    kill = stop

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _listen(self):
        if self._unix:
            return await asyncio.start_unix_server(self._serve, self._unix, limit=4096)
        return await asyncio.start_server(self._serve, ADDRESS, self._port, limit=4096)

    async def _close(self):
        self._server.close()
        self._abort_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _abort_all(self):
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self.accepted += 1
        if self.refusing:
            writer.transport.abort()
            return
        try:
            endpoint = self._target.endpoint
            if endpoint.startswith("/"):
                far_reader, far_writer = await asyncio.open_unix_connection(endpoint)
            else:
                host, port = endpoint.rsplit(":", 1)
                far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        mine = {writer, far_writer}
        self._writers |= mine
        answers = asyncio.Queue()
        tasks = [asyncio.create_task(work) for work in (
            self._pass_requests(reader, far_writer), self._take_answers(far_reader, answers),
            self._give_answers(answers, writer))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for one in mine:
                one.transport.abort()
            self._writers -= mine
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _flowing(self):
        while self.stalled:
            await asyncio.sleep(0.002)

    async def _pass_requests(self, reader, far_writer):
        while True:
            await self._flowing()
            data = await reader.read(65536)
            await self._flowing()
            if not data:
                return
            far_writer.write(data)
            await far_writer.drain()

    async def _take_answers(self, far_reader, answers):
        while True:
            await self._flowing()
            data = await far_reader.read(65536)
            if not data:
                await answers.put(None)
                return
            if not self.mute:
                await answers.put((self._loop.time() + self.delay, data))

    async def _give_answers(self, answers, writer):
        while (answer := await answers.get()) is not None:
            due, data = answer
            await asyncio.sleep(due - self._loop.time())
            await self._flowing()
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
