"""Keeps one application's worker running: started in its leaf, watched, started again with growing delays."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.process.accounts import LeafAccounts, read_accounts
from edgekit.device.keeper.process.cgroup import MOST_BESIDE, Leaf, Limiter, MemoryFigures
from edgekit.device.keeper.process.confinement.confined import confine, lacks_of
from edgekit.device.keeper.process.confinement.device_program import hold_devices
from edgekit.device.keeper.process.confinement.devices import device_rules
from edgekit.device.keeper.process.confinement.users import Owner
from edgekit.device.keeper.process.growing_delay import GrowingDelay
from edgekit.device.keeper.process.life import WorkerContext, WorkerProcess
from edgekit.device.keeper.process.post import Post
from edgekit.device.keeper.process.work_quota import WatchedWorker, WorkRoom, WorkWatch
from edgekit.device.keeper.process.worker_exit import Exit
from edgekit.device.keeper.update.health import patience
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import EdgekitError, RolloutError
from edgekit.judging.error_causes import cause_of
from edgekit.schema.report import Report
from edgekit.schema.units import format_cpus
from edgekit.schema.worker_status import WorkerStatus

STEADY_S = 60.0
"""A worker that ran for so long starts with the first delay again."""
_CLEAR_S, _LOOK_S = 10.0, 0.05
"""How long a killed worker's processes may take to vanish, and how often to look."""
_LAST_LOOK_S = 0.5
_STUCK_S = 30.0
"""A killed worker that is still there after so long stays for as long as it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """The worker has reported."""

    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The worker has ended without being asked, or could not be started."""

    exit: Exit


