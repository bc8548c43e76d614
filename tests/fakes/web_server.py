"""A web server on loopback that takes events, or fails to in the way that a test chooses."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

How = Literal["well", "silent", "drips", "garbage"] | int
"""`well`: 200; a number: that status; `silent`: no answer; `drips`: a byte now and then, for ever."""


class WebServer:
    """Listens at one port, and can go away and come back there."""

    def __init__(self, folder: Path | None = None) -> None:
        """With `server.pem` in a folder it speaks TLS."""
        self.how: How = "well"
        self.headers_of_answer = ""
        self.refuses: set[int] = set()
        """Tracks whose requests are answered with 400."""
        self.bodies: list[Any] = []
        self.requests: list[dict[str, str]] = []
        """Headers, by lower-case name; the path under `path`."""
        self.lines: set[socket.socket] = set()
        self._tls: ssl.SSLContext | None = None
        if folder is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(folder / "server.pem", folder / "server.key")
        self._listener: socket.socket | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}/events?board=7"

    @property
    def tracks(self) -> list[int]:
        """Of the events that it took, in order, each once: what was sent may come twice."""
        bodies = [one for body in self.bodies for one in (body if isinstance(body, list) else [body])]
        taken = {one["id"]: one["track"] for one in bodies if one["about"] == "event"}
        return list(taken.values())

    def start(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        """Nobody listens there any more, and every connection is cut."""
        assert self._listener is not None
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in list(self.lines):
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                line, _ = listener.accept()
                self.lines.add(line)
                threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        try:
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
                self.lines.add(line)
            with line, line.makefile("rb") as reader:
                while self._request(line, reader):
                    pass
        except (OSError, ValueError):
            pass
        finally:
            self.lines.discard(line)

    def _request(self, line: socket.socket, reader: Any) -> bool:
        first = reader.readline().decode()
        if not first:
            return False
        headers = {"path": first.split()[1]}
        while text := reader.readline().decode().strip():
            name, _, value = text.partition(": ")
            headers[name.lower()] = value
        body = json.loads(reader.read(int(headers["content-length"])))
        self.requests.append(headers)
        status = self._status(body)
        if status == "silent":
            time.sleep(600)
        elif status == "garbage":
            line.sendall(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
            return False
        elif status == "drips":
            line.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                line.sendall(b"X-Drip: 1\r\n")
                time.sleep(0.2)
        else:
            if status == 200:
                self.bodies.append(body)
            line.sendall(f"HTTP/1.1 {status} So\r\n{self.headers_of_answer}Content-Length: 2\r\n\r\n{{}}".encode())
        return True

    def _status(self, body: Any) -> How:
        events = body if isinstance(body, list) else [body]
        if self.how == "well":
            return 400 if any(one.get("track") in self.refuses for one in events) else 200
        return self.how


@contextlib.contextmanager
def web_server(folder: Path | None = None) -> Iterator[WebServer]:
    """A running one."""
    server = WebServer(folder)
    try:
        yield server
    finally:
        server.stop()
