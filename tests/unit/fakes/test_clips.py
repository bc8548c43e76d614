"""Clips that tests and benches are made of."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.fakes.clips import write_pictures, write_scene


def test_a_scene_says_its_colours_moves_and_has_no_picture_of_later(tmp_path: Path) -> None:
    with av.open(str(write_scene(tmp_path / "scene.h264", 328, 184, 30, fps=10))) as clip:
        stream = clip.streams.video[0]
        pictures = [frame.to_ndarray() for frame in clip.decode(stream)]
        codec = stream.codec_context
        assert (codec.name, codec.width, codec.height, codec.has_b_frames) == ("h264", 328, 184, False)
        assert (codec.colorspace, codec.color_range, float(stream.guessed_rate or 0)) == (1, 1, 10.0)
    assert len({picture.tobytes() for picture in pictures}) == 30


def test_pictures_keep_their_colours(tmp_path: Path) -> None:
    pictures = [np.full((96, 128, 3), colour, np.uint8) for colour in ((200, 40, 40), (40, 160, 60))]
    with av.open(str(write_pictures(tmp_path / "two.h264", pictures))) as clip:
        stream = clip.streams.video[0]
        found = [frame.to_ndarray(format="rgb24", src_colorspace="itu709") for frame in clip.decode(stream)]
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (1, 1)
    assert len(found) == 2
    for want, have in zip(pictures, found, strict=True):
        assert np.abs(have.astype(int) - want).max() < 8
