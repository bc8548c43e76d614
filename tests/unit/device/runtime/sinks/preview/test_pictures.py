"""What a viewer sees: the camera's colours, in place, at the preview's size."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest

from edgekit.device.runtime.sinks.preview.planes import SmallPlanes, small_size
from edgekit.device.runtime.sinks.preview.view import StreamView
from edgekit.imaging.image import FrameSpec, Pixels, RgbImage, Yuv420Image
from edgekit.imaging.matrices import yuv_to_rgb
from edgekit.schema.detection import Detection
from edgekit.schema.plan import StagePlan
from edgekit.schema.source import Matrix, Range
from edgekit.stage import Frame, StreamInfo
from tests.fakes.viewers import PreviewBench, decoded, plain_image, preview_bench

COLOURS = list(itertools.product(get_args(Matrix), get_args(Range)))


def patches(matrix: Matrix, range_: Range, size: tuple[int, int] = (1920, 1080)) -> tuple[Yuv420Image, Pixels]:
    """Twelve patches of known RGB colours as a decoder gives them, and the colours: uint8[3, 4, 3], RGB."""
    colours = np.random.default_rng(7).integers(20, 236, (3, 4, 3)).astype(np.uint8)
    rows = np.array(yuv_to_rgb(matrix, range_))
    yuv = np.rint(np.linalg.solve(rows[:, :3], (colours.reshape(-1, 3) - rows[:, 3]).T).T)
    planes = np.clip(yuv, 0, 255).astype(np.uint8).reshape(3, 4, 3)
    width, height = size

    def grown(channel: int, wide: int, high: int) -> Pixels:
        made = cv2.resize(planes[:, :, channel], (wide, high), interpolation=cv2.INTER_NEAREST)
        return np.asarray(made, np.uint8)

    half = ((width + 1) // 2, (height + 1) // 2)
    spec = FrameSpec(width_px=width, height_px=height, matrix=matrix, range=range_)
    return Yuv420Image(y=grown(0, *size), u=grown(1, *half), v=grown(2, *half), spec=spec), colours


def centres(pixels: Pixels) -> Pixels:
    """The middle of each patch, RGB."""
    high, wide = pixels.shape[0] / 3, pixels.shape[1] / 4
    rows = [round(high * (row + 0.5)) for row in range(3)]
    columns = [round(wide * (column + 0.5)) for column in range(4)]
    return np.asarray(pixels[np.ix_(rows, columns)][..., ::-1], np.uint8)


@pytest.mark.parametrize(("matrix", "range_"), COLOURS)
@pytest.mark.parametrize("size", [(1920, 1080), (640, 360), (641, 361), (2592, 1944), (320, 240)])
def test_colours_are_the_cameras_whatever_its_matrix_and_range(
    matrix: Matrix, range_: Range, size: tuple[int, int]
) -> None:
    image, colours = patches(matrix, range_, size)
    planes = SmallPlanes(640)
    planes.fill(image)
    made = planes.bgr()
    assert made is not None and made.shape[1] == min(size[0], 640)
    assert np.abs(centres(made).astype(int) - colours).max() <= 2


def test_a_jpeg_has_the_cameras_colours(tmp_path: Path) -> None:
    image, colours = patches("2020", "limited")
    with preview_bench(tmp_path, quality=95) as bench:
        found = centres(decoded(seen(bench, image=image)))
    inner = np.abs(found.astype(int) - colours)[1]  # words stand in the rows above and below
    assert inner.max() <= 6


@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_pictures_that_are_rgb_already(order: Any) -> None:
    pixels = np.zeros((720, 1280, 3), np.uint8)
    pixels[..., 0 if order == "RGB" else 2] = 200
    planes = SmallPlanes(640)
    planes.fill(RgbImage(pixels=pixels, order=order))
    made = planes.bgr()
    assert made is not None and made[100, 100].tolist() == [0, 0, 200]
    made[:] = 0
    again = planes.bgr()
    assert again is not None and again[100, 100].tolist() == [0, 0, 200]


def test_averages_where_much_is_left_out() -> None:
    """A grid of single lines would turn into anything between black and white if samples were taken."""
    image = plain_image(0, FrameSpec(width_px=1920, height_px=1080, matrix="709", range="full"))
    image.y[:, ::2] = 255
    planes = SmallPlanes(640)
    planes.fill(image)
    made = planes.bgr()
    assert made is not None and np.abs(made.astype(int) - 128).max() <= 1


def test_memory_is_taken_once_and_nothing_of_a_frame_is_held() -> None:
    planes = SmallPlanes(640)
    for size in ((1920, 1080), (640, 360)):
        image, _ = patches("709", "limited", size)
        planes.fill(image)
        first = [plane.ctypes.data for plane in planes._planes]
        planes.fill(image)
        assert first == [plane.ctypes.data for plane in planes._planes]
        for plane in planes._planes:
            assert not any(np.shares_memory(plane, whole) for whole in (image.y, image.u, image.v))
    assert sum(buffer.nbytes for buffer in planes._buffers.values()) < 2 << 20
    planes.clear()
    assert planes.bgr() is None and not planes._buffers


def test_sizes() -> None:
    assert small_size(1920, 1080, 640) == (640, 360)
    assert small_size(320, 240, 640) == (320, 240)
    assert small_size(100, 100_000, 640) == (1, 1280)
    assert small_size(1, 1, 640) == (1, 1)


def test_at_most_so_many_pictures_a_second_and_the_lane_never_waits() -> None:
    view, taken = StreamView(640, 5.0), 0
    for number in range(300):  # 30 a second for 10 s
        taken += view.offer(Frame(stream="s", sequence=number, captured_s=0.0, image=plain_image()), number / 30, 0.0)
    assert taken == pytest.approx(50, abs=1)
    view = StreamView(640, 30.0)
    with view._lock:
        assert not view.offer(Frame(stream="s", sequence=1, captured_s=0.0, image=plain_image()), 99.0, 0.0)


def test_boxes_lines_and_zones_lie_where_they_are_in_the_camera(tmp_path: Path) -> None:
    lines = StagePlan(
        name="l", kind="lines", lane="all", engine="", entry="",
        options={"lines": {"gate": {"start_px": [100, 300], "end_px": [1180, 300]}}},
    )  # fmt: skip
    zones = StagePlan(
        name="z", kind="zones", lane="all", engine="", entry="",
        options={"zones": {"yard": [[200, 400], [600, 400], [600, 600], [200, 600]]}},
    )  # fmt: skip
    box = Detection(label="person", x_px=900, y_px=500, width_px=100, height_px=200, score=0.9, track=12)
    spec = FrameSpec(width_px=1280, height_px=720, matrix="709", range="limited")
    with preview_bench(tmp_path, stages=(lines, zones), quality=95) as bench:
        plain = decoded(seen(bench, image=plain_image(16, spec)))
        with_box = decoded(seen(bench, image=plain_image(16, spec), detections=(box,)))
        assert lit(plain, 150, 60), "the line, at half size"
        assert lit(plain, 250, 100) and not lit(plain, 250, 150), "the zone's edge and its shade"
        assert plain[250, 200].max() > 20
        for y, x in ((200, 450), (300, 450), (250, 425), (250, 475)):
            assert lit(with_box, y, x) and not lit(plain, y, x)
        assert not lit(with_box, 250, 450)


def test_a_region_of_interest_moves_what_is_drawn(tmp_path: Path) -> None:
    box = Detection(label="person", x_px=900, y_px=500, width_px=100, height_px=200, score=0.9)
    spec = FrameSpec(width_px=640, height_px=360, matrix="709", range="limited")
    with preview_bench(tmp_path) as bench:
        bench.pipeline.streams["gate"].info = StreamInfo(name="gate", spec=spec, fps=10, left_px=600, top_px=300)
        pixels = decoded(seen(bench, image=plain_image(16, spec), detections=(box,)))
        assert lit(pixels, 100, 300) and lit(pixels, 200, 250) and not lit(pixels, 200, 300)


def test_what_lies_outside_or_is_no_number_costs_no_picture(tmp_path: Path) -> None:
    far = [
        Detection(label="x" * 300, x_px=1e18, y_px=-1e18, width_px=1e18, height_px=1, score=0.5),
        Detection(label="a\n\u0000\U0001f600", x_px=float("inf"), y_px=5, width_px=3, height_px=3, score=0.5),
        Detection(label="n", x_px=float("nan"), y_px=float("nan"), width_px=float("nan"), height_px=1, score=0.5),
        Detection(label="", x_px=0, y_px=0, score=-1),
    ]
    with preview_bench(tmp_path) as bench:
        many = {f"count {number}": number for number in range(500)}
        assert decoded(seen(bench, detections=tuple(far * 50), counts=many)).shape == (360, 640, 3)
        tiny = RgbImage(pixels=np.zeros((1, 1, 3), np.uint8), order="RGB")
        assert decoded(seen(bench, image=tiny, detections=tuple(far))).shape == (1, 1, 3)


def seen(bench: PreviewBench, **more: Any) -> bytes:
    """What a viewer gets of one frame."""
    view, newest, painter = bench.sink._views["gate"], bench.sink._newest, bench.sink._painter
    painter.close(5)
    with newest.watching(["gate"]):
        view._due_s = 0.0
        bench.feed(**more)
        painter.turn()
        jpeg = newest.of("gate")
        assert jpeg is not None and jpeg.of_a_frame
    painter.turn()
    return jpeg.data


def lit(pixels: Pixels, y: int, x: int) -> bool:
    """Whether something light is drawn at a place, or beside it."""
    return int(pixels[y - 1 : y + 2, x - 1 : x + 2].max()) > 110
