"""Benches and soaks are not run by tests, so a name that has moved would be found by whoever takes figures next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
BENCH = TESTS / "bench"


@pytest.mark.parametrize("file", [*sorted(BENCH.glob("bench*.py")), TESTS / "soak/soak.py"], ids=lambda f: f.stem)
def test_it_finds_everything_that_it_is_made_of(file: Path) -> None:
    argv = [sys.executable, file, "--help"]
    subprocess.run(argv, check=True, capture_output=True, timeout=120, cwd=BENCH.parents[1])


@pytest.mark.parametrize("name", sorted(file.stem for file in BENCH.glob("runtime_*.py")))
def test_a_module_of_the_runtimes_bench_gives_figures(name: str) -> None:
    code = f"import bench_runtime, {name}; {name}.figures"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120, cwd=BENCH)
