"""Where Python code allocates: switched on when somebody asks, and off again by itself.

`tracemalloc` sees what is allocated from the moment on that it is switched on, so what it names is what grows, or is
made anew again and again; what lay there before is not in it. It costs each allocation some time while it is on.
"""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable

from edgekit.schema.memory import MOST_CALLERS, PythonMemory, PythonSite
from edgekit.schema.order import PythonQuestion

MOST_TRACE_BYTES = 32 << 20
"""What the notes about allocations may take themselves; they end sooner then."""
_LOOK_S = 0.25
_MOST_PATH = 300


class PythonWatch:
    """Answers one question at a time. Its thread is there only meanwhile."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] = time.sleep,
        most_trace_bytes: int = MOST_TRACE_BYTES,
    ) -> None:
        """Watch nothing yet.

        Args:
            clock: monotonic seconds.
            wait: lets so many seconds pass.
            most_trace_bytes: what the notes may take.
        """
        self._clock, self._wait, self._most = clock, wait, most_trace_bytes
        self._thread: threading.Thread | None = None
        self.answer: PythonMemory | None = None
        """To the last question that is through."""

    def ask(self, question: PythonQuestion) -> None:
        """Begin with a question; refused in words while another one is on its way."""
        if self._thread is not None and self._thread.is_alive():
            trouble = "another question is on its way: ask again when it is answered"
            self.answer = PythonMemory(number=question.number, seconds=0.0, trouble=trouble)
            return
        self._thread = threading.Thread(target=self._watch, args=(question,), name="memory/python", daemon=True)
        self._thread.start()

    def _watch(self, question: PythonQuestion) -> None:
        if tracemalloc.is_tracing():
            trouble = "the application traces its allocations itself: edgekit leaves that alone"
            self.answer = PythonMemory(number=question.number, seconds=0.0, trouble=trouble)
            return
        began_s, trouble = self._clock(), ""
        tracemalloc.start(1 + MOST_CALLERS)
        try:
            while (left_s := began_s + question.seconds - self._clock()) > 0:
                self._wait(min(_LOOK_S, left_s))
                if tracemalloc.get_tracemalloc_memory() > self._most:
                    trouble = f"stopped early: the notes took more than {self._most >> 20} MiB"
                    break
            sites, total = _largest(tracemalloc.take_snapshot(), question.sites)
        finally:
            tracemalloc.stop()
        self.answer = PythonMemory(
            number=question.number,
            seconds=round(self._clock() - began_s, 3),
            bytes=total,
            sites=sites,
            trouble=trouble,
        )


def _largest(snapshot: tracemalloc.Snapshot, most: int) -> tuple[tuple[PythonSite, ...], int]:
    """The sites with most memory, and the sum of all; what notes it is left out."""
    kept = snapshot.filter_traces([tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)])
    found = kept.statistics("traceback")
    sites = tuple(
        PythonSite(
            file=one.traceback[-1].filename[-_MOST_PATH:],
            line=one.traceback[-1].lineno,
            bytes=one.size,
            blocks=one.count,
            callers=tuple(f"{frame.filename}:{frame.lineno}"[-_MOST_PATH:] for frame in list(one.traceback)[-2::-1]),
        )
        for one in found[:most]
    )
    return sites, sum(one.size for one in found)
