"""One life of a worker: started in its leaf, read while it runs, ended with everything that it started."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.process.cgroup import Leaf, MemoryFigures
from edgekit.device.keeper.process.confinement.confined import WorkerEntry
from edgekit.device.keeper.process.confinement.note import Note
from edgekit.device.keeper.process.confinement.users import Users
from edgekit.device.keeper.process.journal import MAX_LINE_BYTES, Journal, LineCutter
from edgekit.device.keeper.process.kernel_files import table_of
from edgekit.device.keeper.process.launch import worker_argv, worker_env
from edgekit.device.keeper.process.masking import Mask
from edgekit.device.keeper.process.memory_gauge import thresholds_of
from edgekit.device.keeper.process.memory_life import LifeContext, MemoryLife
from edgekit.device.keeper.process.orphans import Orphans
from edgekit.device.keeper.process.post import Post
from edgekit.device.keeper.process.reports import read_report
from edgekit.device.keeper.process.worker_exit import Exit, oom_kills, signal_name
from edgekit.device.keeper.process.worker_line import WorkerLine
from edgekit.device.keeper.process.worker_sockets import WorkerSockets, shows_pictures
from edgekit.device.keeper.update.board_settings import secret_values
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import EdgekitError
from edgekit.executor.child import Child, Starter
from edgekit.schema.board import PREVIEW_FD_VARIABLE, SERVE_FD_VARIABLE
from edgekit.schema.order import Order
from edgekit.schema.plain_text import plain_text
from edgekit.schema.report import MAX_REPORT_BYTES, REPORT_FD_VARIABLE, Report
from edgekit.schema.settings import SETTINGS_FD_VARIABLE
from edgekit.schema.units import counted, format_bytes

GRACE_S = 10.0
"""Between SIGTERM and SIGKILL."""
_PIECE_BYTES = 1 << 16
_PIECES = 16
"""Read at most so many at a time: a worker that floods its log cannot keep the keeper from its watchdog."""
_MAX_LINES, _MAX_REPORTS = 500, 8
"""Of what was read at a time, the latest: a worker that floods with short ones cannot either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """What every worker of one keeper is started with."""

    disk: Filesystem
    starter: Starter
    journal: Journal
    orphans: Orphans
    users: Users | None
    """Whom workers run as; None: the keeper's own user."""
    clock: Callable[[], float]
    """Monotonic seconds."""
    previews: WorkerSockets
    """Where applications show pictures."""
    servers: WorkerSockets
    """Where they serve models."""
    proc: Path = Path("/proc")
    watches_folders: bool = True
    """Whether what a worker's folder takes is looked at."""


