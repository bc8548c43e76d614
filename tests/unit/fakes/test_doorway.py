"""A port that leads somewhere, elsewhere, and nowhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from tests.fakes.doorway import doorway
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.ports import free_port


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that says back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=answer, args=(client,), daemon=True).start()

        def answer(client: socket.socket) -> None:
            with client, suppress(OSError):
                while data := client.recv(100):
                    client.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def visit(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def is_cut(client: socket.socket) -> bool:
    try:
        return client.recv(100) == b""
    except ConnectionResetError:
        return True


def test_it_passes_on_what_both_say_until_somebody_else_is_behind_it(echo: int) -> None:
    with doorway(echo) as door:
        with closing(visit(door.port)) as client:
            for word in (b"one", b"two" * 30):
                client.sendall(word)
                assert client.recv(100) == word
            door.lead_to(b"SSH-2.0")
            assert is_cut(client)
        with closing(visit(door.port)) as client:
            assert client.recv(100) == b"SSH-2.0"
            door.lead_to(echo)
            assert is_cut(client)
        with closing(visit(door.port)) as client:
            client.sendall(b"again")
            assert client.recv(100) == b"again"


def test_nobody_behind_it_listens_and_says_nothing() -> None:
    with doorway(b"") as door, closing(visit(door.port)) as client:
        client.settimeout(0.2)
        client.sendall(b"hello?")
        with pytest.raises(TimeoutError):
            client.recv(100)


def test_a_server_that_is_gone_cuts_off_who_comes() -> None:
    with doorway(free_port()) as door, closing(visit(door.port)) as client:
        assert is_cut(client)
