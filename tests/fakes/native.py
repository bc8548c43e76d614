"""Compiles C for tests: with this machine's own compiler, or with zig where it has none, and for other systems."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_ZIG = [
    sys.executable,
    "-m",
    "uv",
    "run",
    "--quiet",
    "--no-project",
    "--with",
    "ziglang",
    "python",
    "-m",
    "ziglang",
    "cc",
]


def compile_library(source: str, folder: Path, target: str = "") -> Path:
    """Make a shared library of a C file beside this one.

    Args:
        source: its name.
        folder: where it goes.
        target: zig's name of another system, `aarch64-linux-gnu.2.31`; empty for this one.
    """
    made = folder / f"lib{Path(source).stem}.so"
    compiler = shutil.which("cc")
    command = [compiler] if compiler and not target else [*_ZIG, *(["-target", target] if target else [])]
    options = ["-shared", "-fPIC", "-O1", "-pthread", "-Wall", "-Wextra", "-Werror"]
    done = subprocess.run(
        [*command, *options, "-o", str(made), str(HERE / source)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return made


def compile_program(sources: list[Path], made: Path, *options: str, target: str = "") -> Path:
    """Make a program of C files; see `compile_library`."""
    command = [*_ZIG, "-target", target] if target else ["cc"]
    argv = [*command, "-Wall", "-Wextra", "-Werror", *options, "-o", str(made), *map(str, sources)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return made