class WorkerProcess:
    """A running worker. Its constructor starts it; `finish` frees everything."""

    def __init__(
        self, context: WorkerContext, release: Release, post: Post, leaf: Leaf | None, entry: WorkerEntry
    ) -> None:
        self.release = release
        self.unconfined: tuple[str, ...] = ()
        """What `enter` could not take away from it."""
        self.leaf = leaf
        self.report: Report | None = None
        self._context = context
        self._post = post
        self._peak_bytes = 0
        self._killed_because = ""
        self._kill_at_s: float | None = None
        self.killed_at_s: float | None = None
        """When it was killed, if it was: it is gone at once, unless a driver holds it."""
        self.spared_until_s = 0.0
        """Until when it is not judged: see `Supervisor.spare`."""
        self._mask = Mask(secret_values(release.plan, release.settings))
        self._lines = LineCutter(MAX_LINE_BYTES, most=_MAX_LINES)
        self._reports = LineCutter(MAX_REPORT_BYTES, most=_MAX_REPORTS)
        self._oom_kills_before = leaf.figures().oom_kills if leaf else oom_kills(context.proc)
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._socket.setblocking(False)
            self._note = Note()
            self._child = self._start(entry, theirs.fileno())
        self.line = WorkerLine(self._socket)
        """For any thread: what it is told."""
        self.memory_life = MemoryLife(self._life())
        """Looked at by the keeper's memory thread."""
        self._open = [self._socket.fileno(), self._child.output]
        self.started_s = self.heard_s = context.clock()
        trouble = context.orphans.record(post.name, self._child.pid)
        if trouble:
            self._write(f"keeper: the note about process {self.pid} could not be written: {trouble}")

    @property
    def application(self) -> str:
        """Whose worker it is."""
        return self.release.ref.application

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._child.pid

    @property
    def proc(self) -> Path:
        """Where processes are looked at."""
        return self._context.proc

    @property
    def previewed(self) -> bool:
        """Whether it shows pictures."""
        return shows_pictures(self.release.plan)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to wait on for reading; what the worker has closed is not among them."""
        return (*self._open, self._note.fd) if self._note.open else tuple(self._open)

    @property
    def stopping(self) -> bool:
        """Whether it was asked or forced to end."""
        return self._kill_at_s is not None or self.killed_at_s is not None

    @property
    def kill_at_s(self) -> float | None:
        """When patience with a stopping worker ends."""
        return self._kill_at_s

    def pump(self) -> list[Report]:
        """Read its output: reports are returned, lines go to the journal."""
        self._read_note()
        for line in self._lines.feed(self._drain(self._child.output)):
            self._say(line)
        if left_out := self._lines.left_out():
            self._write(f"keeper: {counted(left_out, 'line')} of {self.application} left out: too many at a time")
        found = []
        for line in self._reports.feed(self._drain(self._socket.fileno())):
            try:
                found.append(self._mask.report(read_report(line)))
            except EdgekitError as error:
                self._write(f"keeper: a report that cannot be read: {self._mask.text(error.message)[:200]}")
        if found:
            self.report, self.heard_s = found[-1], self._context.clock()
            self._peak_bytes = max(self._peak_bytes, self.memory().current)
        return found

    def memory(self) -> MemoryFigures:
        """What it uses: the leaf's figures, or without one the process's resident memory."""
        if self.leaf:
            figures = self.leaf.figures()
            peak = figures.peak or max(self._peak_bytes, figures.current)
            return MemoryFigures(
                current=figures.current,
                peak=peak,
                oom_kills=figures.oom_kills,
                pressure_some_avg10=figures.pressure_some_avg10,
            )
        return _resident(self._context.proc / str(self.pid) / "status")

    def terminate(self) -> None:
        """Ask it to end; `expire` ends it after the time of grace."""
        if not self.stopping:
            self._kill_at_s = self._context.clock() + GRACE_S
            self._child.signal(signal.SIGTERM)

    def expire(self) -> None:
        """End it where the time of grace is over."""
        if self._kill_at_s is not None and self._context.clock() >= self._kill_at_s:
            self._kill_at_s = None
            self.kill(f"did not stop within {GRACE_S:g} s of SIGTERM and was killed")

    def kill(self, because: str) -> None:
        """End it and all that it started, now."""
        self._killed_because, self.killed_at_s = because, self._context.clock()
        self._kill_all()

    def ended(self) -> bool:
        """Whether the worker itself has ended; `finish` may be called then."""
        return self._child.ended()

    def finish(self) -> Exit:
        """Kill what it left behind, read its last output, and return why it ended."""
        self._kill_all()
        self.pump()
        for line in self._lines.flush():
            self._say(line)
        memory = self.leaf.figures() if self.leaf else MemoryFigures()
        code = self._child.reap()
        self.memory_life.close()
        self.line.close()
        self._note.close()
        self._context.orphans.forget(self._post.name)
        figures = {
            "ran_s": self._context.clock() - self.started_s,
            "memory_peak_bytes": memory.peak or self._peak_bytes,
            "memory_max_bytes": self.release.plan.limits.memory_max,
        }
        return replace(self._why(code, memory), report=self.report, figures=figures)

    def _life(self) -> LifeContext:
        return LifeContext(
            leaf=self.leaf,
            process=self.proc / str(self.pid),
            thresholds=thresholds_of(self.release.plan),
            tell=lambda reading: self.line.tell(Order(memory=reading)),
            degraded=lambda: bool(self.report and self.report.pressure and self.report.pressure.taken),
        )

    def _say(self, line: bytes) -> None:
        """A line of the worker's own, which cannot pass for one of the keeper's."""
        text = plain_text(self._mask.line(line).decode(errors="replace"))
        whose = "golden: " if self._post.golden_only else "worker: " if text.lstrip().startswith("keeper:") else ""
        self._write(f"{whose}{text}")

    def _write(self, line: str) -> None:
        self._context.journal.write(line, self.application)

    def _read_note(self) -> None:
        found = self._note.read()
        if found:
            self.unconfined = tuple(found)
            self._write(f"keeper: {self.application}: what could not be taken away from its worker: {'; '.join(found)}")

    def _start(self, entry: WorkerEntry, report_fd: int) -> Child:
        try:
            with ExitStack() as kept:
                kept.callback(self._note.handed_over)
                settings_fd = _readable(self.release.settings)
                kept.callback(os.close, settings_fd)
                fds = {REPORT_FD_VARIABLE: report_fd, SETTINGS_FD_VARIABLE: settings_fd}
                for variable, listener in self._listeners().items():
                    fds[variable] = kept.enter_context(listener).fileno()
                argv = worker_argv(self.release, self._post, replace(entry, note_fd=self._note.writer))
                env, inherit = worker_env(self._post.work, fds), (*fds.values(), self._note.writer)
                return self._context.starter(argv, env=env, cwd=str(self._post.work), inherit=inherit)
        except (EdgekitError, OSError):
            self._socket.close()
            self._note.close()
            raise

    def _listeners(self) -> dict[str, socket.socket]:
        """By the variables that name them. A worker without one runs all the same."""
        found: dict[str, socket.socket] = {}
        for variable, sockets, whom in (
            (PREVIEW_FD_VARIABLE, self._context.previews, "viewers"),
            (SERVE_FD_VARIABLE, self._context.servers, "clients"),
        ):
            try:
                if (listener := sockets.listen(self.release.plan)) is not None:
                    found[variable] = listener
            except OSError as error:
                where = f"no socket could be made for {whom} of {self.application}"
                self._write(f"keeper: {where}: {error.strerror}")
        return found

    def _drain(self, fd: int) -> bytes:
        """What can be read without waiting, up to a bound."""
        data = bytearray()
        for _ in range(_PIECES if fd in self._open else 0):
            try:
                piece = os.read(fd, _PIECE_BYTES)
            except BlockingIOError:
                break
            except ConnectionResetError:
                piece = b""
            if not piece:
                self._open.remove(fd)
                break
            data += piece
        return bytes(data)

    def _kill_all(self) -> None:
        if self.leaf:
            self.leaf.kill()
        self._child.kill()

    def _why(self, code: int, memory: MemoryFigures) -> Exit:
        if memory.oom_kills > self._oom_kills_before:
            limit = format_bytes(self.release.plan.limits.memory_max)
            peak = format_bytes(memory.peak or self._peak_bytes)
            return Exit(
                reason=f"out of memory: killed at memory_max {limit} (peak {peak})",
                out_of_memory=True,
                cause="out_of_memory",
            )
        if self._killed_because:
            return Exit(reason=self._killed_because)
        if self.stopping and code in (0, -signal.SIGTERM):
            return Exit(reason="stopped")
        if code == -signal.SIGKILL and self.leaf is None and oom_kills(self._context.proc) > self._oom_kills_before:
            reason = f"out of memory: killed by the kernel (peak {format_bytes(self._peak_bytes)}), as none was left"
            return Exit(reason=reason, out_of_memory=True, cause="out_of_memory")
        if code < 0:
            return Exit(reason=f"killed by {signal_name(-code)}")
        failed = self.report if self.report and self.report.phase == "failed" else None
        message = f": {failed.message}" if failed and failed.message else ""
        return Exit(reason=f"exited with code {code}{message}", cause=failed.cause if failed else "")


def _readable(content: bytes) -> int:
    """A descriptor to read this content from: memory that goes with the last process that has it open."""
    fd = os.memfd_create("settings")
    try:
        os.write(fd, content)
        os.lseek(fd, 0, os.SEEK_SET)
    except OSError:
        os.close(fd)
        raise
    return fd


def _resident(status: Path) -> MemoryFigures:
    """Source: proc_pid_status(5), VmRSS and VmHWM."""
    fields = table_of(status)
    return MemoryFigures(current=fields.get("VmRSS", 0) << 10, peak=fields.get("VmHWM", 0) << 10)
