"""A source of the recipe's own: its pictures, its failures, its way back, and what it may give with a picture."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.leases import StreamLeases, let_go
from edgekit.device.runtime.frames.pool import PicturePool
from edgekit.device.runtime.frames.stream import StreamEnded, StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.sources.feed import Feed
from edgekit.device.runtime.sources.opening import open_source
from edgekit.device.runtime.sources.python import OwnSource
from edgekit.device.runtime.streams import StreamFigures
from edgekit.errors import InputError
from edgekit.host.catalogue.recipe_rules import check_recipe
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.schema.source import PythonSource
from edgekit.stage import Frame
from tests.fakes.yolo_recipe import write_recipe

_CODE = """
from dataclasses import dataclass

import numpy as np

from edgekit.stage import GivenPicture, PictureSource, RgbImage, SourceContext


@dataclass(frozen=True, kw_only=True)
class Levels:
    levels: tuple[int, ...]
    fail_at: int = -1


class Drawn(PictureSource):
    Options = Levels
    opened = 0
    closed = 0

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        Drawn.opened += 1

    def pictures(self):
        for level in self.context.options.levels:
            if level == self.context.options.fail_at:
                raise OSError("the sensor is unplugged")
            image = RgbImage(pixels=np.full((4, 6 + level % 2, 3), level, np.uint8), order="RGB")
            yield GivenPicture(image=image, inputs={"m": {"x": np.float32([level])}})

    def close(self) -> None:
        Drawn.closed += 1


class Plain(PictureSource):
    def pictures(self):
        yield RgbImage(pixels=np.zeros((4, 4, 3), np.uint8), order="RGB")
        yield "no picture"


class Again(PictureSource):
    def pictures(self):
        pixels = np.zeros((4, 6, 3), np.uint8)
        for number in range(5):
            pixels[:] = number
            yield RgbImage(pixels=pixels[:, ::-1], order="RGB")
            self.kept = pixels


class Heard(PictureSource):
    def pictures(self):
        for number in range(2):
            yield GivenPicture(inputs={"m": {"x": np.full((1, 5), number, np.float32)}})
        yield GivenPicture()


class Leaving(PictureSource):
    def pictures(self):
        raise SystemExit("the sensor's library gives up")
        yield
