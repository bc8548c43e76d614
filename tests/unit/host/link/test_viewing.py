"""The port on the workstation: who lacks the token gets nothing, and nobody makes it grow or stop."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edgekit.errors import InputError, Unreachable
from edgekit.executor.local import LocalExecutor
from edgekit.host.link import viewing
from edgekit.host.link.preview import PreviewLink
from edgekit.host.link.viewing import LoopbackView
from edgekit.schema.fleet import Device
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.previews import FakePreview

DEVICE = Device(name="gate-7", address="root@gate-7")


@pytest.fixture
def preview() -> FakePreview:
    return FakePreview()


@pytest.fixture
def view(preview: FakePreview) -> Iterator[LoopbackView]:
    with LoopbackView(PreviewLink(DEVICE, preview, "sorter")) as view:
        thread = threading.Thread(target=view.serve_forever, args=(0.02,))
        thread.start()
        yield view
        view.shutdown()
        thread.join()


def ask(view: LoopbackView, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", view.server_port, timeout=PATIENCE_S)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_only_the_token_leads_on_and_it_stays_here(view: LoopbackView, preview: FakePreview) -> None:
    assert ask(view, f"/?token={view.token}") == (200, b"hello")
    assert ask(view, f"/picture/gate?x=1&token={view.token}") == (200, b"hello")
    for path in ("/", "/?token=", "/?token=x", f"/{view.token}", f"/?Token={view.token}", f"/?token={view.token}x",
                 "/?" + "a=1&" * 20 + f"token={view.token}", f"/?token=%ff&token={view.token}"):  # fmt: skip
        assert ask(view, path)[0] == 403, path
    for method in ("POST", "HEAD", "PUT"):
        assert ask(view, f"/?token={view.token}", method)[0] == 501
    assert preview.asked == ["GET / HTTP/1.1", "GET /picture/gate HTTP/1.1"]
    assert preview.closed == 2


def test_each_run_has_a_token_of_its_own_and_a_port_of_loopback_alone(view: LoopbackView, preview: FakePreview) -> None:
    with LoopbackView(PreviewLink(DEVICE, preview, "sorter")) as other:
        assert other.token != view.token and len(other.token) >= 32
        assert other.server_address[0] == "127.0.0.1"
        with pytest.raises(InputError, match="cannot be opened") as caught:
            LoopbackView(PreviewLink(DEVICE, preview, "sorter"), other.server_port)
        assert "leave --port out" in caught.value.hint


def test_a_device_that_does_not_answer_is_said_to_the_page(view: LoopbackView, preview: FakePreview) -> None:
    preview.error = Unreachable("the connection to gate-7 broke", hint="look at the link")
    assert ask(view, f"/live?token={view.token}") == (502, b"the connection to gate-7 broke\n")


def test_slow_and_hoarded_connections_leave_room(
    view: LoopbackView, preview: FakePreview, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewing._ViewRequest, "timeout", 0.5)
    hoard = [socket.create_connection(("127.0.0.1", view.server_port)) for _ in range(60)]
    before = threading.active_count()
    assert before < 60, "a thread for each of them"
    for one in hoard[:5]:
        one.sendall(b"GET / HTTP/1.1\r\nx: ")
    eventually(lambda: works(view))
    for one in hoard:
        one.close()
    garbage = socket.create_connection(("127.0.0.1", view.server_port))
    garbage.sendall(b"\x16\x03\x01" + b"\xff" * 100_000 + b"\r\n\r\n")
    garbage.close()
    eventually(lambda: works(view))


def works(view: LoopbackView) -> bool:
    try:
        return ask(view, f"/?token={view.token}") == (200, b"hello")
    except (OSError, http.client.HTTPException):
        time.sleep(0.02)
        return False


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 503 x\r\n\r\n2 look already\n", "gives no picture: 2 look already"),
        (b"HTTP/1.1 200 OK\r\n\r\nnothing", "no JPEG came"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n\xff\xd8\xff", "cannot be read"),
        (b"\x00\x01 garbage", "cannot be read"),
        (b"", "cannot be read"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (9 << 20), "no JPEG came"),
    ],
    ids=["busy", "text", "short", "garbage", "nothing", "endless"],
)
def test_a_picture_that_is_none(preview: FakePreview, answer: bytes, message: str) -> None:
    preview.answer = answer
    with pytest.raises(Unreachable, match=message):
        PreviewLink(DEVICE, preview, "sorter").picture("gate")
    assert preview.closed == 1


def test_a_preview_that_nobody_serves(preview: FakePreview) -> None:
    preview.says = "the preview of sorter does not answer on /run/edgekit/preview/sorter.sock: Connection refused"
    with pytest.raises(Unreachable, match="the preview of sorter on gate-7 does not answer") as caught:
        PreviewLink(DEVICE, preview, "sorter").picture("gate")
    assert "Connection refused" in caught.value.details and caught.value.hint.startswith("edgekit logs")


def test_what_has_come_is_received_without_waiting_for_more() -> None:
    stream = LocalExecutor().open(["sh", "-c", "printf abc; read line; printf d"])
    stream.settimeout(20)
    assert stream.receive(2) + stream.receive(5) == b"abc"
    stream.write(b"\n")
    assert stream.receive(5) == b"d" and stream.receive(5) == b"" and stream.receive(5) == b""
    stream.close()
