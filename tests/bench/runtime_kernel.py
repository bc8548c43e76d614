"""As runtime_preprocess.py, with the compiled kernel: built for this machine by edgekit's own wheel path."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from edgekit.imaging.compiled import compiled_filler
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import Yuv420Image
from edgekit.schema.recipe import ColourContract
from measure import Figure, compared
from runtime_preprocess import PICTURES, SIDE, each, floor, inner_bytes, one_thread, packed_frame, usual
from tests.fakes.kernels import imported_kernels

_DTYPES = {"float32": 1 / 255, "uint8": 1.0}


def figures(rounds: int) -> list[Figure]:
    """Chains take turns, one thread each; ratios are of the same round."""
    with tempfile.TemporaryDirectory() as folder, imported_kernels(Path(folder)) as kernels, one_thread():
        return list(_speed(rounds, kernels.PictureKernel.variant))


def _speed(rounds: int, variant: str) -> Iterator[Figure]:
    pictures = [packed_frame() for _ in range(PICTURES)]
    frames, packed = [frame for frame, _ in pictures], [memory for _, memory in pictures]
    ways: dict[str, Callable[..., object]] = {"usual": usual}
    for dtype in _DTYPES:
        ways[dtype], tensor = _kernel(frames[0], dtype)
        ways[f"floor of {dtype}"] = floor(inner_bytes(tensor))
    costs: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            cost = each(way, frames if name in _DTYPES else packed)
            if turn:  # the first one warms up
                costs[name].append(cost)
    said = {name: f"{statistics.median(cost) * 1e6:.0f} us" for name, cost in costs.items()}
    chain, kernel = f"cvtColor, resize, border, transpose, divide: {said['usual']}", f"kernel ({variant})"
    for name, dtype, bar in (
        ("preprocess_kernel_vs_usual", "float32", 7.0),
        ("preprocess_kernel_uint8_vs_usual", "uint8", 12.0),
    ):
        ratio = statistics.median(theirs / ours for ours, theirs in zip(costs[dtype], costs["usual"], strict=True))
        yield compared(name, ratio, costs[dtype], bar=bar, better="higher", against=f"{kernel}; {chain}")
    for name, dtype in (
        ("preprocess_kernel_vs_floor", "float32"),
        ("preprocess_kernel_uint8_vs_floor", "uint8"),
    ):
        least = f"floor of {dtype}"
        ratio = statistics.median(ours / theirs for ours, theirs in zip(costs[dtype], costs[least], strict=True))
        memory = f"reading the frame and writing the picture: {said[least]}"
        bar = 3.0 if dtype == "float32" else None
        yield compared(name, ratio, costs[dtype], bar=bar, better="lower", against=memory)


def _kernel(frame: Yuv420Image, dtype: str) -> tuple[Callable[[Yuv420Image], object], np.ndarray]:
    contract = ColourContract(
        width_px=SIDE,
        height_px=SIDE,
        order="RGB",
        fit="letterbox",
        bars=114,
        dtype=dtype,
        scale=_DTYPES[dtype],  # type: ignore[arg-type]
    )
    tensor = np.zeros(contract.tensor_shape, contract.dtype)
    plan = plan_conversion(frame.spec, contract)
    filler = compiled_filler(plan)
    assert filler is not None, "the kernel is installed"
    converter = Converter(plan, filler)
    converter.fill(frame, tensor)  # bars are written once into each of an engine's buffers
    return lambda image: converter.fill(image, tensor, bars=False), tensor
