"""Reading recipes' folders. What newcomers write wrong is in `test_broken_recipes.py`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.recipe_rules import check_recipe
from edgekit.host.catalogue.recipes import files_below, read_recipe
from edgekit.host.toml_file import MAX_TOML_BYTES
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.recipe_folder import TEXT, replaced, write_good


def rules(*changes: list[str]) -> list[str]:
    return [str(problem) for problem in check_recipe(from_toml(Recipe, replaced(TEXT, list(changes)), "recipe.toml"))]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("scale = 0.004", "scale = [1, 2]", "input.scale: expected 1 number or 3 for RGB, found 2"),
        ("scale = 0.004", "scale = [1, 0, 1]", "input.scale: expected numbers other than 0"),
        ("scale = 0.004", 'dtype = "uint8", mean = 1', "input.dtype: a uint8 tensor holds pixels as they are"),
        ('"golden/1.png"', '"more/0.png"', "golden.frames[1]: a second file named 0.png"),
        ('["scipy>=1.14"]', "['a @ git+https://x/a']", "clone it beside recipe.toml"),
        ('["scipy>=1.14"]', "['-e ./a']", "write ./FOLDER instead"),
        ('["scipy>=1.14"]', "['a===foo']", "foo is no version"),
        ('["scipy>=1.14"]', "['https://me:x@y/a.whl']", "a user's name or password"),
        ('["scipy>=1.14"]', "[]\nconstraints = ['a b']", "python.constraints[0]: expected a requirement"),
        ('["scipy>=1.14"]', "[]\nexclude = ['a>=1']", "python.exclude[0]: expected a name alone"),
        (
            '["scipy>=1.14"]',
            "[]\n[python.indexes.own]\nurl = 'https://me:x@y/'",
            "python.indexes.own.url: holds a user's name or password; set UV_INDEX_OWN_USERNAME",
        ),
        ('["scipy>=1.14"]', "[]\n[python.indexes.own]\nurl = 'simple'", "python.indexes.own.url: expected an address"),
        (
            '["scipy>=1.14"]',
            "[]\n[python.indexes.own]\nurl = 'https://y/'\npackages = ['torch>=2']",
            "python.indexes.own.packages[0]: expected a package's name",
        ),
    ],
)
def test_rules_between_fields(old: str, new: str, message: str) -> None:
    assert message in "\n".join(rules([old, new]))


def test_a_lane_may_be_left_for_good_and_a_model_named_nowhere() -> None:
    assert rules(['model = "parts"\n', ""], ['model = "parts"\n', ""]) == []
    assert rules(["[pipeline.lanes.camera]", "[pipeline.lanes.spare]\n\n[pipeline.lanes.camera]"]) == []


def test_two_models_may_take_turns_on_one_frame() -> None:
    """What belongs to a model is kept by its name: neither overwrites the other's."""
    more = '[models.more]\nonnx = "model.onnx"\ninput = { width_px = 32, height_px = 32, order = "GRAY" }\n\n'
    scale = '[pipeline.stages.scale2]\nkind = "preprocess"\nlane = "vision"\nmodel = "more"\n\n'
    infer = '[pipeline.stages.see2]\nkind = "infer"\nlane = "vision"\nmodel = "more"\n\n'
    named = [[f'kind = "{kind}"\n', f'kind = "{kind}"\nmodel = "parts"\n'] for kind in ("centres", "colour")]
    models = ["[pipeline.sources.belt]", f"{more}[pipeline.sources.belt]"]
    assert rules(models, *named, ["[pipeline.stages.see]", f"{scale}{infer}[pipeline.stages.see]"]) == []
    late = rules(models, *named, ["[pipeline.stages.see]", f"{infer}{scale}[pipeline.stages.see]"])
    assert [text.partition(": ")[2] for text in late] == [
        "pipeline.stages.see2.model: infer takes the tensor of 'more', and earlier stages leave that of 'parts'"
    ]


def test_own_code_may_do_what_built_in_stages_do() -> None:
    own = 'kind = "python"\nentry = "belt.sorter:Sorter"\noptions = { part = "x" }\n'
    assert (
        rules(
            ['kind = "preprocess"\n', own], ['kind = "centres"\nlane = "vision"\noptions', f'{own}lane = "vision"\n#']
        )
        == []
    )


