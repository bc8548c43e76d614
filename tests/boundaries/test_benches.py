"""Benches and soaks are not run by tests, so a name that has moved would be found by whoever takes figures next."""

from __future__ import annotations

import json
import os
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


FAILS_HALFWAY = """
from pathlib import Path

from measure import measured
from parts import take

def halfway():
    yield measured("before_s", [1.0], unit="s")
    raise StopIteration

def late():
    print("late begins")
    yield measured("other_s", [2.0], unit="s")

take({"halfway": halfway, "late": late}, Path("figures.json"))
"""


def test_a_part_that_fails_takes_no_figure_away_and_each_is_shown_when_it_is_there(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", FAILS_HALFWAY]
    env = {**os.environ, "PYTHONPATH": str(BENCH)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=env, check=False)
    assert done.returncode == 1, done.stderr
    assert "without all of its figures: halfway" in done.stderr and "StopIteration" in done.stderr
    assert [one["name"] for one in json.loads((tmp_path / "figures.json").read_text())] == ["before_s", "other_s"]
    assert done.stdout.index("before_s") < done.stdout.index("late begins") < done.stdout.index("other_s")
