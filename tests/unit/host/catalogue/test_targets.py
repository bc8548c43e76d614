"""Finding targets, and every mistake in their files at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import InputError
from edgekit.host.catalogue.targets import find_target, list_targets, read_target, target_files
from edgekit.host.settings import settings_from
from edgekit.schema.target import Recognise

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
SHIPPED = {
    *("host", "virt-arm64", "jetson-orin-jp51", "jetson-orin-jp60", "jetson-orin-jp72"),
    *(f"jetson-{module}-jp{system}" for module in ("agx-orin", "agx-orin-32") for system in (62, 72)),
    *(f"jetson-orin-{module}-jp{system}" for module in ("nx", "nx-8gb", "nano", "nano-4gb") for system in (62, 72)),
    *(f"rk3588-{system}" for system in ("debian11", "debian12", "debian13", "ubuntu2004", "ubuntu2204", "ubuntu2404")),
}
GOOD = """
name = "box"
title = "A box"
os = {id = "debian", version = "12", arch = "aarch64", libc_version = "2.36", python = "3.11"}
memory = {total_bytes = "2GiB"}
[[clusters]]
name = "all"
cpus = "0-3"
"""


def write(folder: Path, text: str, name: str = "box") -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.toml"
    file.write_text(text)
    return file


def test_all_targets_are_there_and_right(tmp_path: Path) -> None:
    assert set(target_files(SETTINGS, tmp_path)) == SHIPPED
    assert {target.name for target in list_targets(SETTINGS, tmp_path)} == SHIPPED - {"host"}


@pytest.mark.parametrize("name", sorted(SHIPPED - {"host"}))
def test_shipped_targets_agree_with_themselves(name: str, tmp_path: Path) -> None:
    target = find_target(name, SETTINGS, tmp_path)
    assert target.os.soabi == f"cpython-{target.os.python.replace('.', '')}-aarch64-linux-gnu"
    assert target.os.arch == "aarch64"
    assert sorted(target.cpus) == list(range(len(target.cpus)))
    assert max(cluster.capacity for cluster in target.clusters) == 1024
    assert target.recognise.arch == "aarch64"
    assert target.recognise.compatible
    assert (target.recognise.os_id, target.recognise.os_version) == (target.os.id, target.os.version)
    assert target.os.l4t in ("", *target.recognise.l4t)


def test_strongest_cpus_come_first(tmp_path: Path) -> None:
    assert find_target("rk3588-debian12", SETTINGS, tmp_path).cpus == (4, 5, 6, 7, 0, 1, 2, 3)


def test_host_is_a_probe_of_this_machine_and_never_recognised(tmp_path: Path) -> None:
    host = find_target("host", SETTINGS, tmp_path)
    assert host.os.python_path == os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    assert host.os.python == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert host.recognise == Recognise()
    assert host.notes


def test_own_targets_win_over_shipped_ones(tmp_path: Path) -> None:
    own = tmp_path / "targets"
    write(own, GOOD)
    write(own, GOOD.replace('"box"', '"virt-arm64"'), "virt-arm64")
    assert find_target("box", SETTINGS, own).memory.total_bytes == 2 << 30
    assert find_target("virt-arm64", SETTINGS, own).title == "A box"
    assert {target.name for target in list_targets(SETTINGS, own)} == SHIPPED - {"host"} | {"box"}


def test_unknown_target_names_the_closest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no target 'rk3588-debian'; did you mean rk3588-debian13") as caught:
        find_target("rk3588-debian", SETTINGS, tmp_path)
    assert "virt-arm64" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "box"', 'name = "bax"', "name: expected 'box', the file's name, found 'bax'"),
        ('cpus = "0-3"', 'cpus = "0-3"\n[[clusters]]\nname = "b"\ncpus = "3"', "clusters[1].cpus: CPU 3 is in cluster"),
        ('cpus = "0-3"', 'cpus = "0-3"\ncapacity = 2000', "clusters[0].capacity: expected 1 to 1024, found 2000"),
        ('memory = {total_bytes = "2GiB"}', "", "memory: missing"),
        ('python = "3.11"', 'python = "3.11.2"', 'os.python: expected a version such as "3.11", found "3.11.2"'),
        ('python = "3.11"', 'python = "three"', "os.python: expected a version"),
        ('"2.36"', '"bookworm"', "os.libc_version: expected a version"),
        ('[[clusters]]\nname = "all"\ncpus = "0-3"', "", "clusters: missing; expected at least one"),
        ('arch = "aarch64"', 'arch = "arm64"', "os.arch: expected one of"),
        ('title = "A box"', 'titel = "A box"', "titel: unknown key; did you mean title?"),
        (
            'cpus = "0-3"',
            'cpus = "0-3"' + '\n[[accelerators]]\nkind = "rknn"\nruntime_version = "2"' * 2,
            "accelerators[1].kind: 'rknn' comes twice",
        ),
    ],
)
def test_mistakes_are_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in GOOD
    file = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError) as caught:
        read_target(file, SETTINGS)
    assert f"{file}: {said}" in caught.value.message


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text"):
        read_target(file, SETTINGS)
