"""Broken recipes, as newcomers write them: `tests/cases/recipes/*.toml`. A new case needs no Python.

    why = "who writes this, where that is not plain"
    change = [["threshold = 0.4", "treshold = 0.4"]]      # in recipe.toml of recipes/good
    write = { "app/mine.py" = "..." }                     # files written beside it
    remove = ["clip.mp4"]                                 # files taken away
    expected = ["...: unknown key; did you mean threshold?"]   # every mistake, in order, after `recipe.toml: `
    cure = [["treshold", "threshold"]]                    # what the message says to do, in recipe.toml
    cure_write = { "app/mine.py" = "..." }                # and beside it

`did you mean X?` is followed as it stands: the last part of the key, or its value, becomes X. After the cure the
recipe must read.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import read_recipe
from tests.fakes.recipe_folder import TEXT, replaced, write_good

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES = sorted((Path(__file__).parents[2] / "cases" / "recipes").glob("*.toml"))
_WRONG = re.compile(
    r"found \"?([^\"]*)\"?;|no \w+ '([^']*)'|: (\S+) (?:is not there|names no file)"
    r"|module \S+ has no class (\w+)|no module (\S+) in"
)
"""What a message quotes of the recipe: the value that is wrong."""
KNOWN = {"why", "change", "write", "remove", "expected", "cure", "cure_write"}


def mistakes(folder: Path) -> list[str]:
    try:
        read_recipe(folder)
    except InputError as error:
        assert error.hint.startswith(("edit ", "keep one ")) and "plan.json" not in error.message + error.hint
        lines = error.message.splitlines()
        assert len(lines) == 1 or lines[0] == f"{len(lines) - 1} mistakes"
        return [
            line.removeprefix(f"{folder}/recipe.toml: ").replace(str(folder), "FOLDER")
            for line in lines[len(lines) > 1 :]
        ]
    return []


def follow(text: str, mistake: str) -> str:
    """Do what `did you mean X?` says."""
    found = re.search(r"; did you mean (.*)\?$", mistake)
    assert found, f"no cure is given for: {mistake}"
    key = re.match(r"[^ ]+(?=: )", mistake)
    assert key
    if "unknown key" in mistake:
        wrong = key[0].rpartition(".")[2]
        assert len(re.findall(rf"\b{wrong}\b", text)) == 1
        return re.sub(rf"\b{wrong}\b", found[1], text)
    wrong = _WRONG.search(mistake)
    assert wrong, mistake
    value = next(group for group in wrong.groups() if group)
    assert text.count(value) == 1, value
    return text.replace(value, found[1])


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_every_mistake_is_named_and_its_cure_cures(file: Path, tmp_path: Path) -> None:
    case: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    assert case.keys() <= KNOWN and case["expected"]
    text = replaced(TEXT, case.get("change", []))
    folder = write_good(tmp_path / "belt", text)
    lay_out(folder, case.get("write", {}))
    for name in case.get("remove", []):
        (folder / name).unlink()
    assert mistakes(folder) == case["expected"]
    for mistake in case["expected"] if "cure" not in case and "cure_write" not in case else ():
        text = follow(text, mistake)
    (folder / "recipe.toml").write_text(replaced(text, case.get("cure", [])), encoding="utf-8")
    lay_out(folder, case.get("cure_write", {}))
    assert mistakes(folder) == []


def lay_out(folder: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def test_the_good_one_has_no_mistake(tmp_path: Path) -> None:
    assert mistakes(write_good(tmp_path / "belt")) == []


def test_there_are_forty_of_them() -> None:
    assert len(CASES) >= 40
