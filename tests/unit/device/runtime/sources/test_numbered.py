"""Pictures that are made by their number, from a folder or drawn, on a virtual clock."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamRestarted
from edgekit.device.runtime.sources.images import play_folder
from edgekit.device.runtime.sources.numbered import NumberedSource
from edgekit.device.runtime.sources.pace import Pace
from edgekit.device.runtime.sources.synthetic import Scene, draw_scenes
from edgekit.errors import InputError
from edgekit.imaging.image import RgbImage, Yuv420Image
from edgekit.schema.source import ImagesSource, SyntheticSource
from edgekit.stage import Frame
from tests.fakes.clock import Clock


def folder(at: Path, *sizes: tuple[int, int]) -> Path:
    at.mkdir()
    for number, (width, height) in enumerate(sizes):
        cv2.imwrite(str(at / f"p{number}.png"), np.full((height, width, 3), number, np.uint8))
    (at / "notes.txt").write_text("not a picture")
    return at


def images(at: Path, clock: Clock, **more: object) -> NumberedSource:
    source = ImagesSource(kind="images", path=at.name, lane="l", **more)  # type: ignore[arg-type]
    return play_folder("yard", source, at.parent, Pace(source.pace, clock, clock.advance))


def scenes(clock: Clock, **more: object) -> NumberedSource:
    source = SyntheticSource(kind="synthetic", lane="l", **more)  # type: ignore[arg-type]
    return draw_scenes("drawn", source, Pace(source.pace, clock, clock.advance))


def play(source: NumberedSource, clock: Clock, most: int = 100) -> list[Entry]:
    return list(islice(source.entries(LaneFigures("l", clock)), most))


def frames(entries: list[Entry]) -> list[Frame]:
    return [entry for entry in entries if isinstance(entry, Frame)]


def test_a_folder_is_played_in_the_order_of_names_at_its_rate(tmp_path: Path) -> None:
    clock = Clock(0.0)
    seen = play(images(folder(tmp_path / "yard", (16, 8), (16, 8)), clock, fps=4.0, loops=2), clock)
    assert [(one.sequence, one.captured_s, int(one.image.pixels[0, 0, 0])) for one in frames(seen)] == [
        (0, 0.0, 0),
        (1, 0.25, 1),
        (2, 0.5, 0),
        (3, 0.75, 1),
    ]
    assert all(isinstance(one.image, RgbImage) and one.image.order == "BGR" for one in frames(seen))
    assert [entry.again for entry in seen if isinstance(entry, StreamRestarted)] == ["pass"]
    assert seen[-1] == StreamEnded(stream="yard", reason="the pictures were played 2 times")


def test_a_picture_of_another_size_restarts_the_stream(tmp_path: Path) -> None:
    clock = Clock()
    seen = play(images(folder(tmp_path / "yard", (16, 8), (32, 8)), clock, loops=1), clock)
    (restarted,) = [entry for entry in seen if isinstance(entry, StreamRestarted)]
    assert (restarted.again, restarted.info.spec.width_px) == ("change", 32)
    assert seen.index(restarted) == 2, "between the two"


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    at = folder(tmp_path / "yard", (16, 8))
    (at / "p1.png").write_bytes(b"no")
    clock = Clock()
    with pytest.raises(InputError, match=r"source yard: p1\.png is no picture that can be read"):
        play(images(at, clock), clock)
    with pytest.raises(InputError, match="source yard: there is no picture in empty"):
        images(folder(tmp_path / "empty"), clock)


def test_the_same_seed_draws_the_same_frames() -> None:
    clock = Clock()
    one, two, other = (frames(play(scenes(clock, seed=seed, frames=5), clock)) for seed in (1, 1, 2))
    assert [a.truth for a in one] == [b.truth for b in two] != [c.truth for c in other]
    assert all(np.array_equal(a.image.y, b.image.y) for a, b in zip(one, two, strict=True))
    assert not np.array_equal(one[0].image.y, one[1].image.y), "a sensor's noise is new in each frame"


def test_the_truth_is_where_it_is_bright() -> None:
    """Looked for in the pixels, without the scene's own numbers."""
    scene = Scene(SyntheticSource(kind="synthetic", lane="l", width_px=320, height_px=200, objects=3, seed=4))
    seen = 0
    for number in range(60):
        picture = scene.picture(number)
        assert isinstance(picture.image, Yuv420Image) and picture.truth is not None
        bright = picture.image.y > 120
        marked = np.zeros_like(bright)
        for found in picture.truth:
            left, top = round(found.x_px - found.width_px / 2), round(found.y_px - found.height_px / 2)
            marked[top : top + round(found.height_px), left : left + round(found.width_px)] = True
        assert np.array_equal(bright, marked)
        seen += len(picture.truth)
    assert seen > 90


def test_a_track_is_one_crossing() -> None:
    scene = Scene(SyntheticSource(kind="synthetic", lane="l", width_px=64, height_px=64, objects=1, seed=0))
    places: dict[int, list[float]] = {}
    for number in range(500):
        for found in scene.picture(number).truth or ():
            places.setdefault(found.track, []).append(found.x_px)
    assert len(places) > 3 and all(xs == sorted(xs) for xs in places.values()), "each goes to the right, once"


def test_drawn_scenes_come_at_a_cameras_pace_and_wait_for_nobody() -> None:
    clock = Clock(0.0)
    source = scenes(clock, fps=50.0, frames=3)
    assert source.live and [one.captured_s for one in frames(play(source, clock))] == [0.0, 0.02, 0.04]
    assert not scenes(clock, pace="fast").live, "but each of a recording's frames counts"


def test_it_stops_while_it_waits_for_a_frame() -> None:
    clock = Clock()
    pace = Pace("camera", clock, lambda _seconds: pace.stop())
    source = draw_scenes("drawn", SyntheticSource(kind="synthetic", lane="l"), pace)
    assert frames(play(source, clock)) == []
