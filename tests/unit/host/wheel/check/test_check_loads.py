"""What targets can load, by the shipped data."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import Settings, settings_from
from edgekit.host.wheel.check.loads import Loads, loads_of

SETTINGS: Settings = settings_from({}, Path(edgekit.__file__).parent)
CROSS = SETTINGS.data_dir / "cross"


def loads(name: str, **os: object) -> Loads:
    target = find_target(name, SETTINGS, Path("nowhere"))
    return loads_of(dataclasses.replace(target, os=dataclasses.replace(target.os, **os)), CROSS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "glibc", "glibcxx", "soabi"),
    [
        ("rk3588-debian12", (2, 36), (3, 4, 30), "cpython-311-aarch64-linux-gnu"),
        ("rk3588-ubuntu2204", (2, 35), (3, 4, 30), "cpython-310-aarch64-linux-gnu"),
        ("jetson-orin-nano-jp62", (2, 35), (3, 4, 30), "cpython-310-aarch64-linux-gnu"),
        ("jetson-orin-jp72", (2, 39), (3, 4, 33), "cpython-312-aarch64-linux-gnu"),
    ],
)
def test_well_known_images(target: str, glibc: tuple[int, ...], glibcxx: tuple[int, ...], soabi: str) -> None:
    found = loads(target)
    assert (found.ceilings["GLIBC"], found.ceilings["GLIBCXX"], found.soabi) == (glibc, glibcxx, soabi)
    assert {"CXXABI", "GCC"} < found.ceilings.keys()
    assert {"PyList_New", "PyInit_sys"} - found.exports <= {"PyInit_sys"}


def test_accelerators_bring_their_libraries() -> None:
    assert loads("jetson-orin-nano-jp62").has("libnvinfer.so.10") and loads("jetson-orin-nano-jp62").has("libcuda.so.1")
    assert loads("rk3588-debian12").has("librknnrt.so") and not loads("rk3588-debian12").has("libcuda.so.1")
    assert not loads("virt-arm64").has("librknnrt.so")


@pytest.mark.parametrize("library", ["libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1", "libexpat.so.1"])
def test_every_board_has(library: str) -> None:
    assert loads("virt-arm64").has(library)


@pytest.mark.parametrize("library", ["libGL.so.1", "libX11.so.6", "libglib-2.0.so.0", "libgomp.so.1", "libEGL.so.1"])
def test_a_board_without_a_screen_lacks_what_has_a_cure(library: str) -> None:
    found = loads("virt-arm64")
    assert not found.has(library)
    assert "check it together" not in found.cure(library)


def test_a_target_may_say_more() -> None:
    found = loads("virt-arm64", libraries=("libgomp.so.*",), glibcxx="3.4.33")
    assert found.has("libgomp.so.1")
    assert found.ceilings["GLIBCXX"] == (3, 4, 33) and found.ceilings["CXXABI"] == (1, 3, 15)
    between = loads("virt-arm64", glibcxx="3.4.31")
    assert between.ceilings["GLIBCXX"] == (3, 4, 31) and "CXXABI" not in between.ceilings


def test_an_unknown_system_is_judged_by_what_is_known() -> None:
    assert loads("virt-arm64", id="arch", version="").ceilings == {"GLIBC": (2, 36)}


def test_a_digest_names_all_that_counts() -> None:
    plain = loads("virt-arm64")
    assert plain.digest == loads("virt-arm64").digest
    others = {
        loads("virt-arm64", **{key: value}).digest
        for key, value in (("libraries", ("libx.so",)), ("glibcxx", "3.4.31"))
    }
    assert len(others | {plain.digest}) == 3


@pytest.mark.parametrize("minor", ["39", "310", "311", "312", "313"])
def test_lists_of_exports_are_sorted_and_whole(minor: str) -> None:
    names = (CROSS / "pythons/exports" / f"cp{minor}.txt").read_text().split()
    assert names == sorted(set(names)) and len(names) > 1500
    assert {"PyList_New", "PyModule_Create2", "_Py_NoneStruct"} <= set(names)
    assert ("_PyObject_CallMethodNoArgs" in names, "Py_NewRef" in names) == (False, minor != "39")
