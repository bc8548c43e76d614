"""What lies in uv's cache is not believed: every file that it unpacks is held against what its wheel recorded."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import uv as uv_package

from edgekit.errors import WheelError
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.wheel.uv import Uv
from tests.fakes.damage import DAMAGES, REPLACED
from tests.fakes.package_index import wheel_bytes
from tests.fakes.uv_site import install, own_uv

PACKAGE = wheel_bytes("metrics", "1.0", {"metrics.py": "print('true')\n", "tests/test_metrics.py": "pass\n"})


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    return own_uv(tmp_path, monkeypatch)


def check(site: Path) -> None:
    check_installed(site, WheelError, INSTALLER_FILES)


def cached(folder: Path, name: str) -> Path:
    [file] = (folder / "uv").rglob(name)
    return file


def test_what_was_just_unpacked_is_what_was_recorded(uv: Uv, tmp_path: Path) -> None:
    scripts = (wheel_bytes(name, "1.0", {f"{name}-1.0.data/scripts/run": f"#!python\n# {name}\n"}) for name in "ab")
    check(install(uv, tmp_path, PACKAGE, *scripts))


@pytest.mark.parametrize("damage", [*(DAMAGES[name] for name in DAMAGES if name != "mode"), REPLACED["gone"]])
def test_an_edit_in_uvs_cache_is_found_and_its_hint_cures(
    damage: Callable[[Path], object], uv: Uv, tmp_path: Path
) -> None:
    """Every environment of the user may be linked to that cache."""
    site = install(uv, tmp_path, PACKAGE)
    damage(cached(tmp_path, "metrics.py"))
    assert (site / "metrics.py").read_text() == "print('true')\n"
    with pytest.raises(WheelError, match=r"metrics\.py is not what metrics recorded") as refused:
        check(install(uv, tmp_path, PACKAGE, to="again"))
    command, _, rest = refused.value.hint.partition(", and run the same command again")
    assert (command.endswith("uv cache clean metrics"), rest) == (True, "")
    follow(command)
    check(install(uv, tmp_path, PACKAGE, to="cured"))


@pytest.mark.parametrize("name", ["stray.py", "stray.pth", "__pycache__/metrics.cpython-311.pyc"])
def test_a_file_that_no_record_names_is_refused_and_its_hint_cures(name: str, uv: Uv, tmp_path: Path) -> None:
    install(uv, tmp_path, PACKAGE)
    stray = cached(tmp_path, "metrics.py").parent / name
    stray.parent.mkdir(exist_ok=True)
    stray.write_text("import os\n")
    with pytest.raises(WheelError, match=rf"{name} belongs to no package") as refused:
        check(install(uv, tmp_path, PACKAGE, to="again"))
    follow(refused.value.hint.partition(", and run")[0])
    check(install(uv, tmp_path, PACKAGE, to="cured"))


def follow(command: str) -> None:
    program, _, rest = command.partition(" ")
    words = rest.split()
    subprocess.run(
        [uv_package.find_uv_bin() if program == "uv" else program, *words],
        check=True,
        capture_output=True,
        env={**os.environ},
        timeout=60,
    )
