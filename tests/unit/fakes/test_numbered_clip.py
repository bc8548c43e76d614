"""Numbers drawn into pictures are read again, whatever the codec did to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.numbered_clip import numbers_in, write_numbered


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg", "mpeg4", "vp9"])
def test_every_number_is_read_again(codec: str, tmp_path: Path) -> None:
    assert numbers_in(write_numbered(tmp_path / "c.mkv", codec, 30, reorder=2 if codec == "h264" else 0)) == [
        *range(30)
    ]
