"""A deadline is for the whole exchange, also where the name's server does not answer."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from edgekit.device.runtime.sinks.http_link import HttpLink, Outcome
from edgekit.device.runtime.sinks.name_lookup import NameLookup
from tests.fakes.eventually import eventually
from tests.fakes.web_server import web_server


def outcome_of(link: HttpLink, body: bytes = b"{}") -> Outcome:
    found: list[Outcome] = []
    link.post(body, "key")

    def arrived() -> bool:
        outcome = link.take_outcome()
        found.extend([outcome] if outcome else [])
        return bool(found)

    eventually(arrived)
    return found[0]


def test_a_lookup_that_hangs_is_given_up_and_there_is_only_one() -> None:
    free, asked = threading.Event(), []

    def find(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        free.wait()
        return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)

    with web_server() as server:
        port = int(server.url.split(":")[2].split("/")[0])
        link = HttpLink(f"http://camera.example:{port}/", {}, None, 0.2, lambda: None)
        link.lookup = NameLookup("camera.example", port, find)
        link.start("link")
        try:
            for _ in range(3):
                assert "in time" in outcome_of(link).problem
            assert asked == ["camera.example"], "the one that hangs is waited for again"
            free.set()
            eventually(lambda: outcome_of(link).status)
        finally:
            link.close()


def test_a_name_that_nobody_has_is_told() -> None:
    def find(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(socket.gaierror):
        NameLookup("nowhere.example", 80, find).connect(10.0)


def test_a_lookup_that_failed_after_it_was_given_up_is_made_anew() -> None:
    free, asked = threading.Event(), []

    def find(*_: Any, **__: Any) -> list[Any]:
        asked.append(1)
        free.wait()
        if len(asked) == 1:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return addresses

    with socket.create_server(("127.0.0.1", 0)) as server:
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", server.getsockname())]
        lookup = NameLookup("camera.example", 80, find)
        with pytest.raises(TimeoutError):
            lookup.connect(0.01)
        free.set()
        pending = lookup._pending
        assert pending is not None
        eventually(pending.done.is_set)
        lookup.connect(60.0).close()


def test_the_next_address_is_tried_and_a_list_without_any_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens there
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", one.getsockname()) for one in (closed, server)]
        line = NameLookup("a", 80, lambda *_, **__: addresses).connect(30.0)
        assert line.getpeername() == server.getsockname()
        line.close()
    with pytest.raises(TimeoutError):
        NameLookup("a", 80, lambda *_, **__: []).connect(30.0)
