"""Stands beside the keeper on a board, and puts the old one back when a new one fails. It is installed as a program.

    start    before each start of the keeper's service (ExecStartPre): the first one of a new keeper is noted; any other
             while it is on trial puts the old copy back, and that one starts
    watch    a service of its own, at boot and beside the keeper's: asks the new keeper until it has answered for long
             enough, or puts the old one back. With `--process`, without systemd: starts the new keeper as well

It needs no connection, nothing of the new keeper, and nothing that a reboot forgets. Python 3.10 and newer, standard
library alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgekit.sent.board_disk import BoardDisk
from edgekit.sent.keeper_socket import SeenKeeper, see_keeper
from edgekit.sent.keeper_trial import (
    KeeperTrial,
    Watched,
    failing,
    judge_keeper,
    load_trial,
    observe_keeper,
    on_start,
    to_text,
)

UNIT_NAME = "edgekitd.service"
LOOK_S = 1.0
BOOT_ID = "/proc/sys/kernel/random/boot_id"


class Switch:
    """The keeper's copies, the link that leads to one of them, and the saved trial."""

    def __init__(self, prefix: str, disk: BoardDisk, boot: str) -> None:
        self.prefix = prefix
        self.folder = f"{prefix.rstrip('/')}/usr/lib/edgekit"
        self.program = f"{self.folder}/edgekitd.pyz"
        self.file = f"{self.folder}/trial.json"
        self.socket = f"{prefix.rstrip('/')}/run/edgekit/control.sock"
        self.log = f"{prefix.rstrip('/')}/var/lib/edgekit/keeper.log"
        self.disk = disk
        self.boot = boot

    def load(self) -> KeeperTrial | None:
        """The saved trial; None where there is none that could be read."""
        return load_trial(self.file)

    def save(self, trial: KeeperTrial) -> None:
        """Make a phase durable, before its work begins."""
        self.disk.put_file(self.file, to_text(trial), 0o644)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One at a time changes the trial."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def start(self) -> KeeperTrial | None:
        """The keeper's service is about to start. Where that cannot be noted, a new keeper is not started."""
        with self.alone():
            trial = self.load()
            if trial is None or not trial.open:
                return trial
            after = on_start(trial, self.boot)
            if after.phase == "started":
                try:
                    self.save(after)
                except OSError as error:
                    after = failing(trial, f"its start could not be noted: {error}")
            return self.take_back(after) if after.phase == "failing" else after

    def settle(self, phase: str, reason: str) -> KeeperTrial | None:
        """The new keeper has passed, or is to be taken back."""
        with self.alone():
            trial = self.load()
            if trial is None or not trial.open:
                return trial
            if phase == "passed" and trial.phase == "started":
                trial = replace(trial, phase="passed")
                self.save(trial)
            elif phase == "failing":
                trial = self.take_back(failing(trial, reason))
            return trial

    def take_back(self, trial: KeeperTrial) -> KeeperTrial:
        """Let the link lead to the old copy; what cannot be noted is done all the same."""
        note(f"the new keeper {trial.new} is taken back: {trial.reason}")
        with contextlib.suppress(OSError):
            self.save(trial)
        if self.leads_to() != trial.old:
            self.disk.put_link(self.program, trial.old)
        return trial

    def leads_to(self) -> str:
        """The copy that the link leads to; empty where there is none."""
        try:
            return os.readlink(self.program)
        except OSError:
            return ""

    def restore_unit(self, trial: KeeperTrial) -> bool:
        """Put the service's file back as it was; whether it had to be."""
        if not trial.unit or not trial.unit_before:
            return False
        try:
            with open(trial.unit, "rb") as file:
                if file.read() == trial.unit_before.encode():
                    return False
        except OSError:
            pass
        self.disk.put_file(trial.unit, trial.unit_before.encode(), 0o644)
        return True

    def end(self, trial: KeeperTrial, but: str) -> None:
        """The old keeper is back, or, with a reason, is not."""
        with self.alone():
            self.save(replace(trial, phase="failed", reason=trial.reason + but))


class Systemd:
    """Starts the keeper anew where it is a service."""

    def begin(self, _switch: Switch, _trial: KeeperTrial) -> None:
        """The new keeper is being started by whoever armed the trial."""

    def ended(self) -> str:
        """Why the new keeper can be given up at once; systemd starts it anew, which the guard's `start` sees."""
        return ""

    def restart(self, _switch: Switch, _trial: KeeperTrial) -> None:
        """Start what the link leads to, by the service's file as it is now."""
        for argv in (["daemon-reload"], ["restart", "--no-block", UNIT_NAME]):
            subprocess.run(["systemctl", *argv], timeout=120, check=False)


