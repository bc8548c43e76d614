"""What the keeper says is read whole, in pieces, and past what nobody understands."""

from __future__ import annotations

import logging

import pytest

from edgekit.device.runtime.figures import PressureFigures
from edgekit.device.runtime.order_desk import OrderDesk
from edgekit.device.runtime.orders import OrderReader
from edgekit.device.runtime.pressure.desk import PressureDesk
from edgekit.device.runtime.python_memory import PythonWatch
from edgekit.schema.message import to_line
from edgekit.schema.order import MAX_ORDER_BYTES, MemoryReading, Order, PythonQuestion
from edgekit.schema.trace import TraceQuestion

ASK = Order(python=PythonQuestion(number=3, seconds=1.0, sites=5))
TRACE = Order(trace=TraceQuestion(number=4, seconds=2.0))
READING = Order(memory=MemoryReading(used_bytes=5, begin_bytes=4, end_bytes=3, limit_bytes=6, stalled=True))


def test_lines_come_whole_however_they_are_cut() -> None:
    reader, raw = OrderReader(), to_line(ASK) + to_line(READING)
    assert [order for byte in raw for order in reader.feed(bytes([byte]))] == [ASK, READING]
    assert OrderReader().feed(raw) == [ASK, READING]


def test_what_is_no_order_is_passed_over_and_the_next_one_counts(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = OrderReader().feed(b"no json\n" + b'{"python": {"number": -1}}\n' + b'{"newer": 1}\n' + to_line(ASK))
    assert found == [Order(), ASK], "an order of a newer keeper asks for nothing that this worker could do"
    assert len(caplog.records) == 2


def test_a_line_without_end_takes_no_memory_and_nothing_of_it_counts() -> None:
    reader = OrderReader()
    for _ in range(50):
        assert reader.feed(b"x" * MAX_ORDER_BYTES) == []
        assert len(reader._unread) <= MAX_ORDER_BYTES
    assert reader.feed(to_line(ASK)) == [], "it is the end of the long line"
    assert reader.feed(to_line(ASK)) == [ASK]


def test_a_whole_line_that_is_too_long_is_no_order() -> None:
    padded = to_line(ASK).rstrip(b"\n") + b" " * MAX_ORDER_BYTES + b"\n"
    assert OrderReader().feed(padded + to_line(READING)) == [READING]


def test_each_order_goes_to_who_does_it() -> None:
    recorded: list[TraceQuestion] = []
    desk = OrderDesk(PythonWatch(), PressureDesk((), lambda *_: None, PressureFigures()), recorded.append)
    for order in OrderReader().feed(to_line(TRACE)):
        desk.obey(order)
    assert recorded == [TraceQuestion(number=4, seconds=2.0)]
