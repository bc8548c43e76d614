"""`edgekit deploy --plan` and `doctor`: what each device could do with a release, before a byte moves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import settings_from
from edgekit.schema.manifest import EngineEntry, Manifest, Requires
from edgekit.schema.message import to_message
from tests.fakes.releases import make_plan
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="there is no sshd on this machine: apt-get install openssh-server"),
]
HOST = find_target("host", settings_from({}, Path(edgekit.__file__).parent))
DEVICE = """\
[devices.{name}]
address = "{address}"
service = "process"
prefix = "{prefix}"
identity = "{identity}"
known_hosts = "{known_hosts}"
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


class Desk:
    """Three devices: two on the same sshd, one that does not answer."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        self.folder = folder
        known = {"identity": sshd.identity, "known_hosts": sshd.known_hosts, "prefix": folder / "p"}
        addresses = {"gate-1": sshd.address, "gate-2": sshd.address, "gone": "root@127.0.0.1:1"}
        text = "".join(DEVICE.format(name=name, address=address, **known) for name, address in addresses.items())
        (folder / "fleet.toml").write_text(text)

    def release(self, *engines: EngineEntry, python: str = HOST.os.python, interpreter: str = "") -> str:
        requires = Requires(
            arch=HOST.os.arch,
            libc_version=HOST.os.libc_version,
            python=python,
            python_path=interpreter or HOST.os.python_path,
            cpus=(0,),
            memory_bytes=1 << 20,
            disk_bytes=1 << 20,
            cgroup_controllers=(),
        )
        manifest = Manifest(
            format=1,
            application="line",
            version="1.0.0",
            target="host",
            edgekit="0",
            requires=requires,
            files=(),
            wheels=(),
            engines=engines,
        )
        (self.folder / "release/files").mkdir(parents=True, exist_ok=True)
        (self.folder / "release/manifest.json").write_bytes(to_message(manifest))
        (self.folder / "release/files/plan.json").write_bytes(to_message(make_plan(application="line")))
        return "release"

    def run(self, *words: str) -> tuple[int, Any, str]:
        done = subprocess.run(
            [sys.executable, "-m", "edgekit.cli.main", *words],
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=120,
            check=False,
            env={**os.environ, "XDG_STATE_HOME": str(self.folder / "s"), "XDG_CONFIG_HOME": str(self.folder / "c")},
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout) if "--json" in words else done.stdout, done.stderr


@pytest.fixture
def desk(tmp_path: Path, sshd: Sshd) -> Desk:
    return Desk(tmp_path, sshd)


def engine(runner: str, **facts: str) -> EngineEntry:
    return EngineEntry(name="parts", runner=runner, path="e", model_sha256="0" * 64, facts=facts)  # type: ignore[arg-type]


def test_yes_where_it_fits(desk: Desk) -> None:
    code, told, _ = desk.run("deploy", desk.release(), "gate-1", "gate-2", "--plan", "--json")
    assert code == 7, "there is no keeper yet that could say whether it takes it"
    assert all("has no keeper" in one["unknown"] for one in told["transfers"])
    assert [(one["device"], one["fits"]) for one in told["devices"]] == [("gate-1", True), ("gate-2", True)]
    assert told["application"] == "line"


def test_no_with_every_reason_and_its_cure(desk: Desk) -> None:
    release = desk.release(engine("rknn", platform="rk3588", format="rknn 6"), python="2.7")
    code, text, _ = desk.run("deploy", release, "gate-1", "--plan")
    assert code == 8
    assert text.startswith("gate-1: no\n")
    assert "the NPU is not there, needed is rk3588: build the release for a target of this board" in text
    assert "Python is 3." in text
    code, told, _ = desk.run("doctor", "gate-1", release, "--json")
    assert code == 8
    assert "the NPU" in [finding["subject"] for finding in told["findings"]]


def test_each_engine_is_told_by_doctor(desk: Desk) -> None:
    release = desk.release(engine("rknn", platform="rk3588"), engine("onnxruntime", opset="17"))
    code, text, _ = desk.run("doctor", "gate-1", release)
    assert code == 8
    assert "  engine parts for rknn: does not fit\n    the NPU is not there" in text
    assert "  engine parts for onnxruntime: fits\n" in text
    _, told, _ = desk.run("doctor", "gate-1", release, "--json")
    assert [(one["runner"], one["fits"]) for one in told["engines"]] == [("rknn", False), ("onnxruntime", True)]


def test_a_device_without_the_python_that_it_takes_is_no_device_that_cannot_be_reached(desk: Desk) -> None:
    code, text, _ = desk.run("deploy", desk.release(interpreter="/usr/bin/python9.9"), "gate-1", "--plan")
    assert code == 8
    assert text.startswith("gate-1: no: ")
    assert "has no /usr/bin/python9.9: install Python" in text


def test_a_device_that_does_not_answer_is_told_and_stops_nobody(desk: Desk) -> None:
    code, told, _ = desk.run("deploy", desk.release(), "gone", "gate-1", "--plan", "--json")
    assert code == 7
    assert [(one["device"], one["fits"], bool(one["unreachable"])) for one in told["devices"]] == [
        ("gone", False, True),
        ("gate-1", True, False),
    ]


def test_deploying_refuses_for_the_same_reasons(desk: Desk) -> None:
    release = desk.release(engine("tensorrt", sm="8.7", tensorrt="10.3.0.30"))
    code, told, _ = desk.run("deploy", release, "gate-1", "gate-2", "--json")
    assert code == 2
    assert "one at a time" in told["error"]["message"]
    code, text, _ = desk.run("deploy", release, "gate-2", "--plan")
    assert code == 8
    assert "the GPU is not there, needed is SM 8.7" in text