class Processes:
    """Starts the keeper anew without systemd, and ends it by the old copy's own command: a new one may have none."""

    def __init__(self) -> None:
        self._new: subprocess.Popen[bytes] | None = None

    def begin(self, switch: Switch, trial: KeeperTrial) -> None:
        """End the old keeper, and start the new one."""
        self._halt(switch, trial)
        started = switch.start()
        if started is not None and started.phase == "started":
            self._new = self._run(switch)

    def ended(self) -> str:
        """How the new keeper ended; empty while it runs."""
        code = self._new.poll() if self._new else None
        return "" if code is None else f"it ended by itself ({code})"

    def restart(self, switch: Switch, trial: KeeperTrial) -> None:
        """End whatever runs, and start what the link leads to."""
        if self._new is not None:
            self._new.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._new.wait(10)
            self._new.kill()
            self._new.wait()
        self._halt(switch, trial)
        self._run(switch)

    def _halt(self, switch: Switch, trial: KeeperTrial) -> None:
        argv = [sys.executable, "-I", f"{switch.folder}/{trial.old}", "halt", "--prefix", switch.prefix]
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(argv, stdout=subprocess.DEVNULL, timeout=60, check=False)

    def _run(self, switch: Switch) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-I", switch.program, "run", "--prefix", switch.prefix]
        with open(switch.log, "ab") as log:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
            )


class TrialWatch:
    """Asks a new keeper until its trial is over."""

    def __init__(
        self,
        switch: Switch,
        service: Systemd | Processes,
        see: Callable[[str], SeenKeeper | None] = see_keeper,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._switch, self._service = switch, service
        self._see, self._clock, self._sleep = see, clock, sleep

    def run(self) -> None:
        """Return once no trial is open."""
        trial = self._switch.load()
        if trial is not None and trial.open and trial.boot != self._switch.boot:
            trial = self._switch.start()
        if trial is None or not trial.open:
            return
        if trial.phase == "armed":
            self._service.begin(self._switch, trial)
        runs = self._wait()
        trial = self._switch.load()
        if trial is not None and trial.phase == "failing":
            self._finish(trial, runs=runs)

    def _wait(self) -> bool:
        """Look until the new keeper has passed, or is taken back; whether one that is taken back may still run."""
        began_s, watched = self._clock(), None
        while (trial := self._switch.load()) is not None and trial.phase in ("armed", "started"):
            now_s = self._clock()
            if trial.phase == "armed":  # what answers now is the old one
                late = now_s - began_s >= trial.ready_s
                phase, reason = ("failing", "its service did not start it") if late else ("armed", "")
            else:
                watched = observe_keeper(
                    watched or Watched(began_s=now_s), trial, self._see(self._switch.socket), now_s
                )
                ended = self._service.ended()
                phase, reason = ("failing", ended) if ended else judge_keeper(watched, trial, self._clock())
            if phase in ("passed", "failing"):
                self._switch.settle(phase, reason)
                return True
            self._sleep(LOOK_S)
        return False

    def _finish(self, trial: KeeperTrial, *, runs: bool) -> None:
        """See that the old keeper runs again, by its own service file."""
        switch = self._switch
        if switch.restore_unit(trial) or runs:
            self._service.restart(switch, trial)
        for more in (self._service.restart, None):
            began_s = self._clock()
            while self._clock() - began_s < trial.ready_s:
                seen = self._see(switch.socket)
                if seen is not None and seen.sha256 == trial.old_sha256:
                    switch.end(trial, "")
                    return
                self._sleep(LOOK_S)
            if more:
                more(switch, trial)
        switch.end(trial, f"; the one before it does not answer within {trial.ready_s:g} s either")


def note(text: str) -> None:
    """One line in the journal."""
    sys.stderr.write(f"edgekit: {text}\n")
    sys.stderr.flush()


def read_boot() -> str:
    """This boot's name."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def guard(argv: list[str]) -> int:
    """The command line; see above."""
    verb, prefix = [*argv, "", ""][:2]
    switch = Switch(prefix or "/", BoardDisk(), read_boot())
    if verb == "start":
        switch.start()
        return 0
    if verb != "watch":
        sys.stderr.write("error: usage: keeper-guard.py start|watch PREFIX [--process]\n")
        return 2
    with open(__file__, "rb") as own:  # whoever provisions meanwhile sees by this that a trial is being watched
        fcntl.flock(own, fcntl.LOCK_EX)
        TrialWatch(switch, Processes() if "--process" in argv else Systemd()).run()
    return 0
