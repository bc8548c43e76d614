"""What one client asks of memory: where an application's is, and where its Python code allocates."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.process.life import WorkerProcess
from edgekit.device.keeper.process.memory_files import accelerator_memories, group_memory, process_memories
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.errors import InputError, Unreachable
from edgekit.schema.control import Event, Request
from edgekit.schema.memory import MOST_SITES, MemoryAnswer
from edgekit.schema.message import to_message_data
from edgekit.schema.order import Order, PythonQuestion

_LEAST_S, _MOST_S = 0.1, 300.0
_LATE_S = 30.0
"""An answer may come so much later: a report comes each second, of a worker that is busy less often."""
_LOOK_S = 0.1
_NUMBERS = itertools.count(1)


class MemoryVerb:
    """Of one connection."""

    def __init__(
        self,
        keeper: Keeper,
        choose: Callable[[Request], str],
        gone: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """Answer for one client.

        Args:
            keeper: knows the workers.
            choose: gives the application that a request is about.
            gone: whether nobody waits for the answer any more.
            clock: monotonic seconds.
            wait: lets so many seconds pass.
        """
        self._keeper, self._choose, self._gone = keeper, choose, gone
        self._clock, self._wait = clock, wait

    def memory(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """Answer `memory`."""
        application = self._choose(request)
        found = self._keeper.application(application)
        process = found.supervisor.process if found else None
        if found is None or process is None:
            yield Event(kind="done", data=to_message_data(MemoryAnswer(application=application, pid=0)))
            return
        if request.sites:
            yield Event(kind="progress", message=f"watching what {application} allocates for {request.seconds:g} s")
            self._ask_python(found.supervisor, process, request)
        yield Event(kind="done", data=to_message_data(_answer(process)))

    def _ask_python(self, supervisor: Supervisor, process: WorkerProcess, request: Request) -> None:
        """Have Python's allocations watched, and wait for the report that tells them.

        Raises:
            InputError: for too long, or too many.
            Unreachable: the worker does not answer, or has ended.
        """
        if not (_LEAST_S <= request.seconds <= _MOST_S and 1 <= request.sites <= MOST_SITES):
            hint = f"ask for {_LEAST_S:g} to {_MOST_S:g} s and 1 to {MOST_SITES} lines"
            raise InputError("Python's allocations cannot be watched so", hint=hint)
        number = next(_NUMBERS)
        question = PythonQuestion(number=number, seconds=request.seconds, sites=request.sites)
        until_s = self._clock() + request.seconds + _LATE_S
        told = process.line.tell(Order(python=question))
        while self._clock() < until_s and supervisor.process is process and not self._gone():
            told = told or process.line.tell(Order(python=question))
            memory = process.report.memory if process.report else None
            if memory is not None and memory.python is not None and memory.python.number == number:
                return
            self._wait(_LOOK_S)
        raise Unreachable(
            f"the worker of {process.application} does not say what its Python code allocates",
            hint="it starts, has ended, or is of an older edgekit: edgekit status shows it; then ask again",
        )


def _answer(process: WorkerProcess) -> MemoryAnswer:
    limits, report, leaf = process.release.plan.limits, process.report, process.leaf
    pids = leaf.pids() if leaf else (process.pid,)
    return MemoryAnswer(
        application=process.application,
        pid=process.pid,
        limits="enforced" if leaf else "advisory",
        max_bytes=limits.memory_max,
        high_bytes=limits.memory_high,
        group=group_memory(leaf.path) if leaf else None,
        processes=process_memories(process.proc, pids),
        growth=process.memory_life.growth(),
        accelerators=accelerator_memories(process.proc, pids),
        worker=report.memory if report else None,
        sinks={sink.name: sum(sink.held_bytes.values()) for sink in report.sinks} if report else {},
    )
