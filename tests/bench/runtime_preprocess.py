"""From a 1080p frame to a model's input, against the usual chain of OpenCV calls and against what memory allows.

NV12, BT.709 limited, becomes [1, 3, 640, 640], letterboxed, on one thread. The usual chain is what examples show:
cvtColor, resize, copyMakeBorder, transpose, divide. It takes BT.601 whatever the stream says; ours takes the stream's.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import cv2
import numpy as np
import numpy.typing as npt

from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import FrameSpec, Yuv420Image
from edgekit.imaging.portable import PortableFiller
from edgekit.schema.recipe import ColourContract
from measure import Figure, compared, machine, spread
from tests.unit.imaging.as_documented import sample
from tests.unit.imaging.exact import COLOURS, FORMATS, exact_rgb, frame_of, image_in

WIDTH, HEIGHT, SIDE = 1920, 1080, 640
CALLS, PICTURES = 20, 6
_BARS = 114
_KINDS = ("random", "gradient")
_SIZES = ((640, 360), (960, 540), (416, 234))
"""3:1, 2:1, and a ratio that is no whole number."""


def figures(rounds: int) -> list[Figure]:
    """Chains take turns, one thread each; ratios are of medians in the same round."""
    with one_thread():
        return [*_speed(rounds), _exactness()]


def _speed(rounds: int) -> Iterator[Figure]:
    pictures = [packed_frame() for _ in range(PICTURES)]
    frames, packed = [frame for frame, _ in pictures], [memory for _, memory in pictures]
    ours, floats = filler(frames[0], dtype="float32", scale=1 / 255)
    ours8, bytes_ = filler(frames[0], dtype="uint8")
    ways = {
        "ours": ours,
        "uint8": ours8,
        "usual": usual,
        "floor": floor(inner_bytes(floats)),
        "floor8": floor(inner_bytes(bytes_)),
    }
    taken = {"ours": frames, "uint8": frames, "usual": packed, "floor": packed, "floor8": packed}
    for name, way in ways.items():
        each(way, taken[name])
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            costs[name].append(each(way, taken[name]))
    said = {name: f"{statistics.median(cost) * 1e6:.0f} us" for name, cost in costs.items()}
    chain = f"cvtColor, resize, border, transpose, divide: {said['usual']}"
    for name, own, peer, bar, against in (
        ("preprocess_vs_usual", "ours", "usual", 3.0, chain),
        ("preprocess_uint8_vs_usual", "uint8", "usual", None, chain),
    ):
        ratio = statistics.median(theirs / mine for mine, theirs in zip(costs[own], costs[peer], strict=True))
        yield compared(name, ratio, costs[own], bar=bar, better="higher", against=against)
    for name, own, peer in (
        ("preprocess_vs_floor", "ours", "floor"),
        ("preprocess_uint8_vs_floor", "uint8", "floor8"),
    ):
        ratio = statistics.median(mine / least for mine, least in zip(costs[own], costs[peer], strict=True))
        memory = f"reading the frame and writing the picture: {said[peer]}"
        yield compared(name, ratio, costs[own], bar=None, better="lower", against=memory)


def filler(frame: Yuv420Image, **values: object) -> tuple[Callable[[Yuv420Image], object], npt.NDArray[np.generic]]:
    """Ours, into one buffer, as an engine has it."""
    given = {"width_px": SIDE, "height_px": SIDE, "order": "RGB", "fit": "letterbox", "bars": _BARS, **values}
    contract = ColourContract(**given)  # type: ignore[arg-type]
    tensor = np.zeros(contract.tensor_shape, contract.dtype)
    plan = plan_conversion(frame.spec, contract)
    converter = Converter(plan, PortableFiller(plan))
    converter.fill(frame, tensor)  # bars are written once into each of an engine's buffers
    return lambda image: converter.fill(image, tensor, bars=False), tensor


def usual(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """As examples have it."""
    rgb = cv2.cvtColor(packed, cv2.COLOR_YUV2RGB_NV12)
    width, height = SIDE, SIDE * HEIGHT // WIDTH
    top = (SIDE - height) // 2
    boxed = cv2.copyMakeBorder(
        cv2.resize(rgb, (width, height)), top, top, 0, 0, cv2.BORDER_CONSTANT, value=(_BARS,) * 3
    )
    tensor = np.ascontiguousarray(np.asarray(boxed).transpose(2, 0, 1)[None].astype(np.float32) / 255.0)
    return np.asarray(tensor, np.float32)


def inner_bytes(tensor: npt.NDArray[np.generic]) -> int:
    """Bytes of the picture in a tensor: without the bars, which each buffer gets once."""
    return tensor.nbytes * HEIGHT // WIDTH


def floor(nbytes: int) -> Callable[[npt.NDArray[np.uint8]], object]:
    """What memory alone costs: every byte of the frame read once, every byte of the picture written once."""
    out = np.zeros(nbytes, np.uint8)

    def move(packed: npt.NDArray[np.uint8]) -> None:
        frame = packed.reshape(-1)
        np.copyto(out, frame[: out.size])
        frame[out.size :].max()

    return move


def packed_frame() -> tuple[Yuv420Image, npt.NDArray[np.uint8]]:
    """A frame as decoders give it, NV12 without padding, and its memory in one piece, as cvtColor takes it."""
    y, u, v = frame_of("gradient", WIDTH, HEIGHT)
    chroma = np.stack([u[::2], v[::2]], axis=-1).reshape(-1, WIDTH)
    memory = np.ascontiguousarray(np.vstack([y, chroma]))
    pairs = memory[HEIGHT:]
    spec = FrameSpec(width_px=WIDTH, height_px=HEIGHT, matrix="709", range="limited", format="NV12")
    return Yuv420Image(y=memory[:HEIGHT], u=pairs[:, 0::2], v=pairs[:, 1::2], spec=spec), memory


def each(way: Callable[[object], object], taken: Sequence[object]) -> float:
    """CPU seconds of one call, over some of them: on one thread, and whoever else is on this machine."""
    began = time.thread_time()
    for number in range(CALLS):
        way(taken[number % len(taken)])
    return (time.thread_time() - began) / CALLS


def _exactness() -> Figure:
    """The largest error of any level of any pixel, 1080p, of every matrix, range and format."""
    worst: list[float] = []
    for matrix, range_ in COLOURS:
        for kind in _KINDS:
            planes = frame_of(kind, WIDTH, HEIGHT)
            worst += [_error(format_, planes, matrix, range_) for format_ in FORMATS]
    return Figure(
        name="colour_max_lsb",
        ratio=max(worst),
        bar=2.0,
        better="lower",
        against=f"float64 of the same samples, {len(worst)} pictures at {len(_SIZES)} sizes",
        median=statistics.median(worst),
        spread=spread(worst),
        unit="LSB",
        n=len(worst),
        machine=machine(),
    )


def _error(format_: str, planes: tuple[npt.NDArray[np.uint8], ...], matrix: str, range_: str) -> float:
    frame = image_in(format_, planes, matrix, range_)  # type: ignore[arg-type]
    errors = []
    for width, height in _SIZES:
        plan = plan_conversion(frame.spec, ColourContract(width_px=width, height_px=height, order="RGB"))
        assert plan.chroma is not None, "a picture of Y'CbCr"
        found = Converter(plan).rgb(frame).astype(np.float64)
        sampled = [
            sample(plane, how) for plane, how in ((frame.y, plan.luma), (frame.u, plan.chroma), (frame.v, plan.chroma))
        ]
        errors.append(float(np.abs(found - exact_rgb(*sampled, matrix, range_)).max()))
    return max(errors)


@contextmanager
def one_thread() -> Iterator[None]:
    """OpenCV's pool would help the usual chain alone, and on a board the other lanes have those cores."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
