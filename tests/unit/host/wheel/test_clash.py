"""Packages that write one file: found in what real uv has installed, and refused with the cure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.host.wheel.clash import check_clashes
from edgekit.host.wheel.tidy import tidy, trim_rules
from edgekit.host.wheel.uv import Uv
from tests.fakes.package_index import wheel_bytes
from tests.fakes.uv_site import WANTED, own_uv
from tests.fakes.uv_site import install as install_wheels


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    return own_uv(tmp_path, monkeypatch)


def install(uv: Uv, folder: Path, *wheels: tuple[str, bytes], to: str = "site") -> Path:
    site = install_wheels(uv, folder, *wheels, to=to)
    tidy(site, trim_rules())
    return site


def many(name: str, word: str) -> tuple[str, bytes]:
    """A package with 400 files, as two variants of one library have them."""
    return wheel_bytes(name, "1.0", {f"cv2/part{number:03}.py": f"{word} = {number}\n" for number in range(400)})


def test_two_packages_with_400_equal_paths_are_refused_each_time(uv: Uv, tmp_path: Path) -> None:
    """Without a check each install is another mixture."""
    messages = set()
    for turn in range(3):
        site = install(uv, tmp_path, many("opencv_gui", "gui"), many("opencv_headless", "none"), to=f"site{turn}")
        with pytest.raises(WheelError) as refused:
            check_clashes(site, WANTED)
        messages.add((refused.value.message, refused.value.hint))
    [(message, hint)] = messages
    assert message == (
        "opencv-gui and opencv-headless both bring cv2/part000.py and 399 more files, with different content"
    )
    assert hint == ('if opencv-headless alone will do, write exclude = ["opencv-gui"] under [python] in recipe.toml')


@pytest.mark.parametrize(
    ("asked", "own", "left_out"),
    [((), (), "alpha"), (("alpha",), (), "beta"), (("alpha", "beta"), ("alpha",), "beta"), ((), ("beta",), "alpha")],
)
def test_the_hint_keeps_what_the_worker_and_the_recipe_ask_for(
    asked: tuple[str, ...], own: tuple[str, ...], left_out: str, uv: Uv, tmp_path: Path
) -> None:
    pair = (wheel_bytes(name, "1.0", {"shared/__init__.py": f"# {name}\n"}) for name in ("alpha", "beta"))
    site = install(uv, tmp_path, *pair)
    wanted = dataclasses.replace(WANTED, requirements=asked, own=frozenset(own))
    with pytest.raises(WheelError) as refused:
        check_clashes(site, wanted)
    assert json.loads(refused.value.hint.split("exclude = ")[1].split(" under")[0]) == [left_out]


def test_one_file_with_one_content_is_no_clash(uv: Uv, tmp_path: Path) -> None:
    pair = (wheel_bytes(name, "1.0", {"space/__init__.py": "", f"space/{name}.py": name}) for name in ("a", "b"))
    check_clashes(install(uv, tmp_path, *pair), WANTED)


@pytest.mark.parametrize("place", ["{name}-1.0.data/purelib/lib.py", "{name}-1.0.data/data/share/lib.txt"])
def test_what_a_data_folder_brings_counts_where_it_is_put(place: str, uv: Uv, tmp_path: Path) -> None:
    pair = (wheel_bytes(name, "1.0", {place.format(name=name): f"# {name}\n"}) for name in ("a", "b"))
    with pytest.raises(WheelError, match=r"^a and b both bring (share/)?lib\.\w+, with different content"):
        check_clashes(install(uv, tmp_path, *pair), WANTED)


def test_scripts_do_not_travel_and_do_not_clash(uv: Uv, tmp_path: Path) -> None:
    pair = (wheel_bytes(name, "1.0", {f"{name}-1.0.data/scripts/run": f"#!python\n# {name}\n"}) for name in ("a", "b"))
    check_clashes(install(uv, tmp_path, *pair), WANTED)
