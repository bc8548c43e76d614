"""A small detector of YOLOv8's build that really detects: its weights are worked out, its head is the usual one.

It finds red, green and blue rectangles on a dark ground, at two scales. Colour masks lie on a grid of 4 (and 8) pixels;
sums of a mask to the left, up, right and down of a cell are the distances to the edges of the part that it is in, as a
cell that is half covered counts half. Distances leave as distributions over bins (DFL), a score is high at a part's
middle, and the tail is what `yolo export format=onnx` writes: one output, [1, 4 + classes, anchors], boxes in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from tests.fakes.networks import Network

SIZE = 160
"""Pixels of a side."""
CLASSES = ("red", "green", "blue")
BINS = 8
_REACH = 5
"""Cells that a distance is summed over."""
_SHARPNESS = 0.8
"""Of a distribution over bins: logits are -sharpness * (bin - distance)²."""
_COLOURS = {"red": (205, 40, 45), "green": (40, 170, 60), "blue": (45, 60, 215)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A rectangle in a picture: what must be found."""

    label: str
    x_px: float
    y_px: float
    width_px: float
    height_px: float


def detector(*, output: str = "output0", ultralytics: bool = False, names: bool = False) -> onnx.ModelProto:
    """The network: images float32[1, 3, 160, 160], 0..1, RGB, to output0 float32[1, 7, 2000].

    With `names` it names its classes, with `ultralytics` it has all the metadata that this exporter writes.
    """
    net = Network(0)
    fine = _masks(net)
    coarse = _convolution(
        net, fine, np.eye(3)[:, :, None, None] * np.full((1, 1, 2, 2), 0.25), None, "coarse", stride=2
    )
    levels = [_head(net, fine, 40, 4, (0.0, 12.5)), _head(net, coarse, 20, 8, (5.0, 99.0))]
    net.node("Concat", levels, "/head/Concat", axis=2)
    split = [4 * BINS, len(CLASSES)]
    net.ints(np.array(split), "split")
    net.nodes(["/head/Concat", "split"], ["/head/box", "/head/cls"], "Split", axis=1)
    net.node("Sigmoid", ["/head/cls"], "/head/Sigmoid")
    net.node("Concat", [_boxes(net), "/head/Sigmoid"], output, axis=1)
    anchors = 40 * 40 + 20 * 20
    model = net.model((1, 3, SIZE, SIZE), {output: (1, 4 + len(CLASSES), anchors)})
    said = {"task": "detect", "imgsz": f"[{SIZE}, {SIZE}]", "stride": "8", "names": str(dict(enumerate(CLASSES)))}
    if ultralytics or names:
        who = {"author": "Ultralytics", "version": "8.3.0"} if ultralytics else {}
        onnx.helper.set_model_props(model, {**who, **said})
    return model


