"""What is answered over HTTP: the page, the state, streams of pictures and single ones. An ASGI application.

GET /               the page
GET /state          how all streams are, as JSON
GET /live           the page's: newest pictures of all streams, and the state each second, in one answer
GET /stream/NAME    Motion JPEG, for anything that shows it: `<img src=...>`, VLC, OpenCV
GET /picture/NAME   one picture, of a frame that came after the question where there is one within some seconds
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from edgekit.device.runtime.sinks.preview.newest import Jpeg, NewestJpegs
from edgekit.device.runtime.sinks.preview.page import PAGE, POLICY
from edgekit.device.runtime.sinks.preview.state import PreviewState

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_STATE_EVERY_S = 1.0
_AGAIN_S = 5.0
"""A picture that does not change is sent again, or a viewer that has gone is not noticed."""
_FRESH_S = 3.0
"""How long a single picture is waited for."""
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"connection", b"close"),
    (b"content-security-policy", POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
_BOUNDARY = b"picture"


@dataclass(slots=True, kw_only=True)
class Answering:
    """One request on its way."""

    send: Send
    gone: asyncio.Future[None]
    """Done once the client has hung up."""
    sent: dict[str, int] = field(default_factory=dict)
    """Number of the picture of each stream that it has."""

    async def begin(self, status: int, kind: str) -> None:
        """The head of an answer."""
        headers = [(b"content-type", kind.encode()), *_HEADERS]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """A piece of it; waits while the client takes nothing."""
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    async def whole(self, status: int, kind: str, data: bytes) -> None:
        """An answer in one piece."""
        await self.begin(status, kind)
        await self.write(data, more=False)


class PreviewService:
    """Answers whoever is let in."""

    def __init__(self, newest: NewestJpegs, state: PreviewState, viewers: int) -> None:
        self._newest, self._state, self._most = newest, state, viewers
        self._looking = 0
        self.sent = 0
        """Pictures, to all viewers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        gone = asyncio.ensure_future(_until_gone(receive))
        answer = Answering(send=send, gone=gone)
        try:
            if scope["method"] == "GET":
                await self._route(scope["path"], answer)
            else:
                await answer.whole(405, "text/plain", b"only GET\n")
        finally:
            gone.cancel()

    async def _route(self, path: str, answer: Answering) -> None:
        _, kind, *rest = path.split("/", 2)
        name = rest[0] if rest else ""
        if path == "/":
            await answer.whole(200, "text/html; charset=utf-8", PAGE.encode())
        elif path == "/state":
            await answer.whole(200, "application/json", self._state.json())
        elif path == "/live" or (kind in ("stream", "picture") and name in self._newest.streams):
            await self._show(kind, name, answer)
        else:
            await answer.whole(404, "text/plain", b"not here: /, /state, /live, /stream/NAME, /picture/NAME\n")

    async def _show(self, kind: str, name: str, answer: Answering) -> None:
        if self._looking >= self._most:
            await answer.whole(503, "text/plain", f"{self._most} look already\n".encode())
            return
        self._looking += 1
        try:
            with self._newest.watching([name] if name else self._newest.streams):
                if kind == "picture":
                    await self._one(name, answer)
                else:
                    await self._many([name] if name else list(self._newest.streams), answer, with_state=not name)
        finally:
            self._looking -= 1

    async def _one(self, name: str, answer: Answering) -> None:
        until_s, jpeg = time.monotonic() + _FRESH_S, None
        before = self._newest.of(name)
        while not answer.gone.done():
            jpeg = self._newest.of(name)
            left_s = until_s - time.monotonic()
            if left_s <= 0 or (jpeg is not None and jpeg is not before and jpeg.of_a_frame):
                break
            await self._wait(answer, left_s)
        if jpeg is None:
            await answer.whole(503, "text/plain", b"there is no picture\n")
        else:
            self.sent += 1
            await answer.whole(200, "image/jpeg", jpeg.data)

    async def _many(self, names: list[str], answer: Answering, *, with_state: bool) -> None:
        """Whatever is newer than what this viewer has, as fast as it takes it."""
        await answer.begin(200, f"multipart/x-mixed-replace; boundary={_BOUNDARY.decode()}")
        await answer.write(b"--%s\r\n" % _BOUNDARY)
        state_s = again_s = float("-inf")
        while not answer.gone.done():
            now_s = time.monotonic()
            if with_state and now_s - state_s >= _STATE_EVERY_S:
                state_s = again_s = now_s
                await answer.write(_part(b"application/json", self._state.json()))
            for name in names:
                jpeg = self._newest.of(name)
                if jpeg is not None and (jpeg.number != answer.sent.get(name) or now_s - again_s >= _AGAIN_S):
                    again_s = now_s
                    await self._send_picture(name, jpeg, answer)
            await self._wait(answer, _STATE_EVERY_S)

    async def _send_picture(self, name: str, jpeg: Jpeg, answer: Answering) -> None:
        answer.sent[name] = jpeg.number
        self.sent += 1
        await answer.write(_part(b"image/jpeg", jpeg.data, name))

    async def _wait(self, answer: Answering, seconds: float) -> None:
        change = asyncio.ensure_future(self._newest.change())
        await asyncio.wait({change, answer.gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        change.cancel()


class TokenGate:
    """Lets those in who show the token in the address, or as `Authorization: Bearer`."""

    def __init__(self, service: PreviewService, token: str) -> None:
        self._service, self._token = service, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        shown = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
        with suppress(ValueError):  # too many fields
            shown = parse_qs(scope["query_string"], max_num_fields=8).get(b"token", [shown])[0]
        if hmac.compare_digest(shown, self._token):
            await self._service(scope, receive, send)
        else:
            answer = Answering(send=send, gone=asyncio.get_running_loop().create_future())
            await answer.whole(403, "text/plain", b"a token is missing, or not the right one: ?token=...\n")


def _part(kind: bytes, data: bytes, name: str = "") -> bytes:
    """One part with the boundary behind it: browsers show a picture once they see that."""
    stream = f"X-Stream: {name}\r\n".encode() if name else b""
    head = b"Content-Type: %s\r\nContent-Length: %d\r\n%s\r\n" % (kind, len(data), stream)
    return b"%s%s\r\n--%s\r\n" % (head, data, _BOUNDARY)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
