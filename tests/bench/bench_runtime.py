"""`make bench-runtime`: what the worker costs, peers in the same run. Each `runtime_NAME.py` gives some figures.

    bench_runtime.py [--only NAME...] [--rounds N] [--json FILE]

A module has `figures(rounds: int) -> list[Figure]`. Names of figures stay stable: they are compared over time.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from functools import partial
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # modules use real servers and clips of tests/fakes

from measure import Figure  # noqa: E402
from parts import take  # noqa: E402

ROUNDS = 7
_PREFIX = "runtime_"
CONSOLE = Console(stderr=True)


def modules() -> list[str]:
    """Names of everything that gives figures of the runtime."""
    return sorted(file.stem.removeprefix(_PREFIX) for file in Path(__file__).parent.glob(f"{_PREFIX}*.py"))


def figures_of(name: str, rounds: int) -> list[Figure]:
    """Take the figures of a module."""
    CONSOLE.print(f"{name} ...")
    figures: list[Figure] = importlib.import_module(f"{_PREFIX}{name}").figures(rounds)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=modules(), metavar="NAME", help=f"of {', '.join(modules())}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each pair is taken")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    wanted = parser.parse_args()
    take({name: partial(figures_of, name, wanted.rounds) for name in wanted.only or modules()}, wanted.json)


if __name__ == "__main__":
    main()
