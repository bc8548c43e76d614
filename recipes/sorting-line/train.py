# /// script
# requires-python = ">=3.10"
# dependencies = ["edgekit", "torch>=2.9", "onnx>=1.18", "numpy>=2", "opencv-python-headless>=4.11"]
# ///
"""Trains model.onnx: a heat map per shape and the offset of each centre. Some minutes on two cores.

    python train.py            # torch's CPU build will do

Pictures are drawn like the clip's with other seeds, taken through 4:2:0 and limited range, and scaled by edgekit's own
converter, so that the network learns from what the worker will show it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from scene import HEIGHT_PX, SHAPES, WIDTH_PX, belt, random_part, render, to_yuv
from torch import nn
from torch.nn import functional

from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import FrameSpec, Yuv420Image
from edgekit.schema.recipe import ColourContract

SEED = 7
STRIDE_PX = 4
CONTRACT = ColourContract(width_px=160, height_px=90, order="RGB", scale=1 / 255, sampling="area")
FRAME = FrameSpec(width_px=WIDTH_PX, height_px=HEIGHT_PX, matrix="709", range="limited")
ROWS, COLUMNS = 23, 40


class Network(nn.Module):
    """About 4.7 million multiplications; only convolutions and ReLU, so that every accelerator takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(3, 8, 3, 2, 1),
                nn.Conv2d(8, 16, 3, 2, 1),
                nn.Conv2d(16, 16, 3, 1, 1, groups=16),
                nn.Conv2d(16, 32, 1),
                nn.Conv2d(32, 32, 3, 1, 2, dilation=2, groups=32),
                nn.Conv2d(32, 32, 1),
                nn.Conv2d(32, 32, 3, 1, 1, groups=32),
                nn.Conv2d(32, 24, 1),
            ]
        )
        self.heat = nn.Conv2d(24, len(SHAPES), 1)
        self.offset = nn.Conv2d(24, 2, 1)
        nn.init.constant_(self.heat.bias, -3.0)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        for layer in self.layers:
            image = functional.relu(layer(image))
        return self.heat(image), self.offset(image)


def sample(rng: np.random.Generator, surfaces: list[np.ndarray], converter: Converter) -> tuple[np.ndarray, ...]:
    """One picture and what the network shall say of it."""
    parts = []
    for _ in range(int(rng.integers(0, 11))):
        part = random_part(rng, float(rng.uniform(-30, WIDTH_PX + 30)), float(rng.uniform(20, HEIGHT_PX - 20)))
        if all((part.x_px - other.x_px) ** 2 + (part.y_px - other.y_px) ** 2 > 56**2 for other in parts):
            parts.append(part)
    surface = np.roll(surfaces[int(rng.integers(len(surfaces)))], int(rng.integers(WIDTH_PX)), axis=1)
    rgb = render(surface, parts, 0.0, float(rng.uniform(0.9, 1.1))) + rng.normal(
        0, rng.uniform(0, 4), (HEIGHT_PX, WIDTH_PX, 1)
    )
    y, u, v = to_yuv(np.clip(rgb, 0, 255))
    image = converter.rgb(Yuv420Image(y=y, u=u, v=v, spec=FRAME))
    heat = np.zeros((len(SHAPES), ROWS, COLUMNS), np.float32)
    offset = np.zeros((2, ROWS, COLUMNS), np.float32)
    mask = np.zeros((1, ROWS, COLUMNS), np.float32)
    rows, columns = np.mgrid[0:ROWS, 0:COLUMNS]
    for part in parts:
        x, y_ = ((part.x_px / 4) - 0.5) / STRIDE_PX, ((part.y_px / 4) - 0.5) / STRIDE_PX
        channel = SHAPES.index(part.shape)
        bump = np.exp(-((columns - x) ** 2 + (rows - y_) ** 2) / (2 * 0.8**2))
        column, row = round(x), round(y_)
        if 0 <= column < COLUMNS and 0 <= row < ROWS:
            bump[row, column] = 1.0
            near = (np.abs(columns - column) <= 1) & (np.abs(rows - row) <= 1)
            offset[0][near], offset[1][near] = (x - columns)[near], (y_ - rows)[near]
            mask[0][near] = 1.0
        heat[channel] = np.maximum(heat[channel], bump)
    return image, heat, offset, mask


