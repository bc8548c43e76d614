"""A port on loopback that leads to a server, or to nobody, and to somebody else while people stand before it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from tests.fakes.eventually import PATIENCE_S


class Doorway:
    """Runs on a thread of its own."""

    def __init__(self, behind: int | bytes) -> None:
        """Open it.

        Args:
            behind: the port of a server on loopback; or what is said to whoever comes, before nothing more: b"" is
                somebody who listens and never answers.
        """
        self._behind = behind
        self._open: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, name="doorway", daemon=True)
        self._thread.start()

    def url(self, camera: int = 0) -> str:
        """As that of an RTSP server behind it."""
        return f"rtsp://127.0.0.1:{self.port}/cam{camera}"

    def lead_to(self, behind: int | bytes) -> None:
        """Somebody else is behind it from now on; who was there is cut off."""
        asyncio.run_coroutine_threadsafe(self._change(behind), self._loop).result(PATIENCE_S)

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(PATIENCE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()

    async def _change(self, behind: int | bytes) -> None:
        self._behind = behind
        for writer in self._open:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._change(b"")
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if isinstance(self._behind, bytes):
                writer.write(self._behind)
                while await reader.read(1 << 16):
                    pass
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", self._behind)
            self._open.add(outer)
            try:
                await asyncio.gather(_pump(reader, outer), _pump(inner, writer))
            finally:
                self._shut(outer)
        except OSError:
            pass
        finally:
            self._shut(writer)

    def _shut(self, writer: asyncio.StreamWriter) -> None:
        self._open.discard(writer)
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass everything on; the end too."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
    writer.transport.abort()


@contextlib.contextmanager
def doorway(behind: int | bytes) -> Iterator[Doorway]:
    """One that is closed at the end."""
    made = Doorway(behind)
    try:
        yield made
    finally:
        made.close()
