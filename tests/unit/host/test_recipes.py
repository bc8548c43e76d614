"""Reading recipes: every mistake at once, each with its key and the closest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.recipe_rules import check_recipe
from edgekit.host.recipes import files_below, read_recipe
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe

GOOD = """
name = "belt"
version = "1.2.0"

[models.parts]
onnx = "models/parts.onnx"
input = {width_px = 160, height_px = 96, order = "RGB"}

[pipeline.sources.belt]
kind = "file"
path = "clip.mp4"
lane = "camera"

[pipeline.stages]
preprocess = {kind = "preprocess", lane = "camera"}
detect = {kind = "infer", lane = "vision", model = "parts"}
own = {kind = "python", lane = "vision", entry = "belt.stages:Sort"}

[pipeline.sinks]
log = {kind = "jsonl", path = "-", lane = "vision"}
score = {kind = "score", path = "truth.json", lane = "vision"}

[pipeline.lanes]
camera = {cpus = 0}
vision = {cpus = "1", queue = 2, drop = "drop_oldest"}

[limits]
memory_max = "400MiB"
cpus = 2

[golden]
frames = ["golden/0.png", "golden/1.png"]
expected = "golden/expected.json"
"""


def problems(*changes: tuple[str, str]) -> list[str]:
    text = GOOD
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    try:
        return [str(problem) for problem in check_recipe(from_toml(Recipe, text, "recipe.toml"))]
    except InputError as error:
        lines = error.message.splitlines()
        return lines[len(lines) > 1 :]


def write(folder: Path, text: str = GOOD) -> Path:
    for name in ("models/parts.onnx", "clip.mp4", "truth.json", "golden/0.png", "golden/1.png", "golden/expected.json"):
        file = folder / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(name)
    (folder / "recipe.toml").write_text(text)
    return folder


def test_a_good_recipe_has_no_mistakes() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "belt"', 'name = "Belt 2"', "name: expected lower-case"),
        ("1.2.0", "1.2", "version: expected a version"),
        (
            'lane = "camera"',
            'lane = "camra"',
            "sources.belt.lane: no lane 'camra'; lanes: camera, vision; did you mean c",
        ),
        ('model = "parts"', 'model = "prats"', "detect.model: no model 'prats'; models: parts; did you mean parts?"),
        (
            ', entry = "belt.stages:Sort"',
            "",
            'own.entry: missing; expected "module:Class" in the recipe\'s app/ folder',
        ),
        ("belt.stages:Sort", "belt/stages.py", 'found "belt/stages.py"'),
        ('kind = "preprocess",', 'kind = "preprocess", entry = "a:B",', 'preprocess.entry: only for kind "python"'),
        ("queue = 2", "queue = 0", "lanes.vision.queue: expected 1 to 1024, found 0"),
        ('cpus = "1"', 'cpus = "2"', "lanes.vision.cpus: expected positions in limits.cpus, 0 to 1, found 2"),
        ("cpus = 2\n", "cpus = 0\n", "limits.cpus: expected 1 to 4096, found 0"),
        ("cpus = 2\n", "cpus = 2\nmemory_high = '1GiB'\n", "limits.memory_high: expected at most memory_max"),
        ('path = "-"', 'path = "../out.jsonl"', "sinks.log.path: expected a path inside the recipe's folder"),
        ('path = "truth.json", ', "", "sinks.score.path: missing; expected a path inside"),
        ("width_px = 160", "width_px = 0", "models.parts.input.width_px: expected 1 to 8192, found 0"),
        ('order = "RGB"', 'order = "RGB", mean = [1, 2]', "expected 1 number or 3 for RGB, found 2"),
        ('order = "RGB"', 'order = "RGB", scale = [1, 2]', "input.scale: expected 1 number or 3 for RGB, found 2"),
        ('order = "RGB"', 'order = "RGB", scale = [1, 0, 1]', "input.scale: expected numbers other than 0"),
        (
            'order = "RGB"',
            'order = "RGB", dtype = "uint8", mean = 1',
            "input.dtype: a uint8 tensor holds pixels as they are",
        ),
        ('"golden/1.png"', '"more/0.png"', "golden.frames[1]: a second file named 0.png"),
        (
            "[golden]",
            "[health]\nsettle_s = 0\n[golden]",
            "health.settle_s: expected more than 0, at most 86400, found 0",
        ),
        ("[golden]", "[python]\nrequirements = ['a b']\n[golden]", "python.requirements[0]: expected a requirement"),
        ("[golden]", "[python]\nrequirements = ['a @ git+https://x/a']\n[golden]", "clone it beside recipe.toml"),
        ("[golden]", "[python]\nrequirements = ['-e ./a']\n[golden]", "write ./FOLDER instead"),
        ("[golden]", "[python]\nrequirements = ['a===foo']\n[golden]", "foo is no version"),
        ("[golden]", "[python]\nrequirements = ['https://me:x@y/a.whl']\n[golden]", "a user's name or password"),
        ("[golden]", "[python]\nconstraints = ['a b']\n[golden]", "python.constraints[0]: expected a requirement"),
        ("[golden]", "[python]\nexclude = ['a>=1']\n[golden]", "python.exclude[0]: expected a name alone"),
        (
            "[golden]",
            "[python.indexes.own]\nurl = 'https://me:x@y/'\n[golden]",
            "python.indexes.own.url: holds a user's name or password; set UV_INDEX_OWN_USERNAME",
        ),
        ("[golden]", "[python.indexes.own]\nurl = 'simple'\n[golden]", "python.indexes.own.url: expected an address"),
        (
            "[golden]",
            "[python.indexes.own]\nurl = 'https://y/'\npackages = ['torch>=2']\n[golden]",
            "python.indexes.own.packages[0]: expected a package's name",
        ),
        ("[models.parts]", '[models."../x"]', 'models."../x": expected a name of letters'),
    ],
)
def test_a_mistake_names_its_key(old: str, new: str, told: str) -> None:
    assert told in "\n".join(problems((old, new)))


def test_all_mistakes_come_at_once() -> None:
    assert len(problems(("1.2.0", "x"), ("queue = 2", "queue = 0"), ('kind = "jsonl"', 'kind = "x"'))) == 3
    assert len(problems(('lane = "camera"', 'lane = "x"'), ('model = "parts"', 'model = "x"'))) == 2


def test_a_misspelt_kind_names_the_closest() -> None:
    (found,) = problems(('kind = "infer"', 'kind = "infr"'))
    assert found.startswith("recipe.toml: pipeline.stages.detect.kind: expected one of ")
    assert found.endswith("; did you mean infer?")


def test_the_files_that_travel(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path))
    assert recipe.carried == ("clip.mp4", "golden/0.png", "golden/1.png", "golden/expected.json", "truth.json")
    assert recipe.app is None


def test_missing_files_and_ways_out_of_the_folder_come_with_the_other_mistakes(tmp_path: Path) -> None:
    folder = write(tmp_path / "belt", GOOD.replace('cpus = "1"', "cpus = [7]"))
    (folder / "clip.mp4").unlink()
    (folder / "clip.mp4").mkdir()
    (folder / "truth.json").unlink()
    (folder / "golden/0.png").unlink()
    (folder / "golden/0.png").symlink_to("/etc/hostname")
    with pytest.raises(InputError) as caught:
        read_recipe(folder)
    assert caught.value.message.splitlines()[0] == "4 mistakes"
    for told in (
        "lanes.vision.cpus: expected positions",
        "clip.mp4 is not a file",
        "truth.json is not there",
        "leads out",
    ):
        assert told in caught.value.message


@pytest.mark.parametrize("name", ["nowhere", "nowhere/recipe.toml"])
def test_no_recipe(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"nowhere/recipe.toml cannot be read: No such file"):
        read_recipe(tmp_path / name)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_recipe(tmp_path)


def test_own_code_is_listed_without_caches_and_hidden_files(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", "__pycache__/b.pyc", ".git/x", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files_below(tmp_path) == ("a/c.py", "b.py")


def test_links_do_not_travel(tmp_path: Path) -> None:
    (tmp_path / "x.py").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="links do not travel"):
        files_below(tmp_path)
