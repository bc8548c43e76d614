"""Benches are not run by tests, so a name that has moved would be found by whoever takes figures next."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"


@pytest.mark.parametrize("name", sorted(file.stem for file in BENCH.glob("bench*.py")))
def test_a_bench_finds_everything_that_it_is_made_of(name: str) -> None:
    argv = [sys.executable, BENCH / f"{name}.py", "--help"]
    subprocess.run(argv, check=True, capture_output=True, timeout=120, cwd=BENCH.parents[1])


@pytest.mark.parametrize("name", sorted(file.stem for file in BENCH.glob("runtime_*.py")))
def test_a_module_of_the_runtimes_bench_gives_figures(name: str) -> None:
    code = f"import bench_runtime, {name}; {name}.figures"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120, cwd=BENCH)