def _convolution(net: Network, source: str, weights, bias, name: str, *, stride: int = 1, relu: bool = False) -> str:
    """One convolution with given weights, padded by half its kernel where it does not stride."""
    inputs = [source, net.constant(np.asarray(weights), f"{name}.weight")]
    if bias is not None:
        inputs.append(net.constant(np.asarray(bias), f"{name}.bias"))
    rows, columns = np.shape(weights)[2:]
    pads = [0, 0, 0, 0] if stride > 1 else [rows // 2, columns // 2] * 2
    net.node("Conv", inputs, name, strides=[stride] * 2, pads=pads)
    return net.node("Relu", [name], f"{name}.relu") if relu else name


def _masks(net: Network) -> str:
    """One mask a colour on the grid of 4 pixels, 0..1: how far its channel lies above the two others, cut off."""
    over = (np.eye(3) * 1.5 - 0.5) * 2.5
    averaged = over[:, :, None, None] * np.full((1, 1, 4, 4), 1 / 16)
    twice, bias = np.concatenate([averaged, averaged]), np.array([-0.1] * 3 + [-1.1] * 3)
    both = _convolution(net, "images", twice, bias, "masks", stride=4, relu=True)
    return _convolution(net, both, np.concatenate([np.eye(3), -np.eye(3)], axis=1)[:, :, None, None], None, "mask")


def _head(net: Network, masks: str, cells: int, stride: int, sizes: tuple[float, float]) -> str:
    """Distributions of the four distances and a logit a class, joined and laid out as a list."""
    name = f"/head/{stride}"
    whole = 2 * _REACH + 1
    sides = np.zeros((4, len(CLASSES), whole, whole))
    middle, ones = _REACH, np.concatenate([np.ones(_REACH), [0.5]])
    sides[0, :, middle, : middle + 1] = ones
    sides[1, :, : middle + 1, middle] = ones
    sides[2, :, middle, middle:] = ones[::-1]
    sides[3, :, middle:, middle] = ones[::-1]
    away = _convolution(net, masks, sides, None, f"{name}/sides", relu=True)
    bins = np.arange(BINS)
    logits = np.zeros((4, BINS, 4, 1, 1))
    for side in range(4):
        logits[side, :, side, 0, 0] = 2 * _SHARPNESS * bins
    bias = np.tile(-_SHARPNESS * bins**2.0, 4)
    box = _convolution(net, away, logits.reshape(4 * BINS, 4, 1, 1), bias, f"{name}/box")
    net.node("Concat", [box, _scores(net, masks, away, name, sizes)], f"{name}/joined", axis=1)
    net.ints(np.array([1, 4 * BINS + len(CLASSES), cells * cells]), f"{name}/list")
    return net.node("Reshape", [f"{name}/joined", f"{name}/list"], f"{name}/flat")


def _scores(net: Network, masks: str, away: str, name: str, sizes: tuple[float, float]) -> str:
    """A logit a class: high in a part of this level's sizes, where opposite edges are equally far."""
    least, most = sizes
    kernel = np.zeros((6, 4, 1, 1))
    kernel[0, [0, 2], 0, 0] = kernel[1, [2, 0], 0, 0] = 1, -1
    kernel[2, [1, 3], 0, 0] = kernel[3, [3, 1], 0, 0] = 1, -1
    kernel[4], kernel[5] = 1, -1
    bias = [0, 0, 0, 0, -most, least]
    odd = _convolution(net, away, kernel, bias, f"{name}/odd", relu=True)
    net.node("Concat", [masks, odd], f"{name}/seen", axis=1)
    final = np.concatenate([np.eye(3) * 12, np.tile([-2.0] * 4 + [-4.0] * 2, (3, 1))], axis=1)
    return _convolution(net, f"{name}/seen", final[:, :, None, None], [-8.0] * 3, f"{name}/cls")


def _boxes(net: Network) -> str:
    """From distributions to boxes: the expected bins, from the anchor to both corners, middle and size, in pixels."""
    rows = [np.stack(np.meshgrid(np.arange(n) + 0.5, np.arange(n) + 0.5), 0).reshape(2, -1) for n in (40, 20)]
    anchors = net.constant(np.concatenate(rows, axis=1)[None], "anchors")
    strides = net.constant(np.concatenate([np.full(1600, 4.0), np.full(400, 8.0)])[None, None], "strides")
    net.ints(np.array([1, 4, BINS, 2000]), "dfl.in")
    net.ints(np.array([1, 4, 2000]), "dfl.out")
    net.node("Reshape", ["/head/box", "dfl.in"], "/dfl/Reshape")
    net.node("Transpose", ["/dfl/Reshape"], "/dfl/Transpose", perm=[0, 2, 1, 3])
    net.node("Softmax", ["/dfl/Transpose"], "/dfl/Softmax", axis=1)
    net.node("Conv", ["/dfl/Softmax", net.constant(np.arange(BINS).reshape(1, BINS, 1, 1), "dfl.weight")], "/dfl/Conv")
    net.node("Reshape", ["/dfl/Conv", "dfl.out"], "/dfl/Distances")
    for name, values in (("zero", [0]), ("two", [2]), ("four", [4]), ("axis", [1])):
        net.ints(np.array(values), name)
    net.node("Slice", ["/dfl/Distances", "zero", "two", "axis"], "/head/before")
    net.node("Slice", ["/dfl/Distances", "two", "four", "axis"], "/head/behind")
    net.node("Sub", [anchors, "/head/before"], "/head/first")
    net.node("Add", [anchors, "/head/behind"], "/head/last")
    net.node("Add", ["/head/first", "/head/last"], "/head/both")
    net.node("Div", ["/head/both", net.constant(np.array(2.0), "half")], "/head/middle")
    net.node("Sub", ["/head/last", "/head/first"], "/head/size")
    net.node("Concat", ["/head/middle", "/head/size"], "/head/cells", axis=1)
    return net.node("Mul", ["/head/cells", strides], "/head/pixels")


def scene(seed: int, parts: int = 4, size: int = SIZE) -> tuple[np.ndarray, tuple[Part, ...]]:
    """A picture and what is in it: uint8[size, size, 3] RGB, noisy and dark, parts apart from each other.

    `parts` are tried to be placed; with 0 there is nothing to be found.
    """
    random = np.random.default_rng(seed)
    picture = random.normal(28, 5, (size, size, 3))
    found: list[Part] = []
    for _ in range(parts * 20):
        if len(found) == parts:
            break
        width, height = (int(v) for v in random.integers(24, 48, 2))
        left, top = int(random.integers(6, size - width - 6)), int(random.integers(6, size - height - 6))
        part = Part(
            label=CLASSES[len(found) % 3],
            x_px=left + width / 2,
            y_px=top + height / 2,
            width_px=width,
            height_px=height,
        )
        if all(_apart(part, other) for other in found):
            found.append(part)
            colour = np.array(_COLOURS[part.label]) + random.normal(0, 4, (height, width, 3))
            picture[top : top + height, left : left + width] = colour
    return picture.clip(0, 255).astype(np.uint8), tuple(found)


def _apart(one: Part, other: Part, gap: float = 26.0) -> bool:
    return (
        abs(one.x_px - other.x_px) > (one.width_px + other.width_px) / 2 + gap
        or abs(one.y_px - other.y_px) > (one.height_px + other.height_px) / 2 + gap
    )
