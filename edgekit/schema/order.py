"""What a keeper tells its worker, as JSON lines on the socket that reports come on, the other way.

A worker may take as long as it likes to read: the keeper waits for none, keeps one line at most that did not go out,
and says what still holds again. One that does not know an order ignores it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgekit.schema.bounds import Between
from edgekit.schema.memory import MOST_SITES, ByteCount, Count, Seconds
from edgekit.schema.message import Message
from edgekit.schema.trace import TraceQuestion

MAX_ORDER_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonQuestion:
    """Where does Python code allocate? Watched from now on, and told in the first report after `seconds`."""

    number: Count
    """Stands in the answer: `schema.memory.PythonMemory`."""
    seconds: Annotated[float, Between(0.1, 300)]
    sites: Annotated[int, Between(1, MOST_SITES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryReading:
    """What the worker's cgroup uses, as its keeper sees it from outside."""

    used_bytes: ByteCount
    """Without what the kernel can take back at once."""
    begin_bytes: ByteCount
    """From here on it is tight."""
    end_bytes: ByteCount
    """Below this it is no more."""
    limit_bytes: ByteCount
    """Where the kernel steps in."""
    read_s: Seconds = 0.0
    """When: CLOCK_MONOTONIC, which all processes of a board share; 0: nobody says."""
    stalled: bool = False
    """Whether some of the worker had to wait for memory just now, whatever it uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Message):
    """One line."""

    memory: MemoryReading | None = None
    python: PythonQuestion | None = None
    trace: TraceQuestion | None = None
