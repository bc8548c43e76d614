"""Lays out `site/`: wheels unpacked for the target, trimmed, compiled, and edgekit's own part beside them."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.cache import Cache, Cached
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.progress import Progress
from edgekit.host.travels import BUILDER, WORKER, travelling_files
from edgekit.host.unpack import unpack_zip
from edgekit.host.wheel.bytecode import compile_folder
from edgekit.host.wheel.check.audit import check_site
from edgekit.host.wheel.check.loads import Loads
from edgekit.host.wheel.clash import check_clashes
from edgekit.host.wheel.cross.store import CachedWheel
from edgekit.host.wheel.interpreter import Interpreter
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.refusal import explain
from edgekit.host.wheel.resolve import Locked
from edgekit.host.wheel.tidy import tidy, trim_rules
from edgekit.host.wheel.uv import Uv
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.units import counted
from edgekit.trust import sha256_file

if TYPE_CHECKING:
    from edgekit.host.wheel.trial.trial import Trial

_LAYOUT = 3
"""Raise it when the same wheels are to be laid out in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayoutTools:
    """What laying out works with."""

    sites: Path
    """Folder of the cache for what was laid out."""
    interpreter: Interpreter | None
    """For bytecode; None leaves it out."""
    executor: Executor
    progress: Progress
    trial: Trial | None = None
    """Imports packages that were built here, with the release's others beside them; None leaves it out."""

    def lay_out(self, key: str, make: Callable[[Path], None], title: str) -> Cached:
        """The folder of a key: from the cache, or made. Raises WheelError for a file that cannot be in a release."""

        def make_and_check(folder: Path) -> None:
            make(folder)
            _check_travels(folder)

        return Cache(self.sites, self.progress).get(key, make_and_check, title)

    def compile(self, folder: Path) -> None:
        """Add bytecode where that can be made."""
        if self.interpreter is not None:
            compile_folder(folder, self.interpreter, self.executor)

    def digest(self, *made_of: object) -> str:
        """The cache's key: everything that a folder is made of."""
        version = self.interpreter.version if self.interpreter else ""
        return hashlib.sha256(json.dumps([_LAYOUT, version, *made_of]).encode()).hexdigest()


def lay_out_wheels(wanted: Wanted, locked: Locked, tools: LayoutTools, uv: Uv, loads: Loads) -> Cached:
    """Lay out third-party packages as they go to `site/`, and check that the target can load them.

    Raises:
        WheelError: a wheel cannot be had, is not what the lock says, or writes what another writes.
    """
    rules, wheels = trim_rules(), locked.wheels

    def fill(folder: Path) -> None:
        with tools.progress.step(f"unpacking {counted(len(wheels), 'wheel')} for {wanted}"):
            _install(wanted, locked, folder, uv)
            check_installed(folder, WheelError, INSTALLER_FILES)
        tidy(folder, rules)
        with tools.progress.step("checking what they bring and what they ask of the target"):
            check_clashes(folder, wanted)
            _check(folder, loads)
        for wheel in wheels:
            if tools.trial is not None and wheel.source == "cross-built":
                tools.trial.try_package(wheel.name, wheel.version, folder)
        with tools.progress.step("compiling their bytecode"):
            if (folder / "edgekit").exists():
                raise WheelError("a package brings a folder named edgekit", hint="leave that package out")
            tools.compile(folder)

    exact = [[wheel.name, wheel.version, wheel.sha256] for wheel in wheels]
    tried = ["tried"] if tools.trial is not None and locked.built else []
    named = tools.digest(exact, [rule.glob for rule in rules.rules], loads.digest, *tried)
    return tools.lay_out(named, fill, f"{counted(len(wheels), 'wheel')} for {wanted}")


def _install(wanted: Wanted, locked: Locked, folder: Path, uv: Uv) -> None:
    """Unpack all wheels: those that an index of the recipe is to have from there, all others as the user has it."""
    apart = [index for index in wanted.rules.indexes if index.packages]
    elsewhere = frozenset[str]().union(*(index.packages for index in apart))
    rest = frozenset(wheel.name for wheel in locked.wheels) - elsewhere
    for index, names in [(None, rest), *((index, index.packages) for index in apart)]:
        lines = _requirements(locked, names)
        done = uv.install(wanted, lines, folder, index) if lines else None
        if done is not None and done.returncode:
            raise _not_installed(wanted, done.output)


def _check(site: Path, loads: Loads) -> None:
    faults = check_site(site, loads)
    if faults:
        more = f" (and {len(faults) - 1} more faults)" if len(faults) > 1 else ""
        details = "\n".join(map(str, faults))
        raise WheelError(f"{faults[0]}{more}", hint=faults[0].hint, details=details if more else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPart:
    """What of edgekit itself goes along."""

    builder: bool = False
    """Also what compiles engines on a device."""
    kernels: CachedWheel | None = None
    """Its compiled part; None: there is none."""


def lay_out_own(package: Path, tools: LayoutTools, part: OwnPart) -> Cached:
    """edgekit's part of `site/`: `edgekit/`, and its compiled part beside it.

    Args:
        package: edgekit's own package folder.
        tools: what laying out works with.
        part: what goes along.
    """
    names, kernels = travelling_files(package, BUILDER if part.builder else WORKER), part.kernels

    def fill(folder: Path) -> None:
        for name in names:
            copy = folder / "edgekit" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package / name, copy)
        if kernels is not None:
            with zipfile.ZipFile(kernels.wheel) as wheel:
                unpack_zip(wheel, folder)
        tools.compile(folder)

    made_of = [[name, sha256_file(package / name)] for name in names]
    key = tools.digest(made_of, *([kernels.record.sha256] if kernels else []))
    return tools.lay_out(key, fill, "edgekit's own part" + (" for builder devices" if part.builder else ""))


def _check_travels(folder: Path) -> None:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if not is_safe_path(name) or path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise WheelError(f"{name!r} of a package cannot travel", hint="leave that package out")


def _requirements(locked: Locked, names: Collection[str]) -> str:
    """What uv installs: wheels of an index by version, those that were built here by their path; all by hash."""
    lines = []
    for wheel in (wheel for wheel in locked.wheels if wheel.name in names):
        path = locked.built.get(wheel.name)
        what = f"{wheel.name} @ {path.absolute().as_uri()}" if path else f"{wheel.name}=={wheel.version}"
        lines.append(f"{what} --hash=sha256:{wheel.sha256}\n")
    return "".join(lines)


def _not_installed(wanted: Wanted, output: str) -> WheelError:
    if "hash mismatch" in output.lower():
        return WheelError(
            "a wheel that the index serves is not the one that was locked",
            hint="if the package was published anew, edgekit build --update-lock; else distrust the index",
            details=output,
        )
    return explain(wanted, output)
