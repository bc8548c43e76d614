"""Bytecode for the target's Python, made by an interpreter of the same minor version on this machine.

A board that finds none compiles in memory at each start of a worker: seconds on a slow one.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.wheel.interpreter import Interpreter

_TIMEOUT_S = 600.0


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
