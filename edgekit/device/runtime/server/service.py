"""What is answered over HTTP, and how much at a time. An ASGI application.

GET  /v2                             the server
GET  /v2/health/live, .../ready      200, or 503
GET  /v2/models/NAME[/versions/1]    a model: its tensors
GET  .../ready, .../config           whether it runs; what Triton calls its configuration
POST .../infer                       one inference

A body is read only where there is room for all of it: places are few, each model's inputs say how large one may be.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

import edgekit
from edgekit.device.runtime.server.figures import ServingFigures
from edgekit.device.runtime.server.model import VERSION, ServedModel
from edgekit.device.runtime.server.refusal import BUSY_RETRY_S, Refusal, busy, unusable
from edgekit.device.runtime.server.tensors import MAX_JSON_BYTES, read_request, written

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Buffers = Sequence[bytes | memoryview]
Headers = Mapping[bytes, bytes]

_MODEL = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(ready|config|infer))?")
_JSON_LENGTH = b"inference-header-content-length"
_ALIGNED = 64
"""Bytes: tensors begin where engines read them fastest."""
_JSON, _BYTES = b"application/json", b"application/octet-stream"


class Gone(Exception):
    """The client has hung up."""


class OipService:
    """Answers whoever is let in."""

    def __init__(self, models: Mapping[str, ServedModel], most: int, figures: ServingFigures) -> None:
        """Answer for these models, `most` requests at a time."""
        self._models, self._most, self._figures = models, most, figures
        self.closing = False
        """Whether no request is taken any more."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            status, headers, body = await self._answer(scope, receive)
        except Refusal as refusal:
            status, headers, body = _refused(refusal)
        except Gone:
            return
        kind = headers or [(b"content-type", _JSON)]
        length = sum(len(piece) for piece in body)
        head = [*kind, (b"content-length", b"%d" % length)]
        await send({"type": "http.response.start", "status": status, "headers": head})
        for piece in body[:-1]:
            await send({"type": "http.response.body", "body": bytes(piece), "more_body": True})
        await send({"type": "http.response.body", "body": bytes(body[-1]), "more_body": False})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, list[tuple[bytes, bytes]], Buffers]:
        method, path = scope["method"], scope["path"].rstrip("/")
        found = _MODEL.fullmatch(path)
        if found is not None and found[3] == "infer":
            if method != "POST":
                raise Refusal(405, "inference is asked for with POST")
            return await self._infer(self._model(found), dict(scope["headers"]), receive)
        if method not in ("GET", "HEAD"):
            raise Refusal(405, "only GET, and POST for inference")
        return 200, [], [self._told(path, found)]

    def _told(self, path: str, found: re.Match[str] | None) -> bytes:
        """The answer to a GET."""
        if path == "/v2/health/live":
            return b""
        if path == "/v2/health/ready":
            if self.closing or not all(model.ready for model in self._models.values()):
                raise busy("the application is ending")
            return b""
        if path == "/v2":
            told = {"name": "edgekit", "version": edgekit.__version__, "extensions": ["binary_tensor_data"]}
            return json.dumps(told).encode()
        if found is None:
            raise Refusal(404, "there is nothing at this path: /v2/models/NAME, /v2/health/ready")
        model = self._model(found)
        if found[3] == "ready":
            if self.closing or not model.ready:
                raise busy("the application is ending")
            return b""
        return json.dumps(model.config() if found[3] == "config" else model.metadata()).encode()

    def _model(self, found: re.Match[str]) -> ServedModel:
        model = self._models.get(found[1])
        if model is None:
            raise Refusal(404, f"there is no model {found[1][:80]!r}: {', '.join(self._models)}")
        if found[2] not in (None, VERSION):
            raise Refusal(404, f"model {model.name} has version {VERSION} alone")
        return model

    async def _infer(
        self, model: ServedModel, headers: Headers, receive: Receive
    ) -> tuple[int, list[tuple[bytes, bytes]], Buffers]:
        began_s, status = time.monotonic(), 500
        try:
            if self.closing or self._figures.under_way >= self._most:
                raise busy("the application is ending" if self.closing else f"{self._most} requests are under way")
            self._figures.under_way += 1
            try:
                answer = await _inferred(model, headers, receive)
            finally:
                self._figures.under_way -= 1
            status = 200
            return answer
        except Refusal as refusal:
            status = refusal.status
            raise
        except Gone:
            status = 499  # as others count who hangs up
            raise
        finally:
            self._figures.ended(model.name, status, time.monotonic() - began_s)


