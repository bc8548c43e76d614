"""Models that take no picture, such as sound with a state: from a recipe to golden answers and engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from edgekit.errors import EngineError, InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.workflow.engines import make_engines
from edgekit.host.workflow.golden import GoldenOptions, find_golden
from edgekit.host.workflow.site import runners_for
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.detection import read_expected
from tests.fakes import networks
from tests.fakes.workstations import workstation_in

SAMPLES = 8
INPUTS = """
input = { shape = [1, 8] }
state = { shape = [2, 1, 4], fed_by = "stateN" }
sr = { value = 16000 }
"""
RECIPE = """
name = "voice"
version = "1.0.0"
models.vad.onnx = "voice.onnx"
MORE
[models.vad.other_inputs]
INPUTS
[pipeline.sources.microphone]
kind = "python"
entry = "sound:Sound"
lane = "all"
[pipeline.stages.hear]
kind = "infer"
lane = "all"
[pipeline.stages.voice]
kind = "classify"
lane = "all"
options = { labels = ["speech"], threshold = 0.3 }
[pipeline.sinks.log]
kind = "jsonl"
path = "-"
lane = "all"
[pipeline.lanes.all]
[limits]
memory_max = "256MiB"
"""
SOUND = """
from edgekit.stage import GivenPicture, PictureSource


class Sound(PictureSource):
    def pictures(self):
        raise AssertionError("nobody asks")
"""


@pytest.fixture
def station(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workstation:
    monkeypatch.chdir(tmp_path)
    return workstation_in(tmp_path / "home")


def recipe_in(folder: Path, inputs: str = INPUTS, more: str = "") -> Path:
    made = folder / "voice"
    (made / "app").mkdir(parents=True)
    (made / "golden").mkdir()
    networks.save(networks.voice(), made / "voice.onnx")
    (made / "recipe.toml").write_text(RECIPE.replace("INPUTS", inputs).replace("MORE", more))
    (made / "app/sound.py").write_text(SOUND)
    random = np.random.default_rng(0)
    for steps in (1, 5):
        np.savez(made / f"golden/{steps}.npz", input=random.normal(0, 0.2, (steps, 1, SAMPLES)).astype(np.float32))
    return made


def by_loop(model: Path, file: Path) -> float:
    """The score at the last step, by ONNX Runtime alone."""
    session, state = ort.InferenceSession(str(model)), np.zeros((2, 1, 4), np.float32)
    score = np.zeros((1, 1), np.float32)
    for sound in np.load(file)["input"]:
        score, state = session.run(None, {"input": sound, "state": state, "sr": np.array(16000)})
    return float(score[0, 0])


def test_golden_tensors_pass_step_by_step_and_the_state_goes_on(tmp_path: Path, station: Workstation) -> None:
    made = recipe_in(tmp_path)
    find_golden(made, GoldenOptions(write=True), station)
    expected = read_expected((made / "golden/expected.json").read_bytes(), "expected.json")
    for name in ("1.npz", "5.npz"):
        (found,) = expected[name]
        assert found.label == "speech"
        assert found.score == pytest.approx(by_loop(made / "voice.onnx", made / "golden" / name), abs=1e-3)
    find_golden(made, GoldenOptions(check=True), station)


def test_they_run_on_the_cpu_of_boards_with_an_accelerator(tmp_path: Path, station: Workstation) -> None:
    folder, target = read_recipe(recipe_in(tmp_path)), find_target("rk3588-debian12", station.settings)
    (engine,) = make_engines(folder, target, station)
    assert engine.entry.runner == "onnxruntime" and runners_for(folder.recipe, target) == ("onnxruntime",)
    assert "input float32[1, 8], state float32[2, 1, 4]" in engine.entry.facts["inputs"]
    assert "stateN float32[2, 1, 4]" in engine.entry.facts["outputs"]
    assert "vad: the CPU runs it: it takes no picture" in engine.notes
    assert not any("verified" in note for note in engine.notes)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (INPUTS.replace("sr = ", "# sr = "), r"says nothing of sr"),
        (INPUTS.replace("[1, 8]", "[1, 8, 1]"), r"takes input float32\[\?, \?\], and .*input\.shape is \[1, 8, 1\]"),
        (INPUTS.replace("stateN", "next"), r"fed_by names 'next', which is no output"),
        (INPUTS.replace("stateN", "output"), r"takes state float32\[2, 1, 4\], and .*fed_by is output float32\[1, 1\]"),
        (INPUTS + "more = { value = 1 }", r"names more, and"),
    ],
)
def test_inputs_that_are_others_are_told(inputs: str, message: str, tmp_path: Path, station: Workstation) -> None:
    folder = read_recipe(recipe_in(tmp_path, inputs))
    with pytest.raises(EngineError, match=message):
        make_engines(folder, find_target("host", station.settings), station)


@pytest.mark.parametrize(
    ("inputs", "more", "message"),
    [
        (
            INPUTS.replace('shape = [2, 1, 4], fed_by = "stateN"', 'value = 0, fed_by = "stateN"'),
            "",
            r"expected shape beside",
        ),
        (INPUTS.replace("value = 16000", "value = 16000, shape = []"), "", r"expected one of value"),
        ("sr = { value = 1 }", "", r"models\.vad\.input: missing; for a model that takes no picture"),
        (INPUTS, 'models.vad.cpu_precision = "int8"', r"cpu_precision: is for models that take pictures alone"),
        (INPUTS, 'models.vad.split = "auto"', r"split: is for models that take pictures alone"),
    ],
)
def test_what_such_a_model_cannot_have_is_told(inputs: str, more: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_recipe(recipe_in(tmp_path, inputs, more))


def test_a_model_that_remembers_is_kept_off_lanes_of_several_threads(tmp_path: Path, station: Workstation) -> None:
    made = recipe_in(tmp_path)
    text = (made / "recipe.toml").read_text()
    text = text.replace('kind = "infer"\nlane = "all"', 'kind = "infer"\nlane = "two"')
    text = text.replace("[pipeline.lanes.all]", "[pipeline.lanes.two]\nthreads = 2\n[pipeline.lanes.all]")
    (made / "recipe.toml").write_text(text)
    with pytest.raises(InputError, match="stage hear has state, and lane two has 2 threads"):
        find_golden(made, GoldenOptions(), station)


def test_stages_of_pictures_are_refused_for_it(tmp_path: Path) -> None:
    made = recipe_in(tmp_path)
    text = (made / "recipe.toml").read_text()
    (made / "recipe.toml").write_text(text.replace('"classify"', '"detect"'))
    with pytest.raises(InputError, match="expected a model that takes a picture: detect is for those"):
        read_recipe(made)
