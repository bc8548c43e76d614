"""An application's folder: what counts as one, and how it goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.activation import set_aside
from edgekit.device.keeper.update.folders import ApplicationFolders
from tests.fakes.keeper import make_layout
from tests.fakes.recording import QuickFilesystem


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return make_layout(tmp_path)


def make(layout: Layout, name: str, *, lost: bool = False) -> Path:
    file = layout.state_file(name)
    file.parent.mkdir(parents=True)
    (set_aside(file) if lost else file).write_text("{}")
    return file.parent


def test_an_application_has_a_name_and_a_state_or_a_lost_one(layout: Layout) -> None:
    for name in ("sorter", "counter"):
        make(layout, name)
    make(layout, "broken", lost=True)
    make(layout, "Not_a_name!")
    layout.application("cut").mkdir()
    assert ApplicationFolders(layout, QuickFilesystem()).names() == ("broken", "counter", "sorter")


def test_a_forgotten_one_is_gone_at_once_and_its_space_later(layout: Layout) -> None:
    folders = ApplicationFolders(layout, QuickFilesystem())
    make(layout, "counter")
    for _ in range(3):
        folder = make(layout, "sorter")
        (folder / "work").mkdir()
        folders.forget("sorter")
        assert folders.names() == ("counter",)
    waiting = sorted(path.name for path in layout.applications_dir.iterdir())
    assert waiting == ["counter", "sorter.0.gone", "sorter.1.gone", "sorter.2.gone"]
    folders.clear()
    assert [path.name for path in layout.applications_dir.iterdir()] == ["counter"]


def test_so_many_that_wait_are_an_error(layout: Layout) -> None:
    make(layout, "sorter")
    for number in range(1000):
        (layout.applications_dir / f"sorter.{number}.gone").mkdir()
    folders = ApplicationFolders(layout, QuickFilesystem())
    with pytest.raises(FileExistsError, match="too many"):
        folders.forget("sorter")
    assert folders.names() == ("sorter",)
