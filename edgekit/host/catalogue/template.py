"""Makes a new recipe out of the shipped one."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import InputError
from edgekit.schema.names import is_application_name

_LEFT_OUT = ("*.py", "README.md", "locks")
"""Beside the shipped recipe.toml: how its data was made is its own story, and its locks hold only for its requirements.
What lies in its folders, `app/` among them, belongs to the recipe."""


def write_recipe(template: Path, name: str, folder: Path) -> Path:
    """Copy `template` to `folder/name` under its new name; all of it or nothing.

    Raises:
        InputError: the name is none, or the folder is taken or cannot be written.
    """
    with new_recipe_folder(name, folder) as (aside, made):
        shutil.copytree(template, aside, ignore=_ignore(template))
        recipe = aside / "recipe.toml"
        recipe.write_text(_renamed(recipe.read_text(), name))
    return made


@contextmanager
def new_recipe_folder(name: str, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Have a recipe's folder made aside; it gets its name when all of it is there.

    Yields:
        Where it is to be made, and where it lies afterwards.

    Raises:
        InputError: the name is none, or the folder is taken or cannot be written.
    """
    if not is_application_name(name):
        raise InputError(
            f"{name!r} is no recipe's name", hint="use lower-case letters, digits and dashes, a letter first"
        )
    made = folder / name
    if made.exists():
        raise InputError(f"{made} is there already", hint="choose another name, or remove that folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as aside:
            yield Path(aside, name), made
            Path(aside, name).rename(made)
    except OSError as error:
        raise InputError(f"{made} cannot be written: {error.strerror}", hint=f"ls -ld {folder}") from None


def _ignore(template: Path) -> Callable[[str, list[str]], set[str]]:
    anywhere, beside = shutil.ignore_patterns("__pycache__"), shutil.ignore_patterns("__pycache__", *_LEFT_OUT)
    return lambda folder, names: (beside if Path(folder) == template else anywhere)(folder, names)


def _renamed(text: str, name: str) -> str:
    """The recipe under its new name, without the path to a schema that only the checkout has."""
    text = re.sub(r"^#:schema .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r'^name = ".*"$', f'name = "{name}"', text, count=1, flags=re.MULTILINE)
