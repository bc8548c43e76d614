"""Settings in recipe.toml: where they may stand, and what the build checks in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import RecipeFolder, read_recipe
from edgekit.schema.settings import SettingPlace
from tests.fakes.recipe_folder import TEXT, replaced, write_good

DECLARED = '\n[settings.rounds]\nkind = "integer"\nabout = "How often the clip is played."\n'
REFERENCE = ['kind = "file"', 'kind = "file"\nloops = { setting = "rounds" }']


def read(folder: Path, *changes: list[str], more: str = "") -> RecipeFolder:
    return read_recipe(write_good(folder / "recipe", replaced(TEXT, list(changes)) + more))


def refused(folder: Path, *changes: list[str], more: str = "") -> str:
    with pytest.raises(InputError) as caught:
        read(folder, *changes, more=more)
    return caught.value.message


def test_the_default_or_the_example_stands_in_its_place(tmp_path: Path) -> None:
    for key, value in (("default", 3), ("example", 4)):
        found = read(tmp_path / key, REFERENCE, more=f"{DECLARED}{key} = {value}\n")
        assert [source.loops for source in found.recipe.pipeline.sources.values()] == [value]
        (name,) = found.recipe.pipeline.sources
        assert found.places == (SettingPlace(setting="rounds", keys=("sources", name, "loops")),)


def test_a_recipe_without_settings_has_no_places(tmp_path: Path) -> None:
    assert read(tmp_path).places == ()


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ([REFERENCE], "", "loops.setting: there is no [settings.rounds]"),
        ([REFERENCE], DECLARED.replace("rounds", "round") + "default = 1\n", "did you mean round?"),
        ([], DECLARED + "default = 1\n", "settings.rounds: nothing refers to it"),
        ([REFERENCE], DECLARED, "settings.rounds.default: missing; expected a default, or an example"),
        ([REFERENCE], DECLARED + "default = -1\n", "loops: expected 0 to 1000000, found -1"),
        ([REFERENCE], DECLARED + 'default = "x"\n', "settings.rounds.default: expected a whole number"),
        (
            [['path = "clip.mp4"', 'path = { setting = "rounds" }']],
            DECLARED + "default = 1\n",
            "path: cannot be a setting: it is the same on every board",
        ),
        (
            [['version = "', 'description = { setting = "rounds" }\nversion = "']],
            DECLARED + "default = 1\n",
            "description: cannot be a setting",
        ),
        (
            [REFERENCE, ["scale = 0.004", 'scale = [{ setting = "rounds" }]']],
            DECLARED + "default = 1\n",
            "input.scale: a setting stands for a whole value, not for an entry of a list",
        ),
        (
            [REFERENCE],
            DECLARED
            + 'default = 1\n[settings.key]\nkind = "text"\nabout = "A password."\nsecret = true\ndefault = "x"\n',
            "settings.key.default: a secret has no default",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_key(tmp_path: Path, changes: list[list[str]], more: str, message: str) -> None:
    assert message in refused(tmp_path, *changes, more=more)
