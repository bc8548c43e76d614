from __future__ import annotations

import socket

import pytest

from tests.fakes.ports import free_port


def test_a_server_listens_on_it_again_and_again_and_nobody_before() -> None:
    port = free_port()
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=60)
        with socket.create_server(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port), timeout=60):
            pass


def test_nobody_else_gets_it() -> None:
    port, others = free_port(), [socket.socket() for _ in range(500)]
    with socket.create_server(("127.0.0.1", 0)) as server:
        for other in others:
            other.bind(("127.0.0.1", 0))
        assert port not in {server.getsockname()[1], *(other.getsockname()[1] for other in others)}
    for other in others:
        other.close()
    strict = socket.socket()  # as the kernel sees it, it is taken
    with strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))
