"""Bytecode for the target's Python, made by an interpreter of the same minor version on this machine.

A board that finds none compiles in memory at each start of a worker: seconds on a slow one.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.wheel.uv import Uv

_TIMEOUT_S = 600.0
_TELL_VERSION = "import platform, sys; print(sys.implementation.cache_tag, platform.python_version())"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """A Python of this machine whose bytecode a target can use."""

    path: Path
    version: str
    """Full: patch versions compile a few files differently."""


def find_interpreter(minor: str, uv: Uv, executor: Executor) -> Interpreter | None:
    """A CPython of a minor version: this one if it fits, else what uv finds; None where there is none."""
    if minor == f"{sys.version_info.major}.{sys.version_info.minor}" and sys.implementation.name == "cpython":
        return Interpreter(path=Path(sys.executable), version=platform.python_version())
    found = uv.find_python(minor)
    if found is None:
        return None
    done = executor.run([str(found), "-I", "-c", _TELL_VERSION], timeout_s=_TIMEOUT_S)
    tag, _, version = done.text.partition(" ")
    fits = done.returncode == 0 and tag == "cpython-" + minor.replace(".", "")
    return Interpreter(path=found, version=version) if fits else None


def compile_folder(folder: Path, interpreter: Interpreter, executor: Executor) -> None:
    """Compile all Python files below `folder`; see `bytecode_script` for what makes the result reproducible."""
    script = resources.files("edgekit.host.wheel").joinpath("bytecode_script.py").read_text(encoding="utf-8")
    clean = ["env", "-i", "PYTHONHASHSEED=0", str(interpreter.path), "-S", "-s"]
    done = executor.run([*clean, "-c", script, str(folder.absolute())], timeout_s=_TIMEOUT_S, cwd="/")
    if done.returncode:
        raise WheelError(
            f"Python {interpreter.version} did not compile the packages",
            hint=f"try that interpreter: {interpreter.path} --version",
            details=done.output,
        )
