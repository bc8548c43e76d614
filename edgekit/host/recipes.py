"""Reads recipe folders: `recipe.toml`, checked against the schema, against itself and against the files beside it."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.recipe_rules import check_recipe
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.problem import Problem, raise_problems
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe, ScoreSink

_CURES = {"golden.expected": "; `edgekit golden {folder} --write` makes it from the model"}
"""What writes a file that a key names."""
_NEW_RECIPE = "edgekit init NAME writes a recipe that works"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFolder:
    """A recipe whose every named file is there."""

    folder: Path
    recipe: Recipe

    def file(self, path: str) -> Path:
        """Where a file that recipe.toml names lies."""
        return self.folder / path

    @property
    def carried(self) -> tuple[str, ...]:
        """Files that travel as they are, as recipe.toml names them: clips, truths, golden frames. Sorted."""
        return tuple(sorted({path for _, path in _carried(self.recipe)}))

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
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{file}: not UTF-8 text", hint=f"save {file} as UTF-8") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}", hint=_NEW_RECIPE) from None
    recipe = from_toml(Recipe, text, str(file))
    folder = file.parent
    raise_problems([*check_recipe(recipe, str(file)), *check_files(folder, recipe, str(file), unwritten)])
    return RecipeFolder(folder=folder, recipe=recipe)


def check_files(folder: Path, recipe: Recipe, file: str, unwritten: Container[str] = ()) -> list[Problem]:
    """Every named file that is not a file inside the recipe's folder; those of `unwritten` keys need not be there."""
    named = [*_carried(recipe), *((f"models.{name}.onnx", model.onnx) for name, model in recipe.models.items())]
    faults = [(key, path, _fault(folder, path)) for key, path in named]
    return [
        Problem(file=file, key=key, expected=fault + _CURES.get(key, "").format(folder=folder))
        for key, path, fault in faults
        if fault and not (key in unwritten and fault == _missing(path))
    ]


def files_below(folder: Path) -> tuple[str, ...]:
    """Relative paths of all files in a folder of the recipe's own code, sorted; caches and hidden files left out.

    Raises:
        InputError: a link, or a name that cannot travel.
    """
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InputError(f"{path} is a link: links do not travel", hint="put the file itself there")
        if not path.is_file() or any(part == "__pycache__" or part.startswith(".") for part in Path(name).parts):
            continue
        if not is_safe_path(name):
            raise InputError(f"{str(path)!r} has a name that cannot travel", hint="rename it: letters, digits, -, _, .")
        found.append(name)
    return tuple(found)


def _carried(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Key and path of every file that the device reads itself."""
    for name, source in recipe.pipeline.sources.items():
        yield f"pipeline.sources.{name}.path", source.path
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, ScoreSink):
            yield f"pipeline.sinks.{name}.path", sink.path
    if recipe.golden:
        yield "golden.expected", recipe.golden.expected
        for index, frame in enumerate(recipe.golden.frames):
            yield f"golden.frames[{index}]", frame


def _fault(folder: Path, path: str) -> str:
    """What is wrong with a path, or nothing."""
    if not is_safe_path(path):
        return f"expected a path inside the recipe's folder, found {path!r}"
    found = Path(os.path.realpath(folder / path))
    if not found.is_relative_to(os.path.realpath(folder)):
        return f"{path} leads out of the recipe's folder"
    if not found.exists():
        return _missing(path)
    return "" if found.is_file() else f"{path} is not a file"


def _missing(path: str) -> str:
    return f"{path} is not there"
