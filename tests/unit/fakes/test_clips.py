"""Clips that tests and benches are made of."""

from __future__ import annotations

from pathlib import Path

import av

from tests.fakes.clips import write_scene


def test_a_scene_says_its_colours_moves_and_has_no_picture_of_later(tmp_path: Path) -> None:
    with av.open(str(write_scene(tmp_path / "scene.h264", 328, 184, 30, fps=10))) as clip:
        stream = clip.streams.video[0]
        pictures = [frame.to_ndarray() for frame in clip.decode(stream)]
        codec = stream.codec_context
        assert (codec.name, codec.width, codec.height, codec.has_b_frames) == ("h264", 328, 184, False)
        assert (codec.colorspace, codec.color_range, float(stream.guessed_rate or 0)) == (1, 1, 10.0)
    assert len({picture.tobytes() for picture in pictures}) == 30