class BearerGate:
    """Lets those in who show the token as `Authorization: Bearer`."""

    def __init__(self, service: OipService, token: str) -> None:
        self._service, self._token = service, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        shown = dict(scope["headers"]).get(b"authorization", b"").removeprefix(b"Bearer ")
        if hmac.compare_digest(shown, self._token):
            await self._service(scope, receive, send)
            return
        body = b'{"error":"a token is missing, or not the right one: Authorization: Bearer TOKEN"}'
        headers = [(b"content-type", _JSON), (b"www-authenticate", b"Bearer"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


async def _inferred(
    model: ServedModel, headers: Headers, receive: Receive
) -> tuple[int, list[tuple[bytes, bytes]], Buffers]:
    head, tail = await _body(headers, receive, model.most_bytes)
    asked = read_request(head, tail, model.inputs, model.outputs)
    gone = asyncio.ensure_future(_until_gone(receive))
    try:
        found = await model.infer(asked.inputs, gone)
    except asyncio.CancelledError:
        if gone.done():
            raise Gone from None
        raise
    finally:
        gone.cancel()
    text, blobs = written(model.name, asked, found)
    if not blobs:
        return 200, [], [text]
    return 200, [(b"content-type", _BYTES), (_JSON_LENGTH, b"%d" % len(text))], [text, *blobs]


async def _body(headers: Headers, receive: Receive, most: int) -> tuple[memoryview, memoryview]:
    """A request's JSON, and the bytes behind it: in one buffer, in which these begin at a multiple of 64 bytes."""
    length = _length(headers, b"content-length")
    if length is None:
        raise Refusal(411, "a request for inference has a Content-Length")
    if length > most:
        raise Refusal(413, f"the request has {length} bytes, and this model's takes {most} at most")
    packed = headers.get(b"content-encoding", b"identity").decode("latin-1")
    if packed not in ("identity", "gzip", "deflate"):
        raise Refusal(415, "a request is sent as it is, or packed by gzip or deflate")
    json_length = _length(headers, _JSON_LENGTH)
    lead = 0 if json_length is None or packed != "identity" else -json_length % _ALIGNED
    body = _aligned(lead + length)
    end = lead
    async for piece in _pieces(receive):
        if end + len(piece) > len(body):
            raise unusable("the request is longer than its Content-Length")
        body[end : end + len(piece)] = piece
        end += len(piece)
    body = body[lead:end]
    if packed != "identity":
        body = _unpacked(body, most, 0 if json_length is None else json_length)
    cut = len(body) if json_length is None else json_length
    if cut > min(len(body), MAX_JSON_BYTES):
        if cut <= len(body):
            raise Refusal(413, f"the request's JSON has more than {MAX_JSON_BYTES} bytes: send tensors as binary data")
        raise unusable(f"Inference-Header-Content-Length is {cut}, and the request has {len(body)} bytes")
    return body[:cut], body[cut:]


def _aligned(size: int) -> memoryview:
    """Memory that begins at a multiple of 64 bytes."""
    room = np.empty(size + _ALIGNED, np.uint8)
    begin = -room.ctypes.data % _ALIGNED
    return room[begin : begin + size].data


def _unpacked(body: memoryview, most: int, json_length: int) -> memoryview:
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either format, by its first bytes
    try:
        data = unpack.decompress(body, most)
        whole = unpack.eof or not unpack.unconsumed_tail
    except zlib.error:
        raise unusable("the request cannot be unpacked") from None
    if not whole:
        raise Refusal(413, f"the request unpacks to more than this model's {most} bytes")
    lead = -json_length % _ALIGNED
    room = _aligned(lead + len(data))
    np.copyto(np.frombuffer(room, np.uint8)[lead:], np.frombuffer(data, np.uint8))
    return room[lead:]


def _length(headers: Headers, name: bytes) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not re.fullmatch(rb"[0-9]{1,15}", text):
        raise unusable(f"{name.decode()} is no number")
    return int(text)


async def _pieces(receive: Receive) -> Any:
    """The body as it comes."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _refused(refusal: Refusal) -> tuple[int, list[tuple[bytes, bytes]], Buffers]:
    headers = [(b"content-type", _JSON)]
    if refusal.status == 503:
        headers.append((b"retry-after", b"%d" % BUSY_RETRY_S))
    return refusal.status, headers, [json.dumps({"error": refusal.message}).encode()]
