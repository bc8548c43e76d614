"""`make bench-runtime`: what the worker costs, peers in the same run. Each `runtime_NAME.py` gives some figures.

    bench_runtime.py [--only NAME...] [--rounds N] [--json FILE]

A module has `figures(rounds: int) -> list[Figure]`. Names of figures stay stable: they are compared over time.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # modules use real servers and clips of tests/fakes

from bench import show  # noqa: E402
from measure import Figure  # noqa: E402

ROUNDS = 7
_PREFIX = "runtime_"
CONSOLE = Console(stderr=True)


def modules() -> list[str]:
    """Names of everything that gives figures of the runtime."""
    return sorted(file.stem.removeprefix(_PREFIX) for file in Path(__file__).parent.glob(f"{_PREFIX}*.py"))


def gather(names: list[str], rounds: int) -> list[Figure]:
    """Take the figures of some modules, one module after the other."""
    figures: list[Figure] = []
    for name in names:
        CONSOLE.print(f"{name} ...")
        figures += importlib.import_module(f"{_PREFIX}{name}").figures(rounds)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=modules(), metavar="NAME", help=f"of {', '.join(modules())}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often each pair is taken")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    wanted = parser.parse_args()
    figures = gather(wanted.only or modules(), wanted.rounds)
    show(figures)
    if wanted.json:
        wanted.json.write_text(json.dumps([dataclasses.asdict(figure) for figure in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
