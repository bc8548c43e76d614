"""Posts one body after the other to a web server, on a thread of its own, each within a deadline.

A socket's timeout is for one read: a server that sends a byte now and then would never be given up. So a timer closes
the connection where a whole exchange takes too long.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgekit.device.runtime.schedule.pinning import name_thread
from edgekit.device.runtime.sinks.name_lookup import NameLookup
from edgekit.device.runtime.sinks.network_words import network_words

_MOST_ANSWER_BYTES = 1 << 16
_MOST_RETRY_AFTER_S = 3600.0
_CLOSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an exchange ended."""

    status: int = 0
    """What the server answered; 0 where it did not."""
    problem: str = ""
    """Why there was no answer."""
    retry_after_s: float = 0.0
    """How long the server asks to be left alone."""


class HttpLink:
    """One server. `post` and `take_outcome` are one thread's; the connection is kept open between two requests."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        ca_file: Path | None,
        timeout_s: float,
        on_change: Callable[[], None],
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: where everything goes.
            headers: of each request.
            ca_file: who signs the server's certificate; None: whom this machine trusts.
            timeout_s: how long an exchange may take.
            on_change: called from its thread when an outcome is there.

        Raises:
            OSError: `ca_file` cannot be read, or holds no certificate.
        """
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        self._port, self._path = parts.port, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.lookup = NameLookup(self.host, self._port or (443 if parts.scheme == "https" else 80))
        """How the server is found."""
        self._tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._headers, self._timeout_s, self._on_change = dict(headers), timeout_s, on_change
        self._connection: http.client.HTTPConnection | None = None
        self._work = threading.Event()
        self._closing = False
        self._request: tuple[bytes, str] | None = None
        self._outcome: Outcome | None = None
        self._thread: threading.Thread | None = None

    @property
    def busy(self) -> bool:
        """Whether an exchange is under way, or its outcome was not taken."""
        return self._request is not None or self._outcome is not None

    def start(self, name: str) -> None:
        """Begin, on a thread of this name; it runs where the calling thread may."""
        self._thread = threading.Thread(target=self._run, args=(name,), name=name, daemon=True)
        self._thread.start()

    def post(self, body: bytes, key: str) -> None:
        """Send a body; there must be nothing under way. `key` is the same for the same body."""
        self._request = body, key
        self._work.set()

    def take_outcome(self) -> Outcome | None:
        """How the last exchange ended, once; None while it is under way."""
        outcome, self._outcome = self._outcome, None
        return outcome

    def close(self) -> None:
        """Break off what is under way."""
        self._closing = True
        self._work.set()
        self._break_off()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _run(self, name: str) -> None:
        name_thread(name, threading.get_native_id(), Path("/proc"))
        while not self._closing:
            self._work.wait()
            self._work.clear()
            request = self._request
            if request is not None and not self._closing:
                try:
                    outcome = self._exchange(*request)
                except Exception as error:  # a thread would end by it without a word
                    outcome = Outcome(problem=type(error).__name__)
                self._request, self._outcome = None, outcome
                self._on_change()
        self._drop_connection()

    def _exchange(self, body: bytes, key: str) -> Outcome:
        kept = self._connection is not None
        try:
            return self._once(body, key)
        except (OSError, http.client.HTTPException) as error:
            self._drop_connection()
            gone = isinstance(error, (ConnectionError, http.client.RemoteDisconnected))
            if not (kept and gone) or self._closing:
                return Outcome(problem=_words(error))
        try:  # a connection that was kept had ended meanwhile: that says nothing of the server
            return self._once(body, key)
        except (OSError, http.client.HTTPException) as error:
            self._drop_connection()
            return Outcome(problem=_words(error))

    def _once(self, body: bytes, key: str) -> Outcome:
        """One exchange.

        Raises:
            OSError: there is no connection, or none any more.
            HTTPException: the answer is none.
        """
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._break_off()

        timer = threading.Timer(self._timeout_s, expire)
        timer.daemon = True
        timer.start()
        try:
            self._connect(expired)
            assert self._connection is not None
            headers = {**self._headers, "Content-Type": "application/json", "Idempotency-Key": key}
            self._connection.request("POST", self._path, body, headers)
            answer = self._connection.getresponse()
            answer.read(_MOST_ANSWER_BYTES)
            if expired.is_set():
                raise TimeoutError  # what was cut off may look whole
            if not answer.isclosed():
                self._drop_connection()  # more than anybody reads
            return Outcome(status=answer.status, retry_after_s=_seconds(answer.headers.get("Retry-After", "")))
        except (OSError, http.client.HTTPException):
            if expired.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()

    def _connect(self, expired: threading.Event) -> None:
        """Have a connection that is open: http.client would look its name up without a deadline."""
        if self._connection is not None and self._connection.sock is not None:
            return
        self._connection = self._new_connection()
        if expired.is_set():  # before there was anything to break off
            raise TimeoutError
        if isinstance(self._connection.sock, ssl.SSLSocket):
            self._connection.sock.do_handshake()

    def _new_connection(self) -> http.client.HTTPConnection:
        line = self.lookup.connect(self._timeout_s)
        if self._tls is None:
            made = http.client.HTTPConnection(self.host, self._port)
            made.sock = line
            return made
        made = http.client.HTTPSConnection(self.host, self._port, context=self._tls)
        # Known before its handshake, so that it can be broken off meanwhile.
        made.sock = self._tls.wrap_socket(line, server_hostname=self.host, do_handshake_on_connect=False)
        return made

    def _break_off(self) -> None:
        connection = self._connection
        line = connection.sock if connection is not None else None
        if line is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)

    def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.close()


def _words(error: Exception) -> str:
    if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
        return "its answer is not HTTP"  # never its text: that is the server's
    return network_words(error)


def _seconds(text: str) -> float:
    """Of Retry-After: a number of seconds; a date is left to the usual pauses."""
    return min(float(text), _MOST_RETRY_AFTER_S) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
