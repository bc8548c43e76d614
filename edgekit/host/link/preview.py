"""Connections to an application's preview on a device, through the keeper's program there: see `connect`.

A program for each connection, not a forwarded socket: sshd may forbid that, and it would need another right on the
board than a conversation with the keeper does. A page takes two of them.
"""

from __future__ import annotations

import http.client
import io
from typing import Any

from edgekit.errors import Unreachable
from edgekit.executor import Executor, Stream
from edgekit.executor.sent_program import skip_greeting
from edgekit.schema.board import BoardPaths
from edgekit.schema.fleet import Device

_PATIENCE_S = 30.0
"""A preview says something each second or so."""
_MAX_ANSWER_BYTES = 8 << 20


class PreviewLink:
    """Asks one application's preview. Threads may share it."""

    def __init__(self, device: Device, executor: Executor, application: str) -> None:
        """Ask nothing yet."""
        self._device, self._executor, self._application = device, executor, application

    def ask(self, path: str) -> Stream:
        """Send a request; the answer, from `HTTP/1.1` on, is for the caller to read, and the stream to close.

        Args:
            path: of the request, encoded as an address holds it.

        Raises:
            Unreachable: the device does not answer, or no worker shows anything there.
        """
        argv = [*BoardPaths(prefix=self._device.prefix).command("connect"), "--preview", self._application]
        stream = self._executor.open(argv)
        try:
            stream.settimeout(_PATIENCE_S)
            if not skip_greeting(stream.readline):
                raise self._nobody(stream.errors())
            stream.write(f"GET {path} HTTP/1.1\r\nHost: edgekit\r\nConnection: close\r\n\r\n".encode("ascii"))
        except BaseException:
            stream.close()
            raise
        return stream

    def picture(self, name: str) -> bytes:
        """A JPEG of what a stream shows now, with everything drawn into it.

        Raises:
            Unreachable: there is no answer, or none that can be read.
        """
        stream, data = self.ask(f"/picture/{name}"), bytearray()
        try:
            while len(data) <= _MAX_ANSWER_BYTES and (piece := stream.receive(1 << 16)):
                data += piece
        finally:
            stream.close()
        try:
            answer = http.client.HTTPResponse(_Received(bytes(data)))  # type: ignore[arg-type]  # it takes any file
            answer.begin()
            body = answer.read()
        except (http.client.HTTPException, ValueError):
            status, body = 0, b"the answer cannot be read"
        else:
            status = answer.status
        if status != http.HTTPStatus.OK or not body.startswith(b"\xff\xd8\xff"):
            reason = body[:200].decode(errors="replace").strip() if status != http.HTTPStatus.OK else "no JPEG came"
            message = f"the preview of {self._application} on {self._device.name} gives no picture: {reason}"
            raise Unreachable(message, hint=f"edgekit status {self._device.name}")
        return body

    def _nobody(self, errors: str) -> Unreachable:
        name, application = self._device.name, self._application
        message = f"the preview of {application} on {name} does not answer"
        return Unreachable(message, hint=f"edgekit logs {name} {application}", details=errors)


class _Received:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._data)
