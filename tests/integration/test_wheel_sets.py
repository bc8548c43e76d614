"""What vision applications ask for, of the real index: sets that resolve, or are refused with a cure that works."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
ORIN, ROCK = "jetson-orin-nano-jp62", "rk3588-debian12"


class Line:
    """A recipe that asks for packages; compilers and wheels that were built are the shared cache's."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.recipe = Path(shutil.copytree(ROOT / "recipes/sorting-line", home / "line"))
        shutil.rmtree(self.recipe / "locks", ignore_errors=True)

    def asks(self, text: str) -> None:
        file = self.recipe / "recipe.toml"
        file.write_text(f"{file.read_text().partition('[python]')[0]}[python]\n{text}\n")

    def lock(self, target: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "edgekit.cli.main", "wheel", "lock", str(self.recipe), "--target", target, "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "XDG_STATE_HOME": str(self.home / "state"), **variables},
            cwd=self.home,
            timeout=800,
            check=False,
        )
        assert done.returncode in (0, 2, 4), done.stderr
        return done

    def locked(self, target: str) -> dict[str, Any]:
        done = self.lock(target)
        assert done.returncode == 0, done.stderr
        return {wheel["name"]: wheel for wheel in json.loads(done.stdout)["wheels"]}

    def refused(self, target: str) -> tuple[str, str]:
        """The error's sentence and its hint."""
        done = self.lock(target)
        assert done.returncode == 4, done.stderr
        found = re.search(r"^error: (.*?)$.*^hint: (.*?)$", done.stderr, re.MULTILINE | re.DOTALL)
        assert found, done.stderr
        return found[1], found[2]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


@pytest.mark.parametrize("target", [ORIN, ROCK])
def test_norfair_keeps_its_range_of_filterpy_which_is_built(target: str, line: Line) -> None:
    """Its wheel asks for filterpy>=1.4.5,<2, of which there is nothing but the source package."""
    line.asks('requirements = ["norfair==2.3.0"]')
    wheels = line.locked(target)
    assert wheels["norfair"]["version"] == "2.3.0"
    assert (wheels["filterpy"]["version"], wheels["filterpy"]["source"]) == ("1.4.5", "cross-built")
    assert "scipy" in wheels, "filterpy's own needs are known from the wheel that was built"
    assert line.locked(target) == wheels


@pytest.mark.parametrize(("target", "has"), [(ORIN, "has CUDA 12.6"), (ROCK, "has no NVIDIA GPU")])
def test_ultralytics_is_refused_for_its_cuda_and_the_hint_cures_it(target: str, has: str, line: Line) -> None:
    line.asks('requirements = ["ultralytics"]')
    sentence, hint = line.refused(target)
    assert re.fullmatch(rf"torch \S+ is built for CUDA 1\d\.\d and brings .* more; {target} {has}", sentence)
    assert ("jetson" in hint) == (target == ORIN)
    constraint = re.search(r"(constraints = \[\"torch<=[\d.]+\"\]) under \[python\]", hint)
    assert constraint, hint
    line.asks(f'requirements = ["ultralytics"]\n{constraint[1]}\nexclude = ["opencv-python"]')
    done = line.lock(target)
    assert done.returncode == 0, done.stderr
    assert ("computes on the CPU alone" in done.stderr) == (target == ORIN)
    names = {wheel["name"] for wheel in json.loads(done.stdout)["wheels"]}
    assert {"ultralytics", "torch", "opencv-python-headless"} <= names and "opencv-python" not in names
    assert not {name for name in names if name.startswith(("nvidia-cu", "cuda"))}


def test_tensorrt_is_left_to_jetpack(line: Line) -> None:
    line.asks('requirements = ["tensorrt-cu12"]')
    sentence, hint = line.refused(ORIN)
    assert sentence == f"tensorrt-cu12 does not go into a release for {ORIN}: JetPack has it"
    assert hint.startswith("leave it out")


def test_onnxruntime_for_gpus_names_where_it_is(line: Line) -> None:
    line.asks('requirements = ["onnxruntime-gpu"]')
    sentence, hint = line.refused(ORIN)
    assert sentence == f"the package index has no onnxruntime-gpu for {ORIN} (CUDA 12.6)"
    assert 'indexes.jetson = { url = "https://...", packages = ["onnxruntime-gpu"] }' in hint
    sentence, hint = line.refused(ROCK)
    assert sentence == f"onnxruntime-gpu is for NVIDIA GPUs, and {ROCK} has none"
    line.asks('requirements = ["onnxruntime"]')
    assert "onnxruntime" in line.locked(ROCK)


@pytest.mark.parametrize(
    ("requirement", "sentence", "hint"),
    [
        ("torch==2.9.0+cu126", "the package index has no torch==2.9.0+cu126 for Python 3.11", "write torch==2.9.0, or"),
        ("psutil===foo", "foo is no version", ""),
    ],
)
def test_a_version_that_no_index_can_have(requirement: str, sentence: str, hint: str, line: Line) -> None:
    line.asks(f'requirements = ["{requirement}"]')
    done = line.lock(ROCK)
    assert done.returncode == (4 if hint else 2), done.stderr
    assert sentence in done.stderr and hint in done.stderr
