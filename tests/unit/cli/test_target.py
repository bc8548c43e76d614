"""`edgekit target` and `edgekit schema`, up to what is printed and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import edgekit
from edgekit.cli.main import app
from edgekit.cli.target import describe
from edgekit.errors import InputError
from edgekit.host.catalogue.targets import read_target
from edgekit.host.settings import settings_from
from edgekit.host.workflow.probe import target_file
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.json_schema import schema_files
from edgekit.schema.reader import from_raw, from_toml
from edgekit.schema.target import TargetFile
from edgekit.sent.facts.report import facts as probe
from tests.fakes.boards.tree import build_board


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_list_names_every_target_and_its_file() -> None:
    lines = run("target", "list").splitlines()
    named = next(index for index, line in enumerate(lines) if line.startswith("rk3588-debian12 "))
    assert lines[named].endswith("  RK3588 or RK3588S board, Debian 12, vendor kernel")
    offers = "wheels: cp311, glibc 2.36; engines: rknn 2.3.2 for rk3588, made here; limits: enforced"
    assert lines[named + 1].strip() == f"{offers}; known from: published outputs"
    told = json.loads(run("target", "list", "--json"))["targets"]
    assert [target["name"] for target in told] == [line.split()[0] for line in lines[::2]]
    assert {target["known_from"] for target in told} == {"", "virtual board", "published outputs", "datasheet"}
    assert all(Path(target["file"]).is_file() for target in told)


def test_show_prints_a_target_that_can_be_read() -> None:
    text = run("target", "show", "jetson-orin-nx-jp62")
    settings = settings_from({}, Path(edgekit.__file__).parent)
    shipped = read_target(settings.data_dir / "targets/jetson-orin-nx-jp62.toml", settings)
    assert from_toml(TargetFile, text, "shown") == shipped
    assert json.loads(run("target", "show", "jetson-orin-nx-jp62", "--json"))["accelerators"][0]["dla_cores"] == 2


def test_unknown_target() -> None:
    with pytest.raises(InputError, match="did you mean virt-arm64"):
        run("target", "show", "virt-arm")


def test_schema_writes_the_schemas() -> None:
    told = json.loads(run("schema", "--out", "made/here", "--json"))
    assert {Path(file).name: Path(file).read_bytes() for file in told["files"]} == schema_files()


def test_a_file_holds_the_target_of_its_name() -> None:
    assert target_file(None, "box") == Path("targets/box.toml")
    assert target_file(Path("x/box.toml"), "box") == Path("x/box.toml")
    for out, name in ((Path("x/other.toml"), "box"), (Path("box.txt"), "box"), (None, "../box"), (None, "")):
        with pytest.raises(InputError, match="cannot hold a target named"):
            target_file(out, name)


def test_facts_for_people(tmp_path: Path) -> None:
    found = from_raw(DeviceFacts, probe(str(build_board("orin-nano-jp62", tmp_path / "root")), "/var/lib"), "nano")
    assert describe(found) == [
        "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
        "  system    Ubuntu 22.04.5 LTS, kernel 5.15.148-tegra, L4T 36.4.7",
        "  libc      glibc 2.35",
        "  python    3.10.12 (/usr/bin/python3.10)",
        "  cpus      cluster0 0-3 (capacity 1024), cluster1 4-5 (capacity 1024)",
        "  memory    7.3 GiB, page 4.0 KiB",
        "  cgroup    version 2: cpuset cpu io memory pids, with PSI",
        "  engines   tensorrt 10.3.0.30 on tegra234, CUDA 12.6.11, 8 SMs of 8.7, power mode 25W",
    ]
