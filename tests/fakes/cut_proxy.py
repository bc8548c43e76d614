"""A TCP proxy on loopback that counts what passes, and cuts the connection when so much has."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PIECE_BYTES = 1 << 14


class CutProxy:
    """Forwards connections to a port. Set `cut_every` to have each cut after so many bytes towards that port."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.bytes_per_s = 0
        """Towards the port; 0: as fast as it goes."""
        self.cut_every = 0
        self.cuts_left = 0
        self.sent_bytes = 0
        """Towards the port."""
        self.received_bytes = 0

    def run(self) -> None:
        """Serve until closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            threading.Thread(target=self._there, args=(client, server), daemon=True).start()
            threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _there(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := client.recv(_PIECE_BYTES):
                server.sendall(data)
                passed += len(data)
                if self.bytes_per_s:
                    time.sleep(len(data) / self.bytes_per_s)  # no burst for what a login had left over
                self.sent_bytes += len(data)
                if self.cuts_left and passed >= self.cut_every:
                    self.cuts_left -= 1
                    break
        _hang_up(client, server)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_PIECE_BYTES):
                client.sendall(data)
                self.received_bytes += len(data)
        _hang_up(client, server)


def _hang_up(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def cut_proxy(port: int) -> Iterator[CutProxy]:
    """A proxy for as long as the block runs."""
    proxy = CutProxy(port)
    threading.Thread(target=proxy.run, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
