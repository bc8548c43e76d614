"""Folders that others may write are refused, and each hint cures; umask does not matter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import InputError, TrustError
from edgekit.host.private import check_folders
from edgekit.host.settings import Settings, settings_from
from tests.fakes.eventually import PATIENCE_S

PACKAGE = Path(__file__).parents[3] / "edgekit"


def home_at(folder: Path) -> Settings:
    for name in ("config", "cache", "state"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(0o755)
    return settings_from({"EDGEKIT_HOME": str(folder)}, PACKAGE)


def run(argv: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "EDGEKIT_HOME": str(home), "PYTHONPATH": str(PACKAGE.parent)}
    command = [sys.executable, "-m", "edgekit.cli.main", *argv]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def follow(hint: str) -> None:
    subprocess.run(hint, shell=True, check=True, timeout=PATIENCE_S)


@pytest.mark.parametrize("name", ["config", "cache", "state"])
@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o1777])
def test_a_folder_that_others_may_write(tmp_path: Path, name: str, mode: int) -> None:
    settings = home_at(tmp_path / "home")
    check_folders(settings)
    (tmp_path / "home" / name).chmod(mode)
    with pytest.raises(TrustError, match=rf"others may write into .*/{name}") as raised:
        check_folders(settings)
    follow(raised.value.hint)
    check_folders(settings)


def test_a_folder_above_that_everybody_may_write(tmp_path: Path) -> None:
    settings = home_at(tmp_path / "open" / "home")
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(TrustError, match=r"others may write into .*/open,") as raised:
        check_folders(settings)
    follow(raised.value.hint)
    check_folders(settings)


@pytest.mark.parametrize("mode", [0o1777, 0o775])
def test_a_folder_above_where_nobody_else_can_rename_ours(tmp_path: Path, mode: int) -> None:
    settings = home_at(tmp_path / "shared" / "home")
    (tmp_path / "shared").chmod(mode)
    check_folders(settings)


@pytest.mark.parametrize("name", ["config", "cache", "state"])
def test_a_link_to_where_everybody_may_write(tmp_path: Path, name: str) -> None:
    settings = home_at(tmp_path / "home")
    (tmp_path / "open/inner/large").mkdir(parents=True)
    (tmp_path / "open").chmod(0o777)
    (tmp_path / "home" / name).rmdir()
    (tmp_path / "home" / name).symlink_to("../open/inner/large")
    with pytest.raises(TrustError, match=r"others may write into .*/open,") as raised:
        check_folders(settings)
    follow(raised.value.hint)
    check_folders(settings)


@pytest.mark.parametrize("argv", [["--help"], ["build", "--help"], ["cache", "list", "--help"], ["--version"]])
def test_help_is_shown_whatever_folders_are_there(tmp_path: Path, argv: list[str]) -> None:
    for name in ("a b", "open/cache"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name).chmod(0o777)
    for home in (tmp_path / "a b", tmp_path / "open"):
        done = run([*argv], home)
        assert (done.returncode, done.stderr) == (0, "")
        refused = run(["cache", "list"], home)
        assert refused.returncode in (2, 6) and "hint: " in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="giving files away takes root")
def test_a_folder_of_another_user(tmp_path: Path) -> None:
    settings = home_at(tmp_path / "home")
    os.chown(settings.config_dir, 12345, 12345)
    with pytest.raises(TrustError, match="belongs to another user") as raised:
        check_folders(settings)
    follow(raised.value.hint.removeprefix("sudo "))
    check_folders(settings)


@pytest.mark.parametrize("name", ["a b", "it's", 'so "x"', "$HOME", "50%", "back\\slash", "a:b", "a;b", "a#b"])
def test_a_path_that_builds_misread(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="the cache's path holds"):
        check_folders(home_at(tmp_path / name))


@pytest.mark.parametrize("name", ["bär", "a-b_c.d+e", "@home", "~x", "a=b"])
def test_a_path_that_builds_take(tmp_path: Path, name: str) -> None:
    check_folders(home_at(tmp_path / name))


@pytest.mark.parametrize(("mode", "refused"), [(0o755, False), (0o775, False), (0o1777, True), (0o777, True)])
def test_uvs_cache_that_everybody_may_write(tmp_path: Path, mode: int, refused: bool) -> None:
    """What lies unpacked in it is laid out and signed."""
    environ = {"EDGEKIT_HOME": str(tmp_path / "home"), "UV_CACHE_DIR": str(tmp_path / "uv")}
    (tmp_path / "uv").mkdir()
    (tmp_path / "uv").chmod(mode)
    if not refused:
        check_folders(settings_from(environ, PACKAGE))
        return
    with pytest.raises(TrustError, match=r"uv's cache .* may be written by everybody") as error:
        check_folders(settings_from(environ, PACKAGE))
    assert error.value.hint == "export UV_CACHE_DIR=/a/folder/of/your/own"
    check_folders(settings_from({**environ, "UV_CACHE_DIR": str(tmp_path / "own")}, PACKAGE))


def test_what_is_not_there_yet_is_fine(tmp_path: Path) -> None:
    check_folders(settings_from({"EDGEKIT_HOME": str(tmp_path / "new")}, PACKAGE))


def test_a_relative_home_is_made_absolute() -> None:
    assert settings_from({"EDGEKIT_HOME": "ek"}, PACKAGE).cache_dir == Path.cwd() / "ek/cache"


@pytest.mark.parametrize("umask", ["000", "077"])
def test_umask_does_not_matter(tmp_path: Path, umask: str) -> None:
    home = tmp_path / "home"
    argv = [sys.executable, "-m", "edgekit.cli.main", "keys", "init", "--json"]
    environ = {**os.environ, "EDGEKIT_HOME": str(home), "PYTHONPATH": str(PACKAGE.parent)}
    for _ in range(2):
        shell = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", *argv]
        done = subprocess.run(shell, env=environ, capture_output=True, text=True, timeout=60, check=False)
        assert "others may write" not in done.stderr, done.stderr
    assert not [path for path in (home, *home.rglob("*")) if path.stat().st_mode & 0o022]
    check_folders(settings_from({"EDGEKIT_HOME": str(home)}, PACKAGE))
