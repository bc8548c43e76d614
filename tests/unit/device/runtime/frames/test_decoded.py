"""What streams say of themselves, and what is refused."""

from __future__ import annotations

import dataclasses

import av
import numpy as np
import pytest

from edgekit.device.runtime.frames.decoded import image_of, spec_of, stated_by_frame, stated_by_stream
from edgekit.errors import InputError
from edgekit.imaging.image import RgbImage

SILENT, BT709, FCC = 2, 1, 4


def clip(path, *, colorspace=BT709, color_range=1, pix_fmt="yuv420p", width=72, values=(81, 90, 240)):
    """Two frames of one colour; 72 pixels wide, so that the decoder pads its rows."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = width, 40, pix_fmt
        stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
        for pts in range(2):
            frame = av.VideoFrame(width, 40, pix_fmt)
            for plane, value in zip(frame.planes, values, strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts = pts
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return av.open(str(path))


def test_colours_come_from_the_stream(tmp_path):
    with clip(tmp_path / "clip.mp4") as container:
        spec = spec_of(stated_by_stream(container.streams.video[0].codec_context), None, None, "belt")
    assert (spec.matrix, spec.range, spec.siting, spec.width_px) == ("709", "limited", "left", 72)


def test_planes_are_views_without_the_padding(tmp_path):
    with clip(tmp_path / "clip.mp4") as container:
        spec = spec_of(stated_by_stream(container.streams.video[0].codec_context), None, None, "belt")
        frames = list(container.decode(video=0))
        images = [image_of(frame, spec) for frame in frames]
    assert frames[0].planes[0].line_size > 72
    del frames
    for found in images:
        for plane, shape, value in ((found.y, (40, 72), 81), (found.u, (20, 36), 90), (found.v, (20, 36), 240)):
            assert plane.shape == shape and (plane == value).all()
            assert plane.base is not None and not plane.flags.writeable
    assert isinstance(images[0].y, np.ndarray)


def test_what_the_stream_leaves_open_the_recipe_says(tmp_path):
    with clip(tmp_path / "clip.mp4", colorspace=SILENT, color_range=0) as container:
        stream = container.streams.video[0].codec_context
        spec = spec_of(stated_by_stream(stream), "601", "full", "belt")
        assert (spec.matrix, spec.range) == ("601", "full")
        with pytest.raises(InputError, match="source belt: neither the stream nor the recipe says its matrix"):
            spec_of(stated_by_stream(stream), None, "full", "belt")
        with pytest.raises(InputError, match="says its range"):
            spec_of(stated_by_stream(stream), "601", None, "belt")


def test_a_contradiction_is_refused(tmp_path):
    with clip(tmp_path / "clip.mp4") as container:
        stream = container.streams.video[0].codec_context
        assert spec_of(stated_by_stream(stream), "709", "limited", "belt").matrix == "709"
        with pytest.raises(InputError, match="the stream says matrix 709, the recipe says 601"):
            spec_of(stated_by_stream(stream), "601", None, "belt")
        with pytest.raises(InputError, match="the stream says range limited, the recipe says full"):
            spec_of(stated_by_stream(stream), None, "full", "belt")


def test_unknown_formats_and_matrices_are_refused(tmp_path):
    for told, change in (("format is yuv444p", {"pix_fmt": "yuv444p"}), ("number 4 of H", {"colorspace": FCC})):
        with clip(tmp_path / "clip.mp4", **change) as container, pytest.raises(InputError, match=told):
            spec_of(stated_by_stream(container.streams.video[0].codec_context), "709", None, "belt")


def test_a_stream_that_changes_is_an_error(tmp_path):
    with clip(tmp_path / "a.mp4") as container:
        spec = spec_of(stated_by_stream(container.streams.video[0].codec_context), None, None, "belt")
    for name, change in (("w", {"width": 80}), ("r", {"color_range": 2}), ("m", {"colorspace": 6})):
        with clip(tmp_path / f"{name}.mp4", **change) as container, pytest.raises(ValueError, match="stream changed"):
            image_of(next(container.decode(video=0)), spec)


@pytest.mark.parametrize("pixel_format", ["nv12", "nv21", "yuyv422", "yuv422p", "yuvj422p", "yuv420p"])
def test_what_cameras_give_becomes_planes_without_a_copy(pixel_format):
    """Written by FFmpeg's own converter from one picture; width 50 has rows that are padded."""
    rgb = np.zeros((32, 50, 3), np.uint8)
    rgb[:16] = 200, 30, 60
    rgb[:, 26:] = 20, 120, 220
    whole = av.VideoFrame.from_ndarray(rgb, "rgb24")
    wanted = whole.reformat(format="yuvj420p" if "yuvj" in pixel_format else "yuv420p")
    frame = whole.reformat(format=pixel_format)
    spec = spec_of(stated_by_frame(frame, "rawvideo"), "601", None if "yuvj" in pixel_format else "limited", "usb")
    image = image_of(frame, spec)
    assert (image.y.shape, image.u.shape, image.v.shape) == ((32, 50), (16, 25), (16, 25))
    other = image_of(wanted, dataclasses.replace(spec, format="I420"))
    for mine, its in ((image.y, other.y), (image.u, other.u), (image.v, other.v)):
        assert not mine.flags.writeable and not mine.flags.owndata
        off = np.abs(mine.astype(int) - its)
        assert np.median(off) <= 1 and (off > 3).mean() < 0.1, "chroma is averaged there and picked here"


