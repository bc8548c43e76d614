"""The keeper speaks to a worker that reads, to one that does not, and to one that has gone, and waits for none."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from edgekit.device.keeper.process.worker_line import WorkerLine
from edgekit.device.runtime.orders import OrderReader
from edgekit.schema.order import Order, PythonQuestion


def order(number: int) -> Order:
    return Order(python=PythonQuestion(number=number, seconds=1.0, sites=1))


@pytest.fixture
def ends() -> Iterator[tuple[WorkerLine, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield WorkerLine(ours), theirs


def test_what_is_said_arrives(ends: tuple[WorkerLine, socket.socket]) -> None:
    line, worker = ends
    assert line.tell(order(1)) and line.tell(order(2))
    assert OrderReader().feed(worker.recv(4096)) == [order(1), order(2)]


def test_a_worker_that_reads_nothing_costs_one_line_and_hears_whole_ones_later(
    ends: tuple[WorkerLine, socket.socket],
) -> None:
    line, worker = ends
    said = [number for number in range(100_000) if line.tell(order(number))]
    assert len(said) < 100_000, "it has to end somewhere"
    assert len(line._unsent) < 200
    reader, heard = OrderReader(), list[Order]()
    while True:
        try:
            heard += reader.feed(worker.recv(1 << 16))
        except BlockingIOError:
            if line.tell(order(7)):
                continue
            break
        if heard and heard[-1] == order(7):
            break
    assert heard[:-1] == [order(number) for number in said]


def test_a_worker_that_has_gone_is_told_nothing(ends: tuple[WorkerLine, socket.socket]) -> None:
    line, worker = ends
    worker.close()
    line.tell(order(1))
    assert not line.tell(order(2))
    line.close()
    assert not line.tell(order(3))
