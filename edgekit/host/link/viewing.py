"""A port of this machine's own that leads to a preview on a device, for whoever has the token.

Other users of this machine reach its loopback too: without the token they get nothing, and the device nothing of them.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from edgekit.errors import EdgekitError, InputError
from edgekit.host.link.preview import PreviewLink

MOST = 16
"""Connections at a time; a page takes two."""
ASK_S = 10.0
TAKE_S = 60.0
_PIECE_BYTES = 1 << 16
_LOOPBACK = "127.0.0.1"


class LoopbackView(ThreadingHTTPServer):
    """Serves one preview until `close`."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = MOST

    def __init__(self, link: PreviewLink, port: int = 0) -> None:
        """Bind; nothing is answered yet.

        Args:
            link: leads to the preview.
            port: 0 takes a free one.

        Raises:
            InputError: the port is taken.
        """
        self.link, self.token = link, secrets.token_urlsafe(24)
        self._slots = threading.BoundedSemaphore(MOST)
        try:
            super().__init__((_LOOPBACK, port), _ViewRequest)
        except OSError as error:
            hint = "leave --port out: a free one is taken"
            raise InputError(f"port {port} cannot be opened: {error.strerror}", hint=hint) from None

    @property
    def url(self) -> str:
        """For a browser: the token is in it."""
        return f"http://{_LOOPBACK}:{self.server_port}/?token={self.token}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """On a thread of its own, where one is left."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """See `process_request`."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is none."""


class _ViewRequest(BaseHTTPRequestHandler):
    """One request: checked, sent on, and the answer copied as it comes."""

    server: LoopbackView
    timeout = ASK_S

    def do_GET(self) -> None:
        """Called by http.server."""
        address = urlsplit(self.path)
        with contextlib.suppress(ValueError):
            shown = parse_qs(address.query, max_num_fields=8).get("token", [""])[0]
            if hmac.compare_digest(shown.encode(), self.server.token.encode()):
                self._pass_on(address.path)
                return
        self._say(HTTPStatus.FORBIDDEN, "the address lacks its token: take the one that edgekit view shows")

    def _pass_on(self, path: str) -> None:
        try:
            stream = self.server.link.ask(path)
        except (EdgekitError, UnicodeError) as error:
            self._say(HTTPStatus.BAD_GATEWAY, str(error))
            return
        self.connection.settimeout(TAKE_S)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while piece := stream.receive(_PIECE_BYTES):
                self.connection.sendall(piece)
        except (EdgekitError, OSError):
            pass  # the page says that nothing comes any more, and asks again
        finally:
            stream.close()

    def _say(self, status: HTTPStatus, text: str) -> None:
        data = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests hold the token."""