"""


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "own_sensor.py").write_text(_CODE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("own_sensor", None)


def source(
    app: Path, entry: str = "own_sensor:Drawn", *, live: bool = False, waits=None, **options: object
) -> OwnSource:
    plan = PythonSource(kind="python", lane="a", entry=entry, options=options, live=live)
    return OwnSource("sensor", plan, app, clock=lambda: 5.0, wait=waits)


def entries(made: OwnSource, most: int = 50) -> list[object]:
    found: list[object] = []
    for entry in made.entries(LaneFigures("a", time.monotonic)):
        found.append(entry)
        if len(found) == most:
            made.stop()
    return found


def test_its_pictures_are_frames_with_what_comes_with_them(app: Path) -> None:
    started, first, second, ended = entries(source(app, levels=[2, 4]))
    assert isinstance(started, StreamStarted)
    assert (started.info.spec.width_px, started.info.spec.height_px) == (6, 4)
    assert isinstance(first, Frame)
    assert isinstance(second, Frame)
    assert [(one.sequence, one.captured_s, int(one.image.pixels[0, 0, 0])) for one in (first, second)] == [
        (0, 5.0, 2),
        (1, 5.0, 4),
    ]
    assert np.array_equal(second.result("m").inputs["x"], [4])
    assert isinstance(ended, StreamEnded)
    assert sys.modules["own_sensor"].Drawn.closed == 1


def test_another_size_is_told_before_its_first_frame(app: Path) -> None:
    kinds = [type(one).__name__ for one in entries(source(app, levels=[2, 3, 5]))]
    assert kinds == ["StreamStarted", "Frame", "StreamRestarted", "Frame", "Frame", "StreamEnded"]


def test_one_that_fails_is_down_and_comes_back_after_a_pause_that_grows(app: Path) -> None:
    pauses: list[float] = []
    made = source(app, live=True, waits=pauses.append, levels=[2, 4], fail_at=4)
    found = entries(made, 8)
    assert [type(one) for one in found[:7]] == [
        StreamStarted,
        Frame,
        StreamLost,
        StreamRestarted,
        Frame,
        StreamLost,
        StreamRestarted,
    ]
    lost = found[2]
    assert isinstance(lost, StreamLost)
    assert (lost.state, lost.reason) == ("down", "OSError: the sensor is unplugged")
    assert [one.sequence for one in found if isinstance(one, Frame)] == [0, 1, 2]
    assert set(pauses) == {1.0}, "it gave pictures in between"
    never = source(app, live=True, waits=pauses.append, levels=[2], fail_at=2)
    pauses.clear()
    assert all(isinstance(one, StreamLost) for one in entries(never, 7))
    assert pauses[:6] == [2, 4, 8, 16, 30, 30]


def test_a_recording_that_fails_is_the_releases_fault(app: Path) -> None:
    with pytest.raises(OSError, match="unplugged"):
        entries(source(app, levels=[2], fail_at=2))


def test_one_that_calls_sys_exit_is_down_as_any_other(app: Path) -> None:
    made = source(app, "own_sensor:Leaving", live=True, waits=lambda _seconds: made.stop())
    reason = "SystemExit: the sensor's library gives up"
    assert entries(made) == [StreamLost(stream="sensor", state="down", reason=reason)]


def test_an_array_that_is_given_again_costs_no_lease(app: Path) -> None:
    leases = StreamLeases("sensor", 2, PicturePool())
    seen = []
    for one in source(app, "own_sensor:Again").entries(LaneFigures("a", time.monotonic)):
        if isinstance(one, Frame):
            assert leases.lend(one, "a"), "none is lost to the class's own array"
            assert not one.image.pixels.flags.writeable
            row = one.image.pixels[0]
            seen.append(int(row[0, 0]))
            let_go(one, "a")
            assert leases.held == 1, "an array that a stage keeps still counts"
            del row
            assert leases.held == 0
    assert seen == [0, 1, 2, 3, 4]


def test_what_is_no_picture_is_told(app: Path) -> None:
    with pytest.raises(InputError, match="source sensor gave a str, which is no picture"):
        entries(source(app, "own_sensor:Plain"))


def test_sound_and_numbers_come_without_a_picture(app: Path) -> None:
    seen: list[object] = []
    with pytest.raises(InputError, match="source sensor gave a NoneType, which is no picture"):
        seen.extend(source(app, "own_sensor:Heard").entries(LaneFigures("a", time.monotonic)))
    started, first, second = seen
    assert isinstance(started, StreamStarted) and isinstance(first, Frame) and isinstance(second, Frame)
    assert (started.info.spec.width_px, started.info.spec.height_px) == (16, 16)
    assert second.image.spec == started.info.spec and not second.image.pixels.any()
    assert second.result("m").inputs["x"].tolist() == [[1, 1, 1, 1, 1]]
    assert first.image is not second.image


@pytest.mark.parametrize(
    ("entry", "options", "message"),
    [
        ("own_sensor:Drawn", {"level": [1]}, "pipeline.sources.sensor.options.level: unknown key"),
        ("own_sensor:Gone", {}, "source own_sensor:Gone: own_sensor has no Gone"),
        ("nowhere:Drawn", {}, "source nowhere:Drawn cannot be imported"),
    ],
)
def test_a_class_that_is_not_there_and_options_that_are_wrong(app: Path, entry, options, message) -> None:
    plan = PythonSource(kind="python", lane="a", entry=entry, options=options)
    with pytest.raises(InputError) as raised:
        open_source("sensor", plan, app)
    assert message in str(raised.value)


def test_its_tensors_need_no_stage_that_makes_them(tmp_path: Path) -> None:
    """The build's rules take them as given where all sources are such."""
    folder = write_recipe(tmp_path / "recipe", pictures=1)
    recipe = read_recipe(folder).recipe
    stages = {name: stage for name, stage in recipe.pipeline.stages.items() if name != "scale"}
    own = PythonSource(kind="python", lane="a", entry="own:Sensor")
    pipeline = dataclasses.replace(recipe.pipeline, stages=stages)
    (problem,) = check_recipe(dataclasses.replace(recipe, pipeline=pipeline))
    assert "infer takes the tensor of an earlier stage" in problem.expected
    pipeline = dataclasses.replace(pipeline, sources={"mic": own})
    assert not check_recipe(dataclasses.replace(recipe, pipeline=pipeline))


def test_a_recording_that_calls_sys_exit_ends_its_stream_with_the_reason(app: Path) -> None:
    made, clock = source(app, "own_sensor:Leaving"), time.monotonic
    stream = StreamFigures("sensor", clock)
    leases = StreamLeases("sensor", 2, PicturePool())
    Feed(name="a", cpus=(), source=made, following=(), stream=stream, leases=leases).play()
    assert (stream.state, stream.message) == ("failed", "SystemExit: the sensor's library gives up")
