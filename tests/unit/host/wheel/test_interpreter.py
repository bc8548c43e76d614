"""A Python of the target's minor version is found, fetched, or asked for in a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.wheel.interpreter import Finder
from edgekit.host.wheel.uv import Uv
from tests.fakes.scripted import ScriptedExecutor

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def finder(root: Path, executor: ScriptedExecutor | LocalExecutor) -> Finder:
    return Finder(uv=Uv(executor, "uv"), executor=executor, pyenv_root=root)


def test_this_one_needs_no_search(tmp_path: Path) -> None:
    executor = ScriptedExecutor(returncode=1)
    found = finder(tmp_path, executor).find(HERE)
    assert found is not None and found.path == Path(sys.executable)
    assert executor.asked == []


def test_the_newest_of_pyenvs_is_taken_if_it_is_what_its_folder_says(tmp_path: Path) -> None:
    for patch in ("9", "10"):
        folder = tmp_path / f"versions/3.99.{patch}/bin"
        folder.mkdir(parents=True)
        (folder / "python3.99").touch()
    answer = ScriptedExecutor(stdout=b'["cpython-399", "3.99.10", "/opt/python"]')
    found = finder(tmp_path, answer).find("3.99")
    assert found is not None and found.path.parts[-3] == "3.99.10" and found.prefix == Path("/opt/python")
    other = ScriptedExecutor(stdout=b'["pypy39", "3.99.10", "/opt/python"]')
    assert finder(tmp_path, other).find("3.99") is None


def test_none_here_and_none_to_fetch_is_one_sentence_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(WheelError, match=r"needs a Python 3\.99 on this machine") as caught:
        finder(tmp_path, ScriptedExecutor(returncode=1)).find_or_fetch("3.99", Silent())
    assert "uv python install 3.99" in caught.value.hint
