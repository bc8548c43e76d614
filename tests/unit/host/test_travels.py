"""What goes to a device of edgekit itself: everything that it imports, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgekit
from edgekit.host.travels import BUILDER, KEEPER, WORKER, travelling_files

PACKAGE = Path(edgekit.__file__).parent


@pytest.mark.parametrize("rooms", [KEEPER, WORKER, BUILDER])
def test_nothing_of_the_workstation_travels(rooms: tuple[str, ...]) -> None:
    files = travelling_files(PACKAGE, rooms)
    assert not [name for name in files if name.startswith(("host/", "cli/", "sent/", "executor/ssh"))]
    assert "__init__.py" in files


def test_a_release_brings_no_builder_and_no_keeper() -> None:
    files = travelling_files(PACKAGE, WORKER)
    assert not [name for name in files if "builder/" in name or "keeper/" in name]
    assert "stage.py" in files, "a recipe's own code imports it"
    assert "device/builder/__main__.py" in travelling_files(PACKAGE, BUILDER)


def test_the_keeper_brings_neither_runtime_nor_pictures() -> None:
    files = travelling_files(PACKAGE, KEEPER)
    assert not [name for name in files if name.startswith(("imaging/", "device/runtime/", "device/runner/"))]


def test_imports_are_followed_wherever_they_stand(tmp_path: Path) -> None:
    package = tmp_path / "kit"
    for name, text in {
        "__init__.py": "",
        "errors.py": "",
        "unused.py": "",
        "room/__init__.py": "",
        "room/a.py": "import kit.errors\n",
        "room/b.py": "def late():\n    from kit.deep import inner\n",
        "deep/__init__.py": "",
        "deep/inner.py": "import kit.deep.most\n",
        "deep/most.py": "import numpy\n",
        "deep/other.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert travelling_files(package, ["room"]) == (
        "__init__.py",
        "deep/__init__.py",
        "deep/inner.py",
        "deep/most.py",
        "errors.py",
        "room/__init__.py",
        "room/a.py",
        "room/b.py",
    )
