"""What one client asks of scheduling: a record of it, which the worker makes and writes into its folder."""

from __future__ import annotations

import base64
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.process.life import WorkerProcess
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.worker_files import FILE, FOLDER, opened, plain_size
from edgekit.errors import EdgekitError, InputError, LockHeld, NothingSelected, Unreachable
from edgekit.schema.control import Event, Request
from edgekit.schema.message import to_message_data
from edgekit.schema.order import Order
from edgekit.schema.trace import LONGEST_S, MAX_RECORD_BYTES, TRACE_FILE, TracePiece, TraceQuestion, TraceReport

_LEAST_S = 0.1
_ANSWER_S = 15.0
"""A worker that knows the question has begun to record by then: it reports each second, if it is busy less often."""
_LATE_S = 30.0
"""A record may come so much later than it should have ended: it is packed behind the lanes' work."""
_LOOK_S = 0.1
_PIECE_BYTES = 1 << 20
_NUMBERS = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _AskedWorker:
    """A worker that was asked for a record."""

    supervisor: Supervisor
    process: WorkerProcess
    question: TraceQuestion


class TraceVerb:
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
            keeper: knows the workers, and where they write.
            choose: gives the application that a request is about.
            gone: whether nobody waits for the answer any more.
            clock: monotonic seconds.
            wait: lets so many seconds pass.
        """
        self._keeper, self._choose, self._gone = keeper, choose, gone
        self._clock, self._wait = clock, wait

    def trace(self, request: Request, _payload: bytearray) -> Iterator[Event]:
        """Answer `trace`."""
        application = self._choose(request)
        if not _LEAST_S <= request.seconds <= LONGEST_S:
            hint = f"ask for {_LEAST_S:g} to {LONGEST_S:g} s"
            raise InputError(f"{request.seconds:g} s of an application cannot be recorded", hint=hint)
        found = self._keeper.application(application)
        process = found.supervisor.process if found else None
        if found is None or process is None or process.report is None or process.report.phase != "running":
            raise NothingSelected(f"{application} does not run, or not yet", hint="edgekit status says why")
        question = TraceQuestion(number=next(_NUMBERS), seconds=request.seconds)
        asked = _AskedWorker(supervisor=found.supervisor, process=process, question=question)
        yield Event(kind="progress", message=f"recording {application} for {request.seconds:g} s")
        if not self._wait_for_record(asked):
            return
        sent = 0
        for piece in _pieces(self._keeper.folders.work(application)):
            sent += len(piece)
            data = to_message_data(TracePiece(offset=sent - len(piece), data=base64.b64encode(piece).decode()))
            yield Event(kind="progress", data=data)
        yield Event(kind="done", data={"application": application, "bytes": sent})

    def _wait_for_record(self, asked: _AskedWorker) -> bool:
        """Whether the record is written; false where nobody waits for it any more.

        Raises:
            LockHeld: the worker is making another one.
            Unreachable: it does not answer, has ended, or could not write it.
        """
        began_s, order = self._clock(), Order(trace=asked.question)
        told, begun = asked.process.line.tell(order), False
        while asked.supervisor.process is asked.process and not self._gone():
            passed_s = self._clock() - began_s
            if passed_s > (asked.question.seconds + _LATE_S if begun else _ANSWER_S):
                break
            told = told or asked.process.line.tell(order)
            report = asked.process.report.trace if asked.process.report else None
            if report is not None and report.number == asked.question.number:
                begun = True
                if report.state != "recording":
                    return _is_written(asked.process.application, report)
            elif report is not None and report.state == "recording":
                raise LockHeld(
                    f"somebody records {asked.process.application} already", hint="try again when that is over"
                )
            self._wait(_LOOK_S)
        if self._gone():
            return False
        raise _silent(asked, begun=begun)


def _is_written(application: str, report: TraceReport) -> bool:
    if report.state == "written":
        return True
    raise Unreachable(
        f"the worker of {application} could not write its record: {report.message or report.state}",
        hint="edgekit status shows how full the disk is",
    )


def _silent(asked: _AskedWorker, *, begun: bool) -> EdgekitError:
    name = asked.process.application
    if asked.supervisor.process is not asked.process:
        return Unreachable(f"the worker of {name} ended before its record did", hint="edgekit logs says why")
    if begun:
        return Unreachable(f"the worker of {name} does not finish its record", hint="edgekit logs says more")
    return Unreachable(
        f"the worker of {name} does not answer: its release was built by an edgekit that records nothing",
        hint="build and deploy the release again",
    )


def _pieces(work: Path) -> Iterator[bytes]:
    """The record in a worker's folder. Raises Unreachable where there is none, or one that is too large."""
    try:
        with opened(os.fspath(work), FOLDER) as folder, opened(TRACE_FILE, FILE, folder) as file:
            size = plain_size(os.fstat(file))
            if size is None or size > MAX_RECORD_BYTES:
                raise Unreachable("what the worker wrote is no record", hint="edgekit logs says more")
            offset = 0
            while offset < size and (piece := os.pread(file, min(_PIECE_BYTES, size - offset), offset)):
                offset += len(piece)
                yield piece
    except OSError as error:
        message = f"the worker's record cannot be read: {error.strerror}"
        raise Unreachable(message, hint="record it again") from None
