"""Imports each compiled module of a package in a process of its own, and refuses what would fail on the board."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edgekit.errors import EdgekitError, WheelError
from edgekit.host.own_folder import temporary_folder
from edgekit.host.progress import Progress
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.wheel.trial.board_python import BoardPython, NoPython
from edgekit.host.wheel.trial.modules import Compiled, compiled_parts
from edgekit.host.wheel.trial.verdict import TrialContext, TrialVerdict, judge

_ONE_S = 120.0
_ALL_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A package that was tried."""

    package: str
    """Name and version, for messages."""
    works: int
    """How many of its modules could be imported."""
    notes: tuple[str, ...]
    """Why others could not be tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Tries packages for one target."""

    python: Callable[[], BoardPython | NoPython]
    """Asked when the first package is to be tried."""
    arch: str
    cores: str
    untried: Callable[[str, str], str]
    """Why the modules of a package, by name and version, cannot be imported here; empty where they can."""
    sandbox: Sandbox
    progress: Progress
    jobs: int

    def try_package(self, name: str, version: str, site: Path) -> Tried:
        """Import a package's modules from a folder of packages; what could not be tried is reported.

        Args:
            name: the package.
            version: for messages.
            site: the folder, with what the package needs beside it.

        Raises:
            WheelError: a module would not work on the board; the message says which and why.
        """
        package = f"{name} {version}"
        parts = compiled_parts(site, name, self.arch)
        if not parts:
            return Tried(package=package, works=0, notes=())
        untried = self.untried(name, version)
        python = NoPython(reason=untried) if untried else self.python()
        if isinstance(python, NoPython):
            return self._told(Tried(package=package, works=0, notes=(f"was not imported: {python.reason}",)))
        what = f"{len(parts)} module{'s' * (len(parts) > 1)}"
        with self.progress.step(f"{package}: importing {what} as on the board"):
            verdicts = self._judge(parts, name, site, python)
        bad = [verdict for verdict in verdicts if verdict.outcome == "refused"]
        if bad:
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            details = "\n".join(verdict.message for verdict in bad[1:])
            raise WheelError(f"{package} would not work: {bad[0].message}{more}", hint=bad[0].hint, details=details)
        notes = tuple(verdict.message for verdict in verdicts if verdict.outcome == "unknown")
        return self._told(Tried(package=package, works=len(parts) - len(notes), notes=notes))

    def _told(self, tried: Tried) -> Tried:
        for note in tried.notes[:3]:
            self.progress.note(f"{tried.package}: {note}")
        if len(tried.notes) > 3:
            self.progress.note(f"{tried.package}: {len(tried.notes) - 3} more modules could not be tried")
        return tried

    def _judge(self, parts: Sequence[Compiled], name: str, site: Path, python: BoardPython) -> list[TrialVerdict]:
        script = resources.files("edgekit.host.wheel.trial").joinpath("script.py").read_text(encoding="utf-8")
        context = TrialContext(rule=f"cross/packages/{name}.toml", cores=self.cores)
        deadline = time.monotonic() + _ALL_S

        def one(part: Compiled) -> TrialVerdict:
            left = min(_ONE_S, deadline - time.monotonic())
            if left <= 0:
                return TrialVerdict(
                    part=part, outcome="unknown", message=f"{part} was not tried: the others took too long"
                )
            with temporary_folder("edgekit-trial-") as folder:
                words = ("-c", script, part.kind, part.name)
                try:
                    ended = python.run(words, site, Path(folder), self.sandbox, left)
                except EdgekitError:
                    why = f"{part} could not be tried here: its import takes longer than {left:.0f} s under emulation"
                    return TrialVerdict(part=part, outcome="unknown", message=why)
                return judge(part, ended, context)

        with ThreadPoolExecutor(self.jobs) as pool:
            return list(pool.map(one, parts))
