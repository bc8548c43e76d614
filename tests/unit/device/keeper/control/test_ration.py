"""What clients send at once is bounded: who comes last waits, and is told when that takes too long."""

from __future__ import annotations

import threading

import pytest

from edgekit.device.keeper.control.ration import Ration
from edgekit.device.keeper.control.wire import held_bytes
from edgekit.errors import LockHeld
from edgekit.schema.control import Request
from edgekit.schema.control_bounds import MAX_CHUNK_BYTES, MAX_PAYLOAD_BYTES
from tests.fakes.eventually import PATIENCE_S


def test_what_fits_goes_on_at_once_and_the_rest_is_told_to_come_again() -> None:
    ration = Ration(10, wait_s=0.01)
    with (
        ration.share(6),
        ration.share(4),
        ration.share(0),
        pytest.raises(LockHeld, match="other clients are sending as much as the keeper holds at once"),
        ration.share(1),
    ):
        pass
    with ration.share(11):
        pass


def test_who_waits_goes_on_when_others_are_done() -> None:
    ration = Ration(10, wait_s=PATIENCE_S)
    done = threading.Event()

    def wait() -> None:
        with ration.share(10):
            done.set()

    with ration.share(1):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not done.wait(0.05)
    assert done.wait(PATIENCE_S)
    thread.join()


def test_a_request_counts_for_what_it_may_grow_to() -> None:
    assert held_bytes(Request(verb="status")) == 0
    assert held_bytes(Request(verb="chunk", payload_bytes=10)) == 20
    assert held_bytes(Request(verb="chunk", payload_bytes=10, encoding="zlib")) == 20 + MAX_CHUNK_BYTES
    assert held_bytes(Request(verb="offer", payload_bytes=10, size_bytes=1000)) == 2020
    assert held_bytes(Request(verb="offer", payload_bytes=10, size_bytes=-5)) == 20
    assert held_bytes(Request(verb="offer", payload_bytes=10, size_bytes=10**30)) < 3 * MAX_PAYLOAD_BYTES
