"""Tries a release's stages on this machine before anything is sent. In a child: a recipe's code is foreign code.

The child is `edgekit.device.runtime.rehearsal.rehearse`: the worker's own stages, with recorded answers or ONNX
Runtime in place of engines that cannot run here.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import edgekit
from edgekit.errors import EdgekitError, InputError
from edgekit.executor import Completed
from edgekit.host.own_folder import temporary_folder
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.rehearsal import NOW, OUTPUT, REPLY, REQUEST, Grab, RehearsalReply, RehearsalRequest

_CHILD = "edgekit.device.runtime.rehearsal.rehearse"
_MAX_REPLY_BYTES = 64 << 20
_SHOWN_BYTES = 4000
_COPIED_BYTES = 16 << 20
_STEPS_BESIDE_STAGES = 8
_MANY = 200
"""Files that a command line has room for; where there are more, their folders are shown whole."""
_REASON = "correct that code: on a board the release would fail in the same place"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """The Python packages of a release."""

    folder: Path
    """Where they lie unpacked."""
    native: bool
    """Whether this Python can import those that are compiled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is to be tried."""

    plan: WorkerPlan
    files: Mapping[str, Path]
    """What the release will hold below `recipe/` and `app/`, by its path there."""
    packages: Packages | None = None
    """None: not known; only this machine's own can be imported."""
    pictures: tuple[Path, ...] = ()
    grab: Grab | None = None
    """Takes pictures out of the clip in place of `pictures`."""
    answers: Mapping[str, Path] = field(default_factory=dict)
    """An `.npz` for each engine that cannot run here: an array `output:NAME` for each output, [pictures, ...]. An
    engine without one is loaded by its plan, whose path may be absolute."""
    step_s: float = 120.0
    memory_bytes: int = 8 << 30


def run_rehearsal(rehearsal: Rehearsal, sandbox: Sandbox) -> RehearsalReply:
    """Make every stage, source and sink, and let the pictures pass the stages that have no state.

    Returns:
        What was found in each picture, and what this machine could not try.

    Raises:
        InputError: something would fail on the device too, or the recipe's code does not end.
    """
    with temporary_folder("edgekit-rehearsal-") as folder:
        (folder / REQUEST).write_bytes(to_message(_lay_out(folder, rehearsal)))
        steps = _STEPS_BESIDE_STAGES + len(rehearsal.plan.stages) * (4 + len(rehearsal.pictures))
        try:
            argv = [sys.executable, "-I", "-m", _CHILD, str(folder)]
            done = sandbox.run(argv, _box(folder, rehearsal), timeout_s=steps * rehearsal.step_s + 60)
        except EdgekitError as error:
            raise InputError(f"{_now(folder)} does not end", hint=_REASON, details=error.details) from None
        reply = _read_reply(folder, done, rehearsal)
    if reply.failure is not None:
        raise InputError(reply.failure.message, hint=reply.failure.hint, details=reply.failure.details)
    return reply


def _box(folder: Path, rehearsal: Rehearsal) -> Box:
    """What a recipe's code may see: its own files, its packages, its engines, and the runtime that carries it."""
    grab, engines = rehearsal.grab, rehearsal.plan.engines.values()
    files = [*rehearsal.files.values(), *rehearsal.pictures, *rehearsal.answers.values()]
    files += [Path(name) for engine in engines for name in (engine.path, engine.tail) if Path(name).is_absolute()]
    packages = (rehearsal.packages.folder,) if rehearsal.packages else ()
    runtime = (Path(sys.prefix), Path(sys.base_prefix), Path(edgekit.__file__).parent)
    return Box(
        environment={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        cwd=folder,
        readable=(*runtime, *packages, *(files if len(files) <= _MANY else {file.parent for file in files})),
        writable=(folder, *((Path(grab.folder),) if grab else ())),
    )


def _lay_out(folder: Path, rehearsal: Rehearsal) -> RehearsalRequest:
    release = folder / "release"
    for path, file in rehearsal.files.items():
        (release / path).parent.mkdir(parents=True, exist_ok=True)
        if path.startswith("app/") and file.stat().st_size <= _COPIED_BYTES:
            shutil.copyfile(file, release / path)  # so that no code of the recipe writes into the user's own folder
        else:
            (release / path).symlink_to(file.absolute())
    packages = rehearsal.packages
    return RehearsalRequest(
        plan=rehearsal.plan,
        release=str(release),
        packages=str(_importable(folder, packages)) if packages else "",
        site=str(packages.folder.absolute()) if packages else "",
        native=packages is not None and packages.native,
        pictures=tuple(str(picture.absolute()) for picture in rehearsal.pictures),
        grab=rehearsal.grab,
        answers={name: str(file.absolute()) for name, file in rehearsal.answers.items()},
        step_s=rehearsal.step_s,
        memory_bytes=rehearsal.memory_bytes,
    )


def _importable(folder: Path, packages: Packages) -> Path:
    """A folder of what of the packages this Python can import: all, or those without compiled modules."""
    if packages.native:
        return packages.folder.absolute()
    pure = folder / "packages"
    pure.mkdir()
    for entry in packages.folder.absolute().iterdir():
        inside = entry.rglob("*.so*") if entry.is_dir() else [entry]
        if not any(".so" in file.suffixes for file in inside):
            (pure / entry.name).symlink_to(entry)
    return pure


def _read_reply(folder: Path, done: Completed, rehearsal: Rehearsal) -> RehearsalReply:
    printed = _tail(folder / OUTPUT) or done.output[-_SHOWN_BYTES:]
    if printed:
        logging.getLogger(__name__).info("the recipe's code printed:\n%s", printed)
    file = folder / REPLY
    if file.is_file() and file.stat().st_size <= _MAX_REPLY_BYTES:
        return from_message(RehearsalReply, file.read_bytes(), "the rehearsal's reply")
    raise InputError(f"{_now(folder)} {_end(done.returncode, rehearsal)}", hint=_REASON, details=printed)


def _end(returncode: int, rehearsal: Rehearsal) -> str:
    """How a child ended that left no reply."""
    if returncode == -signal.SIGALRM:
        return f"takes longer than {rehearsal.step_s:g} s"
    if returncode < 0:
        return f"ends the process with signal {-returncode} ({signal.strsignal(-returncode)})"
    return f"ends the process with exit code {returncode}"


def _now(folder: Path) -> str:
    """What the child was doing."""
    return _tail(folder / NOW) or "starting the rehearsal"


def _tail(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            opened.seek(max(0, size - _SHOWN_BYTES))
            return opened.read(_SHOWN_BYTES).decode(errors="replace").strip()
    except OSError:
        return ""