@pytest.mark.parametrize(("pixel_format", "order"), [("rgb24", "RGB"), ("bgr24", "BGR"), ("rgba", "RGBA")])
def test_pixels_are_taken_as_they_are_and_say_their_colours_themselves(pixel_format, order):
    rgb = np.random.default_rng(3).integers(0, 256, (32, 50, 3), np.uint8)
    frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format=pixel_format)
    spec = spec_of(stated_by_frame(frame, "rawvideo"), None, None, "usb")
    image = image_of(frame, spec)
    assert isinstance(image, RgbImage) and image.spec == spec and (spec.order, spec.range) == (order, "full")
    assert not image.pixels.flags.writeable and not image.pixels.flags.owndata
    np.testing.assert_array_equal(image.pixels[..., :3], rgb[..., ::-1] if order == "BGR" else rgb)
    with pytest.raises(InputError, match="the stream says range full, the recipe says limited"):
        spec_of(stated_by_frame(frame, "rawvideo"), None, "limited", "usb")


def test_grey_pictures_want_a_range_and_no_matrix():
    grey = np.random.default_rng(3).integers(0, 256, (32, 50), np.uint8)
    frame = av.VideoFrame.from_ndarray(grey, "gray")
    stated = stated_by_frame(frame, "rawvideo")
    with pytest.raises(InputError, match="neither the stream nor the recipe says its range") as refused:
        spec_of(stated, None, None, "usb")
    assert 'sources.usb.range = "..."' in refused.value.hint
    spec = spec_of(stated, None, "limited", "usb")
    image = image_of(frame, spec)
    assert isinstance(image, RgbImage) and image.spec == spec and spec.colours == "GRAY limited"
    np.testing.assert_array_equal(image.pixels, grey)
    frame.color_range = 2
    with pytest.raises(ValueError, match="changed to range full"):
        image_of(frame, spec)


def test_a_stream_that_changes_its_format_is_an_error():
    whole = av.VideoFrame.from_ndarray(np.zeros((32, 50, 3), np.uint8), "rgb24")
    frame = whole.reformat(format="nv12")
    spec = spec_of(stated_by_frame(frame, "rawvideo"), "601", "limited", "usb")
    with pytest.raises(ValueError, match="changed to 50x32 nv21, it began as 50x32 NV12"):
        image_of(whole.reformat(format="nv21"), spec)
