"""What stands for `{decoder}` and `{camera}` on which board, and what a child may say of its memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.device.runtime.sources.gstreamer import PictureCaps
from edgekit.device.runtime.sources.gstreamer_child import fill

LINE = "rtspsrc location=rtsp://c/1 ! rtph264depay ! h264parse ! {decoder} ! appsink"
JETSON = {"nvv4l2decoder", "nvarguscamerasrc", "avdec_h264", "v4l2src"}
ROCKCHIP = {"mppvideodec", "avdec_h264", "v4l2src"}
PLAIN = {"avdec_h264", "v4l2src", "vah264dec"}


@pytest.mark.parametrize(
    ("decoder", "there", "chosen"),
    [
        ("auto", JETSON, "nvv4l2decoder"),
        ("auto", ROCKCHIP, "mppvideodec"),
        ("auto", PLAIN, "avdec_h264"),
        ("avdec_h264", JETSON, "avdec_h264"),
        ("vah264dec", PLAIN, "vah264dec"),
    ],
)
def test_the_boards_own_decoder_comes_first(decoder: str, there: set[str], chosen: str) -> None:
    line, names = fill(LINE, "h264", decoder, there.__contains__)
    assert names == [chosen] and f"h264parse ! {chosen}" in line and line.endswith("! appsink")
    assert ("nvvidconv" in line) == (chosen == "nvv4l2decoder"), "its memory is the GPU's"


def test_the_boards_own_camera() -> None:
    assert fill("{camera} ! appsink", "h264", "auto", JETSON.__contains__)[1] == ["nvarguscamerasrc"]
    assert fill("{camera} ! appsink", "h264", "auto", PLAIN.__contains__)[0] == "v4l2src ! appsink"
    assert fill("videotestsrc ! appsink", "h264", "auto", set[str]().__contains__) == ("videotestsrc ! appsink", [])


@pytest.mark.parametrize(
    ("decoder", "reason"),
    [
        ("auto", "GStreamer here has no nvv4l2decoder, mppvideodec, v4l2slh265dec, avdec_h265, libde265dec"),
        ("vah265dec", "GStreamer here has no vah265dec"),
    ],
)
def test_what_is_missing_is_named(decoder: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        fill(LINE, "h265", decoder, {"avdec_h264"}.__contains__)


CAPS = PictureCaps(
    format="I420",
    width_px=64,
    height_px=32,
    fps=10.0,
    offsets=(0, 2048, 2560),
    strides=(64, 32, 32),
    matrix="709",
    range="limited",
    bytes=3072,
    slots=2,
)


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"bytes": 3071}, False),
        ({"offsets": (0, 2048, 2561)}, False),
        ({"strides": (63, 32, 32)}, False),
        ({"strides": (128, 32, 32)}, False),
        ({"offsets": (0, 2048)}, False),
        ({"format": "NV12", "offsets": (0, 2048), "strides": (64, 64)}, True),
        ({"format": "NV12", "offsets": (0, 2049), "strides": (64, 64)}, False),
        ({"format": "NV12"}, False),
    ],
)
def test_planes_lie_inside_their_slot(change: dict[str, object], fits: bool) -> None:
    assert replace(CAPS, **change).fits == fits  # type: ignore[arg-type]
