"""Clips in place of cameras: H.264 of pictures that move, of the size and rate that is asked for."""

from __future__ import annotations

import io
import tracemalloc
from itertools import pairwise
from pathlib import Path

import av
import av.logging
import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.host.forecast.clip import make_clip, read_cameras, read_clip
from tests.fakes.clips import write_clip
from tests.fakes.decoding import write_references


def frames_of(content: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(content)) as clip:
        return [frame.to_ndarray(format="gray") for frame in clip.decode(video=0)]


def test_pictures_wander_and_no_two_frames_are_the_same(tmp_path: Path) -> None:
    files = [tmp_path / "a.png", tmp_path / "b.png"]
    for file, level in zip(files, (60, 200), strict=True):
        cv2.imwrite(str(file), np.full((90, 160, 3), level, np.uint8))
    made = make_clip(files, (320, 180), 10.0)
    frames = frames_of(made.content)
    assert len(frames) == 20 and frames[0].shape == (180, 320) and (made.width_px, made.height_px) == (320, 180)
    assert abs(float(frames[5].mean()) - 60) < 12 and abs(float(frames[15].mean()) - 200) < 12
    assert all(not np.array_equal(one, other) for one, other in pairwise(frames))
    assert "320x180 at 10 fps" in made.about and "2 golden frames" in made.about
    with av.open(io.BytesIO(made.content)) as clip:
        codec = clip.streams.video[0].codec_context
        assert (codec.name, codec.colorspace, codec.color_range) == ("h264", 1, 1), "a worker guesses no colours"


def test_without_pictures_blocks_move_and_odd_sizes_are_made_even() -> None:
    made = make_clip((), (161, 97), 5.0)
    assert (made.width_px, made.height_px) == (160, 96) and "blocks" in made.about


def test_a_long_clip_is_made_in_the_memory_of_a_few_pictures() -> None:
    tracemalloc.start()
    try:
        make_clip((), (1280, 720), 60.0)
        assert tracemalloc.get_traced_memory()[1] < 16 * 1280 * 720 * 3
    finally:
        tracemalloc.stop()


def test_a_recording_is_taken_as_it_is(tmp_path: Path) -> None:
    file = write_clip(tmp_path / "north.mkv", range(0, 1000, 100))
    made = read_clip(file)
    assert made.content == file.read_bytes() and made.about == "north.mkv, 64x48 mjpeg"


@pytest.mark.parametrize(
    ("codec", "references", "options", "found"),
    [
        ("libx264", 1, {}, 1),
        ("libx264", 4, {}, 4),
        ("libx264", 16, {}, 16),
        ("libx265", 0, {"x265-params": "ref=3:bframes=0:log-level=0"}, 4),
        ("mjpeg", 0, {}, 1),
    ],
)
def test_a_recording_tells_what_its_decoder_keeps(
    tmp_path: Path, codec: str, references: int, options: dict[str, str], found: int
) -> None:
    file = tmp_path / "a.mp4"
    if codec == "mjpeg":
        write_clip(file, range(0, 400, 100))
    else:
        write_references(file, references, 160, 96, codec, **options)
    level = av.logging.get_level()
    kind = read_cameras(file, 3, 25.0)
    assert (kind.count, kind.references) == (3, found)
    assert read_clip(file).references == found and av.logging.get_level() == level
    assert codec == "mjpeg" or (kind.size, kind.fps) == ("160x96", 10.0)


@pytest.mark.parametrize("fps", [0.25, 12.5, 29.97])
def test_a_clip_has_the_rate_that_is_asked_for_and_is_read_back_with_it(tmp_path: Path, fps: float) -> None:
    (tmp_path / "a.mp4").write_bytes(make_clip((), (160, 96), fps).content)
    assert read_clip(tmp_path / "a.mp4").fps == fps == read_cameras(tmp_path / "a.mp4", 1, 25.0).fps


def test_what_a_header_does_not_tell_is_not_known(tmp_path: Path) -> None:
    with av.open(tmp_path / "a.mkv", "w") as clip:
        stream = clip.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        clip.mux(stream.encode(av.VideoFrame(160, 96, "yuv420p")))
        clip.mux(stream.encode(None))
    assert read_cameras(tmp_path / "a.mkv", 1, 25.0).references == 0


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("nothing to see\n" * 100)
    for read in (read_clip, lambda file: read_cameras(file, 1, 25.0)):
        with pytest.raises(InputError, match="no video that can be played"):
            read(text)
        with pytest.raises(InputError, match="cannot be read: No such file"):
            read(tmp_path / "gone.mp4")
