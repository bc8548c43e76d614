"""Does what the keeper orders."""

from __future__ import annotations

from collections.abc import Callable

from edgekit.device.runtime.pressure.desk import PressureDesk
from edgekit.device.runtime.python_memory import PythonWatch
from edgekit.schema.order import Order
from edgekit.schema.trace import TraceQuestion


class OrderDesk:
    """Does what is ordered, on the thread that reads it."""

    def __init__(self, python: PythonWatch, pressure: PressureDesk, record: Callable[[TraceQuestion], None]) -> None:
        self._python, self._pressure, self._record = python, pressure, record

    def obey(self, order: Order) -> None:
        """One order."""
        if order.memory is not None:
            self._pressure.see(order.memory)
        if order.python is not None:
            self._python.ask(order.python)
        if order.trace is not None:
            self._record(order.trace)
