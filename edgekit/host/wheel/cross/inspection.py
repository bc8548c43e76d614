"""Checks a wheel that was just built, and grafts libraries into it that the board lacks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.wheel.check.audit import WheelReport, check_wheel
from edgekit.host.wheel.check.graft import graft
from edgekit.host.wheel.check.loads import Loads, loads_of
from edgekit.host.wheel.cross.crossbuild import Inspected
from edgekit.host.wheel.cross.environment import Extras
from edgekit.schema.target import Target

_NOT_YET_TRUE = frozenset({"tag", "record"})
"""Back ends tag for `linux_aarch64`; the tag is set, and RECORD written anew, after the inspection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspector:
    """Inspects wheels for one target."""

    target: Target
    cross: Path
    """The data folder `cross`."""
    executor: Executor

    def inspect(self, wheel: Path, extras: Extras) -> Inspected:
        """Check a wheel; graft libraries of its sysroot that the board does not bring.

        Raises:
            WheelError: the target could not load it.
        """
        loads = loads_of(self.target, self.cross)
        loads = dataclasses.replace(loads, libraries=(*loads.libraries, *extras.on_board))
        report = check_wheel(wheel, loads)
        foreign = [name for name in report.needed if not loads.has(name)]
        grafted: tuple[str, ...] = ()
        multiarch = f"{self.target.os.arch}-linux-gnu"
        folders = [extras.sysroot / lib / multiarch for lib in ("usr/lib", "lib")] if extras.sysroot else []
        if any((folder / name).exists() for folder in folders for name in foreign):
            out = wheel.parent / "grafted"
            out.mkdir()
            wheel = graft(wheel, folders, loads.libraries, out, self.executor)
            report = check_wheel(wheel, loads)
            grafted = extras.sysroot_packages
        _refuse(wheel, report, loads)
        return Inspected(wheel=wheel, platform=report.true_platform, grafted=grafted)

    def recheck(self, wheel: Path, extras: Extras) -> None:
        """Check the finished wheel, its tags and RECORD included.

        Raises:
            WheelError: the target could not load it, or its installer would not take it.
        """
        loads = loads_of(self.target, self.cross)
        loads = dataclasses.replace(loads, libraries=(*loads.libraries, *extras.on_board))
        faults = [fault for fault in check_wheel(wheel, loads).faults if fault.severity == "refuse"]
        if faults:
            raise WheelError(f"{faults[0]}", hint=faults[0].hint, details="\n".join(map(str, faults[1:])))


def _refuse(wheel: Path, report: WheelReport, loads: Loads) -> None:
    faults = [fault for fault in report.faults if fault.code not in _NOT_YET_TRUE]
    if not report.elf_files and f"linux_{loads.arch}" in wheel.name:
        return  # for this machine by name alone; it becomes a wheel for any
    if faults:
        details = "\n".join(map(str, faults))
        raise WheelError(f"{faults[0]}", hint=faults[0].hint, details=details if len(faults) > 1 else "")
    if "x86_64" in wheel.name and loads.arch != "x86_64":
        raise WheelError(f"{wheel.name} was built for this machine", hint="tell us which package it is")
