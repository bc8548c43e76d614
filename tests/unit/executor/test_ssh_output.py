"""When a program's output is whole: sshd may tell of its end before it sends what the program wrote last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from edgekit.executor import ssh
from edgekit.executor.capture import Bounded

LATE = TimeoutError()


class Slow:
    """A channel on which these happen in turn; its program has ended when the first wait is over."""

    def __init__(self, *happens: bytes | TimeoutError) -> None:
        self._happens: Iterator[bytes | TimeoutError] = iter(happens)

    def settimeout(self, seconds: float) -> None:
        assert seconds >= 0

    def exit_status_ready(self) -> bool:
        return True

    def recv(self, _limit: int) -> bytes:
        found = next(self._happens)
        if isinstance(found, TimeoutError):
            raise found
        return found


@pytest.mark.parametrize(
    ("happens", "output"),
    [
        ((LATE, b"the answer", b""), b"the answer"),
        ((b"the ", LATE, b"answer", LATE, b"is lost"), b"the answer"),
        ((LATE, LATE, b"a daemon that was left behind"), b""),
    ],
    ids=["told late", "held open", "silent"],
)
def test_output_is_awaited_from_when_the_end_is_known(happens: tuple[Any, ...], output: bytes) -> None:
    """A program took about as long as output is awaited: its end came within that time, its answer just after."""
    into = Bounded()
    ssh._drain(cast(Any, Slow(*happens)), into, time.monotonic() + 60)
    assert into.content() == output