class Supervisor:
    """One worker at a time. Not thread-safe: the keeper's loop owns it; `status` may be read from anywhere."""

    def __init__(self, post: Post, layout: Layout, limiter: Limiter, context: WorkerContext) -> None:
        self._post = post
        self._layout = layout
        self._limiter = limiter
        self._context = context
        self._process: WorkerProcess | None = None
        self._release: Release | None = None
        self._start_at_s: float | None = None
        self._delay = GrowingDelay()
        self._limits_note = ""
        self._lacks: tuple[str, ...] = ()
        self._room = WorkRoom()
        self._folder: WorkWatch | None = None
        self._clear_by_s: float | None = None
        self._beside = 0  # which leaf: one where nothing hangs
        self.restarts = self.oom_kills = 0
        self.last_exit = ""

    @property
    def release(self) -> Release | None:
        """What it keeps running, or None where it is stopped or about to be."""
        return self._release

    @property
    def stopped(self) -> bool:
        """Whether no process is left and none is to come."""
        return self._process is None and self._release is None

    @property
    def process(self) -> WorkerProcess | None:
        """The worker that lives now."""
        return self._process

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to wait on for reading."""
        folder = self._folder
        watched = (folder.fd,) if folder and folder.running else ()
        return (*self._process.descriptors, *watched) if self._process else ()

    @property
    def wake_at_s(self) -> float | None:
        """When `step` has something to do though nothing was read."""
        process = self._process
        if process is None:
            return self._start_at_s
        if process.stopping:
            return process.kill_at_s
        return _patience(process)[0]

    @property
    def stuck(self) -> str:
        """What is wrong with a worker that does not die of SIGKILL; empty where there is none."""
        process = self._process
        if process is None or process.killed_at_s is None or self._context.clock() < process.killed_at_s + _STUCK_S:
            return ""
        return f"process {process.pid} does not end {_STUCK_S:g} s after SIGKILL: a driver hangs"

    def check(self, release: Release) -> None:
        """Refuse a release whose limits cannot be held here, unless they are only advice.

        Raises:
            RolloutError: no cgroup v2, or none that is the keeper's.
        """
        if self._limiter.tree is None and not release.plan.limits.advisory:
            raise RolloutError(
                f"limits cannot be enforced: {self._limiter.note}",
                hint='write limits = "advisory" in [limits] of recipe.toml, and build again, to run without',
            )

    def start(self, release: Release) -> None:
        """Keep this release's worker running from the next step on. Only when stopped."""
        assert self.stopped
        self._release = release
        self._start_at_s = self._context.clock()
        self._delay.reset()
        self._clear_by_s = None
        self._beside = self.restarts = 0

    def stop(self) -> None:
        """Let the worker end, and do not start it again."""
        self._release = None
        self._start_at_s = None
        if self._process:
            self._process.terminate()

    def spare(self) -> None:
        """The machine stood still: its clock went on and the worker did not. It gets `stall_s` to report anew."""
        if self._process:
            self._process.spared_until_s = self._context.clock() + self._process.release.plan.health.stall_s

    def step(self) -> list[Reported | Ended]:
        """Do all that is due, without waiting."""
        happened: list[Reported | Ended] = []
        if self._process:
            happened += self._watch(self._process)
        now = self._context.clock()
        if self._process is None and self._release and self._start_at_s is not None and now >= self._start_at_s:
            happened += self._start(self._release)
        return happened

    def pressure_percent(self) -> float:
        """Share of the last 10 s in which some of the worker waited for memory."""
        process = self._process
        return process.memory().pressure_some_avg10 if process else 0.0

    def accounts(self) -> LeafAccounts | None:
        """What the kernel has counted for the worker's leaf; None where there is none."""
        process = self._process
        return read_accounts(process.leaf.path) if process and process.leaf else None

    def status(self) -> WorkerStatus:
        """How the worker is, with its leaf's figures."""
        process, release = self._process, self._release
        limits = process.release.plan.limits if process else release.plan.limits if release else None
        memory = process.memory() if process else MemoryFigures()
        how: Literal["enforced", "advisory"] = "enforced" if process and process.leaf else "advisory"
        return WorkerStatus(
            pid=process.pid if process else 0,
            state=self._state(process),
            restarts=self.restarts,
            last_exit=self.last_exit,
            oom_kills=self.oom_kills,
            memory_current=memory.current,
            memory_peak=memory.peak,
            memory_max=limits.memory_max if limits else 0,
            cpuset_cpus=format_cpus(limits.cpuset_cpus) if limits else "",
            limits=how if process else "none",
            limits_note=self._limits_note if process else "",
            preview=process is not None and process.previewed,
            work_bytes=self._folder.used_bytes if self._folder else 0,
            work_max=limits.work_max if limits else 0,
            work_held=self._folder is not None and self._folder.kernel_keeps,
            unconfined=(*self._lacks, *process.unconfined) if process else (),
        )

    def _state(self, process: WorkerProcess | None) -> Literal["stopped", "starting", "running", "backoff"]:
        if process is None:
            return "backoff" if self._release else "stopped"
        return "running" if process.report and process.report.phase in ("running", "stopping") else "starting"

    def _watch(self, process: WorkerProcess) -> list[Reported | Ended]:
        ended = process.ended()
        happened: list[Reported | Ended] = [Reported(report=report) for report in process.pump()]
        if ended:
            return happened + self._reap(process)
        self._look_at_folder(process)
        process.expire()
        until_s, reason = _patience(process)
        if not process.stopping and self._context.clock() >= until_s:
            process.kill(reason)
        return happened

    def _reap(self, process: WorkerProcess) -> list[Reported | Ended]:
        wanted = self._release is process.release
        exit_ = self._seen_full(process.finish(), asked=not wanted)
        self._process = None
        self.last_exit = exit_.reason
        self.oom_kills += exit_.out_of_memory
        ref = process.release.ref
        self._write(f"keeper: {ref.application} {ref.version}: worker {exit_.reason}")
        if not wanted:
            return []
        return self._retry(exit_, ran_s=self._context.clock() - process.started_s)

    def _retry(self, exit_: Exit, ran_s: float) -> list[Reported | Ended]:
        if ran_s >= STEADY_S:
            self._delay.reset()
        self._start_at_s = self._context.clock() + self._delay.next_s()
        self.restarts += 1
        return [Ended(exit=exit_)]

    def _start(self, release: Release) -> list[Reported | Ended]:
        self._start_at_s = None
        try:
            self.check(release)
            leaf = self._leaf(release)
            if self._clear_by_s is not None:  # look again soon, without waiting
                self._start_at_s = self._context.clock() + _LOOK_S
                return []
            self._process = self._enter(release, leaf)
        except (EdgekitError, OSError) as error:
            self._clear_by_s = None
            self.last_exit = f"did not start: {error}"
            self._write(f"keeper: worker {self.last_exit}")
            return self._retry(Exit(reason=self.last_exit, cause=cause_of(error)), ran_s=0.0)
        self._watch_folder(self._process)
        limits = "" if leaf else f", limits are advisory: {self._limits_note}"
        name = f"{release.ref.application} {release.ref.version} ({release.ref.digest[:12]})"
        what = "golden frames of " if self._post.golden_only else ""
        self._write(f"keeper: {what}{name} started as process {self._process.pid}{limits}")
        return []

    def _leaf(self, release: Release) -> Leaf | None:
        """The leaf with this release's limits in it, or None with the reason noted where they are advisory.

        What a worker before left in it is killed first; while that goes on, `_clear_by_s` says until when.
        """
        self._limits_note = self._limiter.note
        if self._limiter.tree is None:
            return None
        leaf = self._limiter.tree.leaf(self._post.name, self._beside)
        try:
            if not self._clear(leaf):
                return None
            leaf.limit(release.plan.limits, gives_way=self._post.golden_only)
        except RolloutError as error:
            if not release.plan.limits.advisory:
                raise
            self._limits_note = error.message
            return None
        return leaf

    def _clear(self, leaf: Leaf) -> bool:
        """Whether nothing is left in a leaf; what is left is killed, and where it does not die the next leaf is taken.

        Raises EdgekitError where that is so in all of them.
        """
        if not leaf.pids():
            self._clear_by_s = None
            return True
        leaf.kill()
        now = self._context.clock()
        if self._clear_by_s is None:
            self._clear_by_s = now + _CLEAR_S
        elif now >= self._clear_by_s and self._beside == MOST_BESIDE:
            raise EdgekitError(f"{leaf.path} does not get empty", hint="a driver hangs: reboot the board")
        elif now >= self._clear_by_s:
            self._write(f"keeper: {leaf.path} does not get empty, as a driver hangs: a leaf beside it is taken")
            self._beside, self._clear_by_s = self._beside + 1, now + _CLEAR_S
        return False

    def _enter(self, release: Release, leaf: Leaf | None) -> WorkerProcess:
        """Start the worker, confined; what this keeper cannot confine is said."""
        work, users = self._post.work, self._context.users
        self._context.disk.make_folders(work.parent)
        self._context.disk.make_folder(work, 0o750)  # may be there already on a disk that cannot be written to
        owner = users.owner(self._post.owned_as) if users else None
        self._own(work, owner)
        entry = confine(release, self._post, self._layout, leaf=leaf.path if leaf else None, owner=owner)
        lacks = lacks_of(entry, shared=bool(users and owner and users.shared(owner)))
        devices = hold_devices(leaf.path, device_rules(release.plan), os.uname().machine) if leaf else "no cgroup v2"
        self._lacks = (*lacks, *([f"devices: {devices}"] if devices else []))
        process = WorkerProcess(self._context, release, self._post, leaf, entry)
        if self._lacks:
            self._write(f"keeper: {self._post.name} is not confined in all: {'; '.join(self._lacks)}")
        return process

    def _watch_folder(self, process: WorkerProcess) -> None:
        if not self._context.watches_folders:
            return
        release = process.release
        worker = WatchedWorker(
            digest=release.ref.digest,
            work=self._post.work,
            work_max=release.plan.limits.work_max,
            pid=process.pid,
            leaf=process.leaf,
            proc=self._context.proc,
        )
        try:
            self._folder = WorkWatch(worker, self._room)
        except (OSError, RuntimeError) as error:  # no descriptors or no thread to be had: the worker runs all the same
            self._write(f"keeper: {self._post.name}: its folder is not watched: {error}")

    def _look_at_folder(self, process: WorkerProcess) -> None:
        """End a worker that fills the disk."""
        folder = self._folder
        if folder is None or not folder.running:
            return
        if (reason := folder.verdict()) and not process.stopping:
            process.kill(reason)
        elif not reason and not folder.running:
            self._write(f"keeper: {self._post.name}: its folder is watched no more: it cannot be read")

    def _seen_full(self, exit_: Exit, *, asked: bool) -> Exit:
        """Why a worker ended, with what a last look at its folder shows; that is watched no more."""
        folder, self._folder = self._folder, None
        reason = folder.close(last_look_s=0.0 if asked or exit_.cause else _LAST_LOOK_S) if folder else ""
        return replace(exit_, reason=f"{reason} ({exit_.reason})") if reason not in exit_.reason else exit_

    def _own(self, work: Path, owner: Owner | None) -> None:
        """A new folder becomes its worker's; one with another worker's files in it takes longer: `enter` does that."""
        if owner and work.stat().st_uid == 0:
            self._context.disk.set_owner(work, owner.uid, owner.gid)

    def _write(self, line: str) -> None:
        self._context.journal.write(line, self._post.application)


def _patience(process: WorkerProcess) -> tuple[float, str]:
    """When a worker that goes on like this is ended, and why."""
    health = process.release.plan.health
    until_s, reason = patience(health, process.report, started_s=process.started_s, heard_s=process.heard_s)
    return max(until_s, process.spared_until_s), reason
