"""What the sandbox costs: the start of a program in each way there is, beyond the start of the same program bare."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.sandbox import Sandbox, SandboxWay, usual_ways
from measure import Figure, measured, seconds
from parts import take

N = 31


def start_cost(way: SandboxWay, work: Path) -> Iterator[Figure]:
    """Milliseconds that one start takes longer than without; nothing where this machine does not allow the way."""
    box = Box(environment={"PATH": "/usr/bin:/bin"}, cwd=work, readable=(Path(sys.prefix),), writable=(work,))
    caged = Sandbox(LocalExecutor(), Silent(), ways=lambda: (way,))
    bare = Sandbox(LocalExecutor(), Silent(), ways=lambda: ())
    if caged.kind == "none":
        return
    costs = []
    for _ in range(N):
        inside = seconds(lambda: caged.run(["/bin/true"], box, timeout_s=60))
        costs.append(1000 * (inside - seconds(lambda: bare.run(["/bin/true"], box, timeout_s=60))))
    yield measured(f"sandbox_{way.kind}_ms", costs, unit="ms", against="the same program without a sandbox")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        take({way.kind: partial(start_cost, way, Path(folder)) for way in usual_ways()}, wanted.json)


if __name__ == "__main__":
    main()
