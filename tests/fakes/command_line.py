"""The command line as a process, with a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

EDGEKIT = (sys.executable, "-m", "edgekit.cli.main")


def run(
    *argv: str, cwd: Path, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `cwd` is its folder, and `cwd/home` all that it keeps."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
    everything = {**os.environ, "EDGEKIT_HOME": str(cwd / "home"), **(env or {})}
    return subprocess.run([*EDGEKIT, *argv], text=True, cwd=cwd, env=everything, timeout=120, check=False, **streams)
