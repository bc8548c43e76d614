"""Targets that leave what they have in common with others to a board and an image."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.host.catalogue.targets import find_target, read_target
from edgekit.host.settings import settings_from
from edgekit.schema.target import Target

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
GATE = 'name = "gate"\ntitle = "A gate"\nboard = "rk3588"\nimage = "debian12"\n'


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def find(folder: Path, text: str) -> Target:
    write(folder, "gate", text)
    return find_target("gate", SETTINGS, folder)


def test_four_lines_of_ones_own_are_a_whole_target(tmp_path: Path) -> None:
    own, shipped = find(tmp_path, GATE), find_target("rk3588-debian12", SETTINGS, tmp_path)
    (npu,) = shipped.accelerators
    assert own == dataclasses.replace(
        shipped,
        name="gate",
        title="A gate",
        known_from="",
        notes="",
        accelerators=(dataclasses.replace(npu, driver_version=""),),
    )


def test_the_targets_own_tables_come_before_those_of_its_parts(tmp_path: Path) -> None:
    memory = '[memory]\ntotal_bytes = "15GiB"\n[[accelerators]]\nkind = "rknn"\ndriver_version = "0.9.8"\n'
    found = find(tmp_path, GATE + memory)
    assert found.memory.total_bytes == 15 << 30
    (npu,) = found.accelerators
    assert (npu.driver_version, npu.soc, npu.npu_cores, npu.runtime_version) == ("0.9.8", "rk3588", 3, "2.3.2")
    assert found.recognise.os_version == "12" and "rockchip,rk3588" in found.recognise.compatible
    assert find(tmp_path, GATE + '[recognise]\ncompatible = ["acme,gate"]\n').recognise == dataclasses.replace(
        found.recognise, compatible=("acme,gate",)
    )


def test_notes_of_all_parts_are_read(tmp_path: Path) -> None:
    text = GATE.replace("debian12", "debian11") + 'notes = "At the north gate."\n'
    assert find(tmp_path, text).notes.startswith("At the north gate. Wheels only: its Python 3.9")


def test_ones_own_part_comes_before_a_shipped_one(tmp_path: Path) -> None:
    shipped = (SETTINGS.data_dir / "targets/images/debian12.toml").read_text()
    write(tmp_path / "images", "debian12", shipped.replace('"3.11"', '"3.12"'))
    assert find(tmp_path, GATE).os.python == "3.12"


@pytest.mark.parametrize(
    ("part", "text", "said"),
    [
        (
            "gate",
            GATE.replace("rk3588", "rk3589"),
            "gate.toml: board: there is no board 'rk3589'; known are agx-orin-32gb",
        ),
        ("gate", GATE.replace("rk3588", "rk3589"), "did you mean rk3588?"),
        ("gate", GATE.replace('image = "debian12"\n', ""), "gate.toml: os: missing; expected a table, or image = "),
        ("gate", GATE.replace('"rk3588"', '"../rk3588"'), "gate.toml: board: expected a name of letters"),
        ("boards/rk3588", "[memory]\ntotal_bytes = 3\n", "boards/rk3588.toml: memory.total_bytes: "),
        ("boards/rk3588", "titel = 3\n", "boards/rk3588.toml: titel: unknown key"),
        (
            "boards/rk3588",
            '[[accelerators]]\nkind = "rknn"\n' * 2,
            "boards/rk3588.toml: accelerators[1].kind: 'rknn' comes twice",
        ),
    ],
)
def test_mistakes_are_named_in_the_file_that_has_them(part: str, text: str, said: str, tmp_path: Path) -> None:
    file = write(tmp_path, "gate", GATE)
    write(tmp_path, part, text)
    with pytest.raises(InputError) as caught:
        read_target(file, SETTINGS)
    assert said in caught.value.message


def test_every_shipped_part_is_a_part_of_a_target() -> None:
    folder = SETTINGS.data_dir / "targets"
    texts = "".join(file.read_text() for file in folder.glob("*.toml"))
    for key in ("board", "image"):
        names = {file.stem for file in (folder / f"{key}s").glob("*.toml")}
        assert names and all(f'{key} = "{name}"' in texts for name in names)
