"""Programs on this machine."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, Unreachable
from edgekit.executor import Completed, Stream
from edgekit.executor.capture import Capture
from edgekit.executor.processes import is_running
from edgekit.executor.starting import why_not_started

_MAX_ERRORS_BYTES = 1 << 20


class LocalExecutor:
    """Runs programs as children of this process, each in a session of its own so that a time-out ends all of it."""

    name = "this machine"

    def __init__(self, record: Callable[[str, Completed, float], None] | None = None) -> None:
        """Take what is called for every program that has ended, with its seconds: `record.record_program`."""
        self._record = record

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run to the end. See `Executor.run`."""
        began = time.monotonic()
        process = _start(argv, env, cwd, stderr=subprocess.PIPE)
        capture, in_time = Capture(process, stdin), False
        try:
            in_time = capture.until_end(began + timeout_s)
        finally:
            if not in_time:
                _kill(process)
            stdout, stderr = capture.finish()
            done = Completed(argv=tuple(argv), returncode=process.returncode, stdout=stdout, stderr=stderr)
            if self._record is not None:
                self._record(self.name, done, time.monotonic() - began)
        if not in_time:
            raise EdgekitError(
                f"{argv[0]} took longer than {timeout_s:g} s and was stopped",
                hint="try again on a less busy machine",
                details=done.output,
            )
        return done

    def open(self, argv: Sequence[str]) -> Stream:
        """Start a program and talk to it. See `Executor.open`."""
        return LocalStream(argv)

    def close(self) -> None:
        """Nothing is held."""


class LocalStream:
    """A child process as a `Stream`."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._program = argv[0]
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the stream
        self._process = _start(argv, None, None, stderr=self._stderr.fileno())
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._buffer = bytearray()
        self._timeout: float | None = None
        self._ended = False

    def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        view = memoryview(data)
        deadline = self._deadline()
        while view:
            self._wait(self._in, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._in, view) :]
            except BlockingIOError:
                continue
            except OSError as error:
                raise self._gone() from error

    def readline(self, limit: int) -> bytes:
        """See `Stream.readline`."""
        deadline = self._deadline()
        while (end := self._buffer.find(b"\n") + 1) == 0 and len(self._buffer) < limit and not self._ended:
            self._fill(deadline)
        return self._take(min(end or len(self._buffer), limit))

    def read(self, size: int) -> bytes:
        """See `Stream.read`."""
        deadline = self._deadline()
        while len(self._buffer) < size and not self._ended:
            self._fill(deadline)
        return self._take(size)

    def receive(self, limit: int) -> bytes:
        """See `Stream.receive`."""
        if not self._buffer and not self._ended:
            self._fill(self._deadline())
        return self._take(min(limit, len(self._buffer)))

    def settimeout(self, seconds: float | None) -> None:
        """See `Stream.settimeout`."""
        self._timeout = seconds

    def errors(self) -> str:
        """See `Stream.errors`."""
        self._stderr.seek(0)
        return self._stderr.read(_MAX_ERRORS_BYTES).decode(errors="replace").strip()

    def close(self) -> None:
        """See `Stream.close`."""
        if self._process.poll() is None:
            _kill(self._process)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()

    def _take(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _fill(self, deadline: float | None) -> None:
        self._wait(self._out, select.POLLIN, deadline)
        data = os.read(self._out, 1 << 18)
        self._buffer += data
        self._ended = not data

    def _deadline(self) -> float | None:
        return None if self._timeout is None else time.monotonic() + self._timeout

    def _wait(self, fd: int, events: int, deadline: float | None) -> None:
        poll = select.poll()
        poll.register(fd, events)
        left = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000
        if not poll.poll(left):
            raise Unreachable(f"{self._program} did not answer", hint="try again")

    def _gone(self) -> Unreachable:
        return Unreachable(f"{self._program} has ended", hint="try again", details=self.errors())


def start_detached(argv: Sequence[str], *, log: Path, cwd: Path | None = None) -> int:
    """Start a daemon that outlives this process: own session, no input, both outputs appended to `log`.

    The daemon's parent is init at once, so nobody here has to wait for it and it never stays a zombie.

    Returns:
        Its process id. Whether it goes on running is for the caller to watch.

    Raises:
        InputError: the program does not exist on this machine.
    """
    if shutil.which(argv[0]) is None:
        raise InputError(f"{argv[0]} is not on this machine", hint=f"install {argv[0]}")
    script = 'log=$1; shift; "$@" < /dev/null >> "$log" 2>&1 & echo $!'
    done = LocalExecutor().run(
        ["/bin/sh", "-c", script, "sh", str(log), *argv], timeout_s=10, cwd=str(cwd) if cwd else None
    )
    if not done.text.isdigit():
        raise EdgekitError(f"{argv[0]} did not start", hint=f"see {log}", details=done.output)
    return int(done.text)


def stop(pid: int, *, grace_s: float) -> None:
    """End a process: SIGTERM, and SIGKILL for what is left after `grace_s` seconds (at once when 0)."""
    deadline = time.monotonic() + grace_s
    signals = [signal.SIGTERM, signal.SIGKILL] if grace_s else [signal.SIGKILL]
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        while is_running(pid) and (number == signal.SIGKILL or time.monotonic() < deadline):
            time.sleep(0.02)


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None, *, stderr: int
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **env} if env else None,
            cwd=cwd,
            start_new_session=True,
        )
    except OSError as error:
        raise why_not_started(error, argv[0], cwd) from None


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.kill()
