"""`edgekit init`: a recipe that reads, under its own name, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.template import write_recipe
from edgekit.schema.stages.own import PythonStage

TEMPLATE = Path(__file__).parents[4] / "recipes" / "sorting-line"


def test_the_new_recipe_works(tmp_path: Path) -> None:
    made = write_recipe(TEMPLATE, "my-line", tmp_path / "recipes")
    found = read_recipe(made)
    assert found.recipe.name == "my-line"
    assert "#:schema" not in (made / "recipe.toml").read_text()
    assert not list(made.glob("*.py")) and not (made / "locks").exists()


def test_the_new_recipe_has_all_of_its_own_code(tmp_path: Path) -> None:
    """It once named `ejector:Ejector` and left app/ejector.py out."""
    made = write_recipe(TEMPLATE, "my-line", tmp_path)
    entries = [
        stage.entry for stage in read_recipe(made).recipe.pipeline.stages.values() if isinstance(stage, PythonStage)
    ]
    assert entries
    for entry in entries:
        module, _, name = entry.partition(":")
        assert f"class {name}" in (made / "app" / f"{module}.py").read_text()
    assert not list(made.rglob("__pycache__"))


@pytest.mark.parametrize("name", ["", "My-Line", "../x", "a/b", "1st", "x" * 64])
def test_a_wrong_name_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no recipe's name"):
        write_recipe(TEMPLATE, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path: Path) -> None:
    write_recipe(TEMPLATE, "line", tmp_path)
    (tmp_path / "line" / "recipe.toml").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        write_recipe(TEMPLATE, "line", tmp_path)
    assert (tmp_path / "line" / "recipe.toml").read_text() == "mine"
