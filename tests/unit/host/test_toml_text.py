"""What is written is read again as the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgekit
from edgekit.host.catalogue.targets import list_targets, read_target, resolve_target
from edgekit.host.settings import settings_from
from edgekit.host.toml_text import to_toml
from edgekit.schema.reader import from_toml
from edgekit.schema.target import Cgroup, CpuCluster, Memory, Os, Target, TargetFile
from edgekit.schema.units import Bytes, Cpus

SETTINGS = settings_from({}, Path(edgekit.__file__).parent)
TARGETS = list_targets(SETTINGS, Path("none"))
OS = Os(id="debian", version="12", arch="aarch64", libc_version="2.36", python="3.11")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_targets_come_back_as_they_were(target: Target, tmp_path: Path) -> None:
    file = tmp_path / f"{target.name}.toml"
    file.write_text(to_toml(target))
    assert resolve_target(read_target(file, SETTINGS)) == target


@settings(max_examples=40, deadline=None)
@given(
    title=st.text(),
    memory=st.integers(1_000_000, (1 << 50) - 1) | st.integers(977, 1 << 39).map(lambda kib: kib << 10),
    cpus=st.lists(st.integers(0, 4095), min_size=1, unique=True),
    controllers=st.lists(st.text(), max_size=3),
)
def test_any_text_size_and_list_comes_back(title: str, memory: int, cpus: list[int], controllers: list[str]) -> None:
    cgroup = Cgroup(controllers=tuple(controllers))
    cluster = CpuCluster(name="all", cpus=Cpus(tuple(cpus)), capacity=7)
    written = TargetFile(
        name="box",
        title=title,
        os=OS,
        clusters=(cluster,),
        memory=Memory(total_bytes=Bytes(memory)),
        cgroup=cgroup,
        notes=title,
    )
    assert from_toml(TargetFile, to_toml(written), "box.toml") == written


def test_what_is_as_by_default_is_left_out() -> None:
    cluster = CpuCluster(name="all", cpus=Cpus((0, 1)))
    target = Target(name="b", title="B", os=OS, clusters=(cluster,), memory=Memory(total_bytes=Bytes(3 << 20)))
    assert to_toml(target).splitlines() == [
        'name = "b"',
        'title = "B"',
        "",
        "[os]",
        'id = "debian"',
        'version = "12"',
        'arch = "aarch64"',
        'libc_version = "2.36"',
        'python = "3.11"',
        "",
        "[[clusters]]",
        'name = "all"',
        'cpus = "0-1"',
        "",
        "[memory]",
        'total_bytes = "3MiB"',
    ]
