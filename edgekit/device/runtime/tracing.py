"""Records what a pipeline does for some seconds when its keeper asks, and writes the record into the work folder."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.reporter import Make
from edgekit.device.runtime.schedule.accelerator import SharedAccelerator
from edgekit.device.runtime.schedule.pinning import give_way
from edgekit.device.runtime.schedule.recorder import Recorder
from edgekit.device.runtime.schedule.replay import traced_lane
from edgekit.schema.report import Phase, Report
from edgekit.schema.trace import MAX_NUMBERS_BYTES, TRACE_FILE, TraceHeader, TraceQuestion, TraceReport, pack_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What is recorded, and where that goes."""

    application: str
    pipeline: Pipeline
    accelerators: tuple[SharedAccelerator, ...] = ()
    """Those that engines share."""
    work: Path
    """The worker's folder: the record is `schema.trace.TRACE_FILE` in it, and each takes the place of the last."""


class Tracing:
    """One record at a time, on a thread of its own. The keeper's questions come from one thread; any may look."""

    def __init__(
        self,
        traced: Traced,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        most_bytes: int = MAX_NUMBERS_BYTES,
    ) -> None:
        self._traced = traced
        self._clock, self._wall_clock = clock, wall_clock
        self._most_bytes = most_bytes
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.report: TraceReport | None = None
        """How the last record is doing; None: nobody has asked for one."""

    def ask(self, question: TraceQuestion) -> None:
        """Begin a record, unless one is being made: whoever asks has to see by its number that this one was not."""
        if self._thread is not None and self._thread.is_alive():
            return
        self.report = TraceReport(number=question.number, state="recording")
        self._thread = threading.Thread(target=self._record, args=(question,), name="trace", daemon=True)
        self._thread.start()

    def telling(self, make: Make) -> Make:
        """Reports as `make` makes them, with how the last record is doing."""

        def told(phase: Phase, message: str, uptime_s: float) -> Report:
            return replace(make(phase, message, uptime_s), trace=self.report)

        return told

    def stop(self) -> None:
        """End what is being recorded; what there is of it is written."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _record(self, question: TraceQuestion) -> None:
        give_way()  # it was started by a thread that may be pinned, and the rest is for nobody's deadline
        try:
            content = self._recorded(question.seconds)
            self._write(content)
        except Exception as error:  # a record that cannot be made is no reason for a worker to end
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.report = TraceReport(number=question.number, state="failed", message=f"{reason}"[:300])
            return
        self.report = TraceReport(number=question.number, state="written", bytes=len(content))

    def _recorded(self, seconds: float) -> bytes:
        pipeline, recorder = self._traced.pipeline, Recorder(self._most_bytes)
        began_s, began_wall_s = self._clock(), self._wall_clock()
        try:
            lanes = [traced_lane(lane.scheduler, lane.queues.record(recorder)) for lane in pipeline.lanes]
            lanes += [traced_lane(one.scheduler, one.record(recorder)) for one in self._traced.accelerators]
            for worker in pipeline.workers:
                worker.figures.recorder = recorder
            for name, runner in self._traced.pipeline.runners.items():
                runner.watch(partial(recorder.slot, name))
            until_s = began_s + seconds
            while (
                not recorder.full
                and (left_s := until_s - self._clock()) > 0
                and not self._stopped.wait(min(left_s, 0.2))
            ):
                pass
        finally:
            self._let_go()
        header = TraceHeader(
            application=self._traced.application,
            began_s=began_s,
            began_wall_s=began_wall_s,
            seconds=max(0.0, self._clock() - began_s),
            pid=os.getpid(),
            full=recorder.full,
            names=recorder.names,
            lanes=tuple(lanes),
            threads={worker.name: worker.thread.tid for worker in pipeline.workers},
        )
        return pack_record(header, recorder.numbers)

    def _let_go(self) -> None:
        for lane in self._traced.pipeline.lanes:
            lane.queues.record(None)
        for accelerator in self._traced.accelerators:
            accelerator.record(None)
        for worker in self._traced.pipeline.workers:
            worker.figures.recorder = None
        for runner in self._traced.pipeline.runners.values():
            runner.watch(None)

    def _write(self, content: bytes) -> None:
        """Aside first: whoever reads sees all of it, or the one before."""
        file = self._traced.work / TRACE_FILE
        aside = file.with_name(f".{TRACE_FILE}")
        with suppress(FileNotFoundError):
            aside.unlink()
        try:
            aside.write_bytes(content)
            aside.replace(file)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