def loss_of(
    found: tuple[torch.Tensor, torch.Tensor], heat: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor
) -> torch.Tensor:
    """CenterNet's focal loss, and L1 on the offsets. Source: Zhou et al., Objects as Points, equations 1 and 2."""
    logits, moved = found
    chance = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    hit = heat.ge(0.999).float()
    positive = torch.log(chance) * (1 - chance) ** 2 * hit
    negative = torch.log(1 - chance) * chance**2 * (1 - heat) ** 4 * (1 - hit)
    focal = -(positive.sum() + negative.sum()) / hit.sum().clamp(min=1)
    return focal + ((moved - offset).abs() * mask).sum() / mask.sum().clamp(min=1)


def train(samples: int, epochs: int) -> Network:
    """The same seed and thread count give the same network."""
    torch.manual_seed(SEED)
    torch.set_num_threads(2)
    rng = np.random.default_rng(SEED)
    converter = Converter(plan_conversion(FRAME, CONTRACT))
    surfaces = [belt(rng) for _ in range(6)]
    data = [sample(rng, surfaces, converter) for _ in range(samples)]
    images, heats, offsets, masks = (torch.from_numpy(np.stack(column)) for column in zip(*data, strict=True))
    images = images.permute(0, 3, 1, 2).float() / 255
    network = Network()
    optimiser = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 6e-3, epochs=epochs, steps_per_epoch=-(-samples // 16))
    for epoch in range(epochs):
        total = 0.0
        for batch in torch.randperm(samples).split(16):
            optimiser.zero_grad()
            loss = loss_of(network(images[batch]), heats[batch], offsets[batch], masks[batch])
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}: loss {total / samples:.4f}", flush=True)
    return network.eval()


def export(network: Network, file: Path) -> None:
    """Written node by node, so that the file holds nothing that differs from one exporter to the next."""
    nodes, weights = [], []

    def convolution(name: str, layer: nn.Conv2d, taken: str, given: str) -> None:
        weights.extend(
            numpy_helper.from_array(value.detach().numpy(), f"{name}.{part}")
            for part, value in (("weight", layer.weight), ("bias", layer.bias))
        )
        pad = layer.padding[0]
        shape = {"kernel_shape": layer.kernel_size, "strides": layer.stride, "pads": [pad] * 4}
        more = {"dilations": layer.dilation, "group": layer.groups}
        inputs = [taken, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [given], name=name, **shape, **more))

    flow = "image"
    for number, layer in enumerate(network.layers):
        convolution(f"conv{number}", layer, flow, f"conv{number}.out")
        flow = f"relu{number}.out"
        nodes.append(helper.make_node("Relu", [f"conv{number}.out"], [flow], name=f"relu{number}"))
    convolution("heat_conv", network.heat, flow, "logits")
    nodes.append(helper.make_node("Sigmoid", ["logits"], ["heat"], name="heat_sigmoid"))
    convolution("offset_conv", network.offset, flow, "offset")
    graph = helper.make_graph(
        nodes,
        "parts",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 90, 160])],
        [
            helper.make_tensor_value_info("heat", TensorProto.FLOAT, [1, len(SHAPES), ROWS, COLUMNS]),
            helper.make_tensor_value_info("offset", TensorProto.FLOAT, [1, 2, ROWS, COLUMNS]),
        ],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="edgekit")
    model.ir_version = 8
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString(deterministic=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--epochs", type=int, default=40)
    wanted = parser.parse_args()
    export(train(wanted.samples, wanted.epochs), Path(__file__).parent / "model.onnx")


if __name__ == "__main__":
    main()
