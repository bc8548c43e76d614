"""The keeper alone with a bare interpreter: no site packages, nothing of the worker's, nothing heavy for `connect`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.host.provision.keeper_zip import build_keeper

FORBIDDEN = ("numpy", "cv2", "av", "onnxruntime", "paramiko", "rich", "typer", "tomllib", "asyncio", "ssl")
"""Third parties, what Python 3.10 does not have, and what costs more memory than the keeper itself."""

LIST = "import sys; sys.path.insert(0, {pyz!r}); import {module}; print(*sorted(sys.modules))"


def interpreters() -> list[str]:
    """This one without its virtual environment, and every other that the keeper must run on and this machine has."""
    own = os.path.realpath(sys.executable)
    others = [f"/usr/bin/python3.{minor}" for minor in range(10, 15)]
    return list(dict.fromkeys([own, *(path for path in others if Path(path).exists())]))


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keeper") / "edgekitd.pyz"
    path.write_bytes(build_keeper())
    return path


def run(python: str, *args: object) -> subprocess.CompletedProcess[str]:
    argv = [python, "-I", "-S", *map(str, args)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env={"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize("python", interpreters())
def test_version(pyz: Path, python: str) -> None:
    done = run(python, pyz, "version")
    assert json.loads(done.stdout) == {"version": "0.1.0", "protocol": 1}, done.stderr


@pytest.mark.parametrize("python", interpreters())
def test_the_whole_keeper_imports_nothing_from_outside(pyz: Path, python: str) -> None:
    modules = "edgekit.device.keeper.service, edgekit.device.keeper.background, edgekit.device.keeper.control.connect"
    modules += ", edgekit.device.telemetry.program"
    done = run(python, "-c", LIST.format(pyz=str(pyz), module=modules))
    loaded = done.stdout.split()
    assert {"edgekit.device.keeper.loop", "edgekit.device.telemetry.sensors"} <= set(loaded), done.stderr
    wrong = {name for name in loaded if name.split(".")[0] in FORBIDDEN}
    wrong |= {name for name in loaded if name.startswith(("edgekit.host", "edgekit.cli"))}
    wrong |= {name for name in loaded if name.startswith(("edgekit.device.runtime", "edgekit.imaging"))}
    assert not wrong


def test_connect_is_light(pyz: Path) -> None:
    """It runs once per command, on boards where importing is slow."""
    done = run(
        interpreters()[0],
        "-c",
        LIST.format(pyz=str(pyz), module="edgekit.device.keeper.daemon, edgekit.device.keeper.control.connect"),
    )
    heavy = {"dataclasses", "typing", "re", "json", "inspect", "subprocess", "threading", "pathlib", "tempfile"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["connect", "--prefix", "/no/such/prefix"], 7, "the keeper does not answer on /no/such/prefix/run/edgekit"),
        (
            ["connect", "--prefix", "/no", "--preview", "gate"],
            7,
            "the preview of gate does not answer on /no/run/edgekit",
        ),
        (["connect", "--prefix", "/no", "--preview", "../x"], 2, "--preview takes the name of an application"),
        ([], 2, "usage"),
        (["dance"], 2, "usage"),
        (["run", "--prefix", "relative"], 2, "usage"),
        (["telemetry"], 2, "hint: edgekit status DEVICE shows it"),
    ],
)
def test_refusals_are_a_sentence_and_a_code(pyz: Path, args: list[str], code: int, said: str) -> None:
    done = run(interpreters()[0], pyz, *args)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
