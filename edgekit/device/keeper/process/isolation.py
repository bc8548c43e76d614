"""Keeps everybody else off the CPUs of applications that ask for it: system services, logins, and the keeper itself.

An affinity keeps nobody away: it only takes a thread's way out. Here the others are confined, as systemd does it, until
the last application that asks for it has stopped; and never for longer than this boot.

Source: systemd.resource-control(5), "AllowedCPUs="; systemctl(1), "set-property".
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from edgekit.device.keeper.process.cgroup import CgroupTree
from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.schema.units import format_cpus, parse_cpus

SLICES = ("system.slice", "user.slice", "init.scope")
"""Where systemd keeps everything that is not in a slice of its own, as the keeper and its workers are."""
_TIMEOUT_S = 20.0
_PRESENT = Path("/sys/devices/system/cpu/present")
_SET_BEFORE = Path("/run/systemd/system.control/system.slice.d/50-AllowedCPUs.conf")
"""There where somebody has confined system.slice since this boot: a keeper before this one. Source: systemctl(1)."""


class Isolation:
    """Confines everybody else, on a thread of its own: `systemctl` may take its time, and the keeper's loop has none.

    Args:
        tree: the keeper's cgroups; None where limits are not enforced.
        executor: runs systemctl.
        log: writes a line to the journal.
        present: the kernel's list of CPUs that there are.
        set_before: there where a keeper before this one has confined others.
    """

    def __init__(
        self,
        tree: CgroupTree | None,
        executor: Executor,
        log: Callable[[str], object],
        *,
        present: Path = _PRESENT,
        set_before: Path = _SET_BEFORE,
    ) -> None:
        self._tree = tree
        self._executor = executor
        self._log = log
        self._present = present
        self._guard = threading.Lock()
        self._wanted: frozenset[int] = frozenset()
        self._asked = not set_before.exists()
        """Whether what is wanted was asked for: what a keeper before this one has left is undone with the next turn."""
        self._thread: threading.Thread | None = None

    def keep(self, cpus: frozenset[int]) -> None:
        """Have these CPUs to the applications alone; called as often as one likes. The journal tells the outcome."""
        with self._guard:
            if self._asked and cpus == self._wanted:
                return
            self._asked, self._wanted = True, cpus
            if self._thread is None or not self._thread.is_alive():
                try:
                    # No daemon: a keeper that is stopped ends when others have their CPUs back.
                    self._thread = threading.Thread(target=self._work, name="isolate")
                    self._thread.start()
                except RuntimeError:  # no thread is to be had: the next turn tries again
                    self._thread, self._asked = None, False

    def wait(self, timeout_s: float) -> None:
        """Until what was last asked for is done."""
        if thread := self._thread:
            thread.join(timeout_s)

    def _work(self) -> None:
        done: frozenset[int] | None = None
        while True:
            with self._guard:
                wanted = self._wanted
                if done == wanted:
                    self._thread = None
                    return
            self._confine(wanted)
            done = wanted

    def _confine(self, cpus: frozenset[int]) -> None:
        if cpus and (why := self._why_not(cpus)):
            self._log(f"keeper: CPUs {format_cpus(cpus)} cannot be kept free of others: {why}")
            return
        if self._tree is None or not self._in_own_slice(self._tree):
            return
        rest = format_cpus(self._there() - cpus)  # all, at the end: systemd does not undo what an empty list asks it to
        faults = [fault for name in SLICES if (fault := self._set(name, rest))]
        self._tree.confine_keeper(rest)
        if faults:
            which = f"CPUs {format_cpus(cpus)} are not free of others" if cpus else "others stay off some CPUs"
            self._log(f"keeper: {which}: {'; '.join(faults)}")
        elif cpus:
            self._log(f"keeper: CPUs {format_cpus(cpus)} are the applications' alone; all others run on {rest}")

    def _why_not(self, cpus: frozenset[int]) -> str:
        if self._tree is None:
            return "limits are not enforced on this device"
        if not self._in_own_slice(self._tree):
            return "the keeper's service is among the others: edgekit provision gives it a slice of its own"
        if not self._there() - cpus:
            return "there is no other CPU left for the system"
        return ""

    def _in_own_slice(self, tree: CgroupTree) -> bool:
        return not any(name in tree.path.parts for name in SLICES)

    def _there(self) -> frozenset[int]:
        return frozenset(parse_cpus(self._present.read_text().strip()))

    def _set(self, unit: str, cpus: str) -> str:
        """Confine one unit. Gives what went wrong."""
        argv = ["systemctl", "set-property", "--runtime", unit, f"AllowedCPUs={cpus}"]
        try:
            done = self._executor.run(argv, timeout_s=_TIMEOUT_S)
        except EdgekitError as error:
            return error.message
        return f"{unit}: {done.output.strip()}" if done.returncode else ""