def test_the_files_that_travel(tmp_path: Path) -> None:
    recipe = read_recipe(write_good(tmp_path / "belt"))
    assert recipe.carried == ("clip.mp4", "golden/0.png", "golden/1.png", "golden/expected.json", "truth.json")
    assert recipe.app == tmp_path / "belt/app"


def test_a_link_out_of_the_folder_comes_with_the_other_mistakes(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "belt", TEXT.replace("cpus = [1]", "cpus = [7]"))
    for name in ("clip.mp4", "truth.json", "golden/0.png"):
        (folder / name).unlink()
    (folder / "clip.mp4").mkdir()
    (folder / "golden/0.png").symlink_to("/etc/hostname")
    with pytest.raises(InputError) as caught:
        read_recipe(folder)
    lines = caught.value.message.replace(f"{folder}/recipe.toml: ", "").splitlines()
    assert lines == [
        "4 mistakes",
        "pipeline.lanes.vision.cpus: expected positions in limits.cpus, 0 to 1, found 7",
        "pipeline.sources.belt.path: clip.mp4 is not a file",
        "pipeline.sinks.score.path: truth.json is not there",
        "golden.frames[0]: golden/0.png leads out of the recipe's folder",
    ]


def test_answers_that_are_about_to_be_written_need_not_be_there_or_be_right(tmp_path: Path) -> None:
    folder = write_good(tmp_path / "belt")
    (folder / "golden/expected.json").write_text("{}")
    assert read_recipe(folder, unwritten=("golden.expected",)).recipe.golden
    (folder / "golden/expected.json").unlink()
    assert read_recipe(folder, unwritten=("golden.expected",)).recipe.golden


@pytest.mark.parametrize("content", [b"\xff\xfeA\x00", b"{" * 100_000, b"\xef\xbb\xbfnonsense"])
def test_json_of_any_bytes_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    folder = write_good(tmp_path / "belt")
    for name in ("golden/expected.json", "truth.json"):
        (folder / name).write_bytes(content)
    with pytest.raises(InputError, match="2 mistakes"):
        read_recipe(folder)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_byte_order_mark_is_no_mistake(ending: str, tmp_path: Path) -> None:
    folder = write_good(tmp_path / "belt")
    (folder / "recipe.toml").write_bytes(("\ufeff" + TEXT.replace("\n", ending)).encode())
    assert read_recipe(folder).recipe.name == "belt"


def test_what_has_no_end_or_no_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").symlink_to("/dev/zero")
    with pytest.raises(InputError, match="is not a file"):
        read_recipe(tmp_path)
    (tmp_path / "recipe.toml").unlink()
    (tmp_path / "recipe.toml").write_bytes(b"#" * (MAX_TOML_BYTES + 1))
    with pytest.raises(InputError, match="is larger than"):
        read_recipe(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "nowhere/recipe.toml"])
def test_no_recipe(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"nowhere/recipe.toml cannot be read: No such file"):
        read_recipe(tmp_path / name)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes(b"name = 1\n\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text, line 2"):
        read_recipe(tmp_path)


def test_own_code_is_listed_without_caches_and_hidden_files(tmp_path: Path) -> None:
    for name in ("b.py", "a/c.py", "__pycache__/b.pyc", ".git/x", ".hidden"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert files_below(tmp_path) == ("a/c.py", "b.py")


def test_what_is_neither_file_nor_folder_is_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="pipe is neither file nor folder") as refused:
        files_below(tmp_path)
    subprocess.run(refused.value.hint, shell=True, check=True, timeout=PATIENCE_S)
    assert files_below(tmp_path) == ()


def test_a_folder_of_code_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "app").symlink_to("elsewhere")
    with pytest.raises(InputError, match="app is a link"):
        files_below(tmp_path / "app")


def test_links_do_not_travel(tmp_path: Path) -> None:
    (tmp_path / "x.py").symlink_to("/etc/hostname")
    with pytest.raises(InputError, match="links do not travel"):
        files_below(tmp_path)
