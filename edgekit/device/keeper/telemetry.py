"""The board's sensors, as the keeper sees them: read by a child, so that no driver can hold the keeper.

The child is started when somebody looks and ends when nobody does, so sensors cost nothing meanwhile. It is asked by a
byte and answers by a line. One that does not answer is killed; as long as a driver holds it against that, no other one
is started, and the board has no telemetry: at most one process and one thread are ever lost.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.executor.child import Child, Starter
from edgekit.schema.message import from_message
from edgekit.schema.telemetry import MAX_TELEMETRY_BYTES, TELEMETRY_FD_VARIABLE, BoardTelemetry, plain_note

_FRESH_S = 1.0
"""Who asks sooner gets the same reading."""
_PATIENCE_S = 3.0
"""What one look may wait: the child's start on a slow board, and a reading."""
_LOST_S = 15.0
_RESTART_S = 10.0
_END_S = 0.5


class BoardSensors:
    """Asks the child for readings, for any thread; no call takes much longer than `patience_s`."""

    def __init__(
        self,
        program: Path,
        start: Starter,
        *,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        """Use the child that `program`, the keeper's zip, holds as a verb."""
        self._argv = [sys.executable, "-I", "-S", str(program), "telemetry"]
        self._start = start
        self._clock = clock
        self._patience_s = patience_s
        self._one_asks = threading.Lock()
        self._reader: _SensorChild | None = None
        self._lost: _SensorChild | None = None
        self._started_s: float | None = None
        self._latest = BoardTelemetry()
        self._read_s: float | None = None
        self._trouble = ""

    def latest(self) -> BoardTelemetry:
        """A reading of now; one that holds nothing but a note where there is none."""
        until_s = self._clock() + self._patience_s
        if self._one_asks.acquire(timeout=self._patience_s):
            try:
                if not self._fresh(_FRESH_S):
                    self._ask(until_s)
            except (OSError, EdgekitError, RuntimeError) as error:
                self._give_up(f"cannot be read: {getattr(error, 'message', error)}")
            finally:
                self._one_asks.release()
        if self._fresh(_FRESH_S + self._patience_s):
            return self._latest
        return BoardTelemetry(notes=(plain_note(f"sensors: {self._trouble or 'not read in time; look again'}"),))

    def _fresh(self, seconds: float) -> bool:
        return self._read_s is not None and self._clock() - self._read_s < seconds

    def _ask(self, until_s: float) -> None:
        reader = self._reader if self._reader and self._reader.ask(self._clock()) else self._begin()
        if reader is None:
            return
        now = self._clock()
        waited_s = now - reader.asked_s
        line = reader.answer(max(0.0, min(self._patience_s - waited_s, until_s - now)))
        if line is not None:
            self._latest, self._read_s = from_message(BoardTelemetry, line, "telemetry"), self._clock()
            self._trouble = ""
        elif waited_s > _LOST_S:
            self._give_up("a driver of the board does not answer")

    def _begin(self) -> _SensorChild | None:
        """A new child, unless the last one still hangs, or began a moment ago and ended at once."""
        if self._reader is not None:
            self._reader.kill()
            self._reader = None
        if self._lost is not None and self._lost.runs:
            return None
        soon = self._started_s is not None and self._clock() - self._started_s < _RESTART_S
        if soon and self._trouble:
            return None
        self._started_s, self._lost = self._clock(), None
        self._reader = _SensorChild(self._start, self._argv)
        self._reader.ask(self._started_s)
        return self._reader

    def _give_up(self, trouble: str) -> None:
        self._trouble = trouble
        if self._reader is not None:
            self._reader.kill()
            self._lost, self._reader = self._reader, None


class _SensorChild:
    """One child."""

    def __init__(self, start: Starter, argv: list[str]) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            env = {TELEMETRY_FD_VARIABLE: str(theirs.fileno()), "LANG": "C.UTF-8"}
            self._child: Child = start(argv, env=env, cwd="/", inherit=[theirs.fileno()])
        self.asked_s = 0.0
        """When the reading was asked for that is on its way."""
        self._waits = False
        self._unread = self._printed = b""
        self._waiter = threading.Thread(target=self._wait, name="sensors", daemon=True)
        self._waiter.start()

    @property
    def runs(self) -> bool:
        """Whether the process is still there, killed or not."""
        return self._waiter.is_alive()

    def ask(self, now_s: float) -> bool:
        """Ask for a reading, unless one is on its way.

        Returns:
            False where nobody listens any more: it ends by itself when nobody has asked for long.
        """
        if not self._waits:
            try:
                self._line.send(b"\n")
            except OSError:
                return False
            self._waits, self.asked_s = True, now_s
        return True

    def answer(self, seconds: float) -> bytes | None:
        """The reading that was asked for, if it comes in time.

        Raises:
            OSError: the child has ended, or says too much.
        """
        deadline_s = time.monotonic() + seconds
        while b"\n" not in self._unread:
            self._line.settimeout(max(0.001, deadline_s - time.monotonic()))
            try:
                raw = self._line.recv(MAX_TELEMETRY_BYTES)
            except TimeoutError:
                return None
            self._unread += raw
            if len(self._unread) > MAX_TELEMETRY_BYTES:
                raise ConnectionError("their reader says too much")
            if not raw:
                self._waiter.join(_END_S)
                raise ConnectionError(
                    ": ".join(filter(None, ("their reader has ended", self._printed.decode("utf-8", "replace"))))
                )
        line, _, self._unread = self._unread.partition(b"\n")
        self._waits = False
        return line

    def kill(self) -> None:
        """End it, if it can be ended."""
        self._line.close()
        self._child.kill()

    def _wait(self) -> None:
        """Take what it prints, so that it never waits for that, and reap it."""
        with contextlib.suppress(OSError):
            os.set_blocking(self._child.output, True)
            while raw := os.read(self._child.output, 4096):
                self._printed = (self._printed + raw).rstrip(b"\n").rpartition(b"\n")[2][-150:]
        self._child.reap()
