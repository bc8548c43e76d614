"""Reads recipe folders: `recipe.toml`, checked against the schema, against itself and against the files beside it."""

from __future__ import annotations

import shlex
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.recipe_files import carried_files, check_files
from edgekit.host.catalogue.recipe_rules import check_recipe
from edgekit.host.catalogue.recipe_settings import fill_settings
from edgekit.host.toml_file import read_table
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.problem import raise_problems
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from edgekit.schema.settings import SettingPlace

_NEW_RECIPE = "edgekit init NAME writes a recipe that works"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFolder:
    """A recipe whose every named file is there."""

    folder: Path
    recipe: Recipe
    """With a default or an example in each place that refers to a setting."""
    places: tuple[SettingPlace, ...] = ()
    """These places, in the plan's words."""

    def file(self, path: str) -> Path:
        """Where a file that recipe.toml names lies."""
        return self.folder / path

    @property
    def carried(self) -> tuple[str, ...]:
        """Files that travel as they are, as recipe.toml names them: clips, truths, golden frames. Sorted."""
        return tuple(sorted({path for _, path in carried_files(self.folder, self.recipe)}))

    @property
    def app(self) -> Path | None:
        """The folder with the recipe's own Python code, if it has one."""
        app = self.folder / "app"
        return app if app.is_dir() else None


def read_recipe(path: Path, *, unwritten: Container[str] = ()) -> RecipeFolder:
    """Read and check the recipe in a folder.

    Args:
        path: the folder, or the recipe.toml in it.
        unwritten: keys whose files the caller is about to write: they need not be there.

    Raises:
        InputError: no recipe there, or every mistake in it.
    """
    file = path if path.name == "recipe.toml" else path / "recipe.toml"
    filled = fill_settings(read_table(file, hint=_NEW_RECIPE), str(file))
    raise_problems(filled.problems)
    recipe = from_raw(Recipe, filled.raw, str(file))
    folder = file.parent
    raise_problems(
        [*check_recipe(recipe, str(file), filled.places), *check_files(folder, recipe, str(file), unwritten)]
    )
    return RecipeFolder(folder=folder, recipe=recipe, places=filled.places)


def files_below(folder: Path) -> tuple[str, ...]:
    """Relative paths of all files in a folder of the recipe's own code, sorted; caches and hidden files left out.

    Raises:
        InputError: a link, a pipe or device, or a name that cannot travel.
    """
    if folder.is_symlink():
        raise InputError(f"{folder} is a link: links do not travel", hint="put the folder itself there")
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InputError(f"{path} is a link: links do not travel", hint="put the file itself there")
        if path.is_dir() or any(part == "__pycache__" or part.startswith(".") for part in Path(name).parts):
            continue
        if not path.is_file():
            raise InputError(
                f"{path} is neither file nor folder: it does not travel", hint=f"rm {shlex.quote(str(path))}"
            )
        if not is_safe_path(name):
            raise InputError(f"{str(path)!r} has a name that cannot travel", hint="rename it: letters, digits, -, _, .")
        found.append(name)
    return tuple(found)
