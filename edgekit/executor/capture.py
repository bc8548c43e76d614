"""Takes what a program writes until it ends, in bounded memory, and without waiting for anybody that it left behind."""

from __future__ import annotations

import os
import select
import subprocess
import time

MAX_OUTPUT_BYTES = 16 << 20
"""Of each stream; a program that writes more keeps its first and its last half of that."""
LINGER_S = 1.0
"""How long a program's output is awaited after its end: a daemon that it started may hold the pipe for ever."""
_LOOK_S = 0.1
"""How often to look whether a program has ended whose output stays open."""
_PIECE_BYTES = 1 << 18
_LAST_PIECES = 64
"""More than a pipe holds; whoever else has it open may go on writing for ever."""
_EVENTS = select.POLLIN | select.POLLHUP | select.POLLERR


class Bounded:
    """Bytes of which the middle is left out when they become too many."""

    def __init__(self, limit: int = MAX_OUTPUT_BYTES) -> None:
        self._half = limit // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Append; `limit` bytes stay, and at most as many again wait to be left out."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._half:
            self._cut()

    def content(self) -> bytes:
        """Everything, or both ends with a line between them that says how much is missing."""
        if len(self._tail) > self._half:
            self._cut()
        if not self._left_out:
            return bytes(self._head + self._tail)
        return bytes(self._head) + f"\n[... {self._left_out} bytes left out ...]\n".encode() + bytes(self._tail)

    def _cut(self) -> None:
        too_much = len(self._tail) - self._half
        del self._tail[:too_much]
        self._left_out += too_much


class Capture:
    """The three standard streams of a running child, which must be pipes."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes) -> None:
        assert process.stdin and process.stdout and process.stderr
        self._process = process
        self._waiting = memoryview(stdin)
        self._stdout, self._stderr = Bounded(), Bounded()
        self._into = {process.stdout.fileno(): self._stdout, process.stderr.fileno(): self._stderr}
        self._poll = select.poll()
        for fd in self._into:
            os.set_blocking(fd, False)
            self._poll.register(fd, _EVENTS)
        self._in = process.stdin.fileno()
        os.set_blocking(self._in, False)
        if stdin:
            self._poll.register(self._in, select.POLLOUT)
        else:
            process.stdin.close()

    def until_end(self, deadline: float) -> bool:
        """Feed and drain the child until it has ended and its output is read; False where it runs at the deadline.

        Args:
            deadline: by `time.monotonic`.
        """
        ended_at = None
        while self._into or self._waiting:
            now = time.monotonic()
            if ended_at is None and self._process.poll() is not None:
                ended_at = now
            if ended_at is not None and now > ended_at + LINGER_S:
                return True
            if now > deadline and ended_at is None:
                return False
            self._step(_LOOK_S if ended_at is not None else min(_LOOK_S, deadline - now))
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self) -> tuple[bytes, bytes]:
        """Take what is there without waiting for more, close the pipes, and wait for the child, which has ended."""
        for _ in range(_LAST_PIECES):
            if not self._step(0):
                break
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()
        self._process.wait()
        return self._stdout.content(), self._stderr.content()

    def _step(self, wait_s: float) -> bool:
        """Do what can be done now; False where nothing could."""
        ready = self._poll.poll(max(0.0, wait_s) * 1000)
        for fd, _ in ready:
            if fd == self._in:
                self._feed()
            elif fd in self._into:
                self._drain(fd)
        return bool(ready)

    def _feed(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self._in, self._waiting[:_PIECE_BYTES]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # a program need not read all of its input
            self._waiting = self._waiting[:0]
        if not self._waiting and self._process.stdin is not None:
            self._poll.unregister(self._in)
            self._process.stdin.close()

    def _drain(self, fd: int) -> None:
        try:
            data = os.read(fd, _PIECE_BYTES)
        except BlockingIOError:
            return
        if data:
            self._into[fd].add(data)
        else:
            self._poll.unregister(fd)
            del self._into[fd]
