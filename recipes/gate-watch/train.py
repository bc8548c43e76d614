# /// script
# requires-python = ">=3.10"
# dependencies = ["edgekit", "torch>=2.9", "onnx>=1.18", "numpy>=2", "opencv-python-headless>=4.11"]
# ///
"""Trains model.onnx on streets that no clip shows. Minutes on a GPU, an hour or two on CPUs.

    python train.py [--streets N] [--steps N]

Pictures are drawn like the clips' with other seeds, compressed, taken through 4:2:0 and limited range, and scaled by
edgekit's own converter, so that the network learns from what the worker will show it.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from actors import CLASSES
from network import INPUT_PX, STRIDES_PX, Add, Conv, Double, anchors, export, multiplications, table
from pictures import Batch, street_pictures
from torch import nn
from torch.nn import functional

SEED, OF_A_STREET, BATCH = 7, 30, 64
_TOP, _SHARPNESS = 9, 6.0
Found = tuple[torch.Tensor, torch.Tensor]
"""Boxes float[n, anchors, 4] as left, top, right, bottom in pixels, and logits float[n, anchors, classes]."""


class Network(nn.Module):
    """The table of network.py, with batch normalisation while it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        for row in table():
            if isinstance(row, Conv):
                conv = nn.Conv2d(row.taken, row.given, row.kernel, row.stride, row.kernel // 2, groups=row.groups)
                norm = nn.BatchNorm2d(row.given, eps=1e-3, momentum=0.03) if row.relu else nn.Identity()
                self.convs[row.name.replace(".", "_")] = nn.Sequential(conv, norm)
        for stride in STRIDES_PX:
            nn.init.constant_(self.convs[f"class{stride}"][0].bias, -4.6)
            nn.init.constant_(self.convs[f"box{stride}"][0].bias, 2.0)
        places, strides = (torch.from_numpy(value.T.copy()) for value in anchors())
        self.register_buffer("places", places)
        self.register_buffer("strides", strides)

    def forward(self, images: torch.Tensor) -> Found:
        flow = {"images": images}
        for row in table():
            match row:
                case Conv():
                    made = self.convs[row.name.replace(".", "_")](flow[row.source])
                    flow[row.name] = functional.relu(made) if row.relu else made
                case Add():
                    flow[row.name] = flow[row.one] + flow[row.other]
                case Double():
                    flow[row.name] = functional.interpolate(flow[row.source], scale_factor=2, mode="nearest")
        boxes, logits = (
            torch.cat([flow[f"{head}{stride}"].flatten(2) for stride in STRIDES_PX], 2).transpose(1, 2).float()
            for head in ("box", "class")
        )
        reach = functional.leaky_relu(boxes, 0.01)  # ReLU in the file: here a distance below 0 must still learn
        corners = torch.cat([self.places - reach[..., :2], self.places + reach[..., 2:]], -1) * self.strides
        return corners, logits

    def folded(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Kernels and biases with the normalisation in them."""
        made = {}
        for row in table():
            if isinstance(row, Conv):
                conv, norm = self.convs[row.name.replace(".", "_")]
                kernel, bias = conv.weight.detach().double(), conv.bias.detach().double()
                if isinstance(norm, nn.BatchNorm2d):
                    gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
                    kernel, bias = kernel * gain[:, None, None, None], (bias - norm.running_mean) * gain + norm.bias
                made[row.name] = tuple(value.detach().float().cpu().numpy() for value in (kernel, bias))
        return made


def overlap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Complete IoU of boxes [..., 4]. Source: Zheng et al., Distance-IoU Loss, 2020."""
    low, high = torch.maximum(one[..., :2], other[..., :2]), torch.minimum(one[..., 2:], other[..., 2:])
    both = (high - low).clamp(min=0).prod(-1)
    sizes = [(box[..., 2:] - box[..., :2]).clamp(min=1e-3) for box in (one, other)]
    iou = both / (sizes[0].prod(-1) + sizes[1].prod(-1) - both + 1e-6)
    hull = torch.maximum(one[..., 2:], other[..., 2:]) - torch.minimum(one[..., :2], other[..., :2])
    apart = ((one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) ** 2).sum(-1) / 4
    shape = (torch.atan(sizes[0][..., 0] / sizes[0][..., 1]) - torch.atan(sizes[1][..., 0] / sizes[1][..., 1])) ** 2
    shape = shape * 4 / torch.pi**2
    weight = (shape / (1 - iou + shape + 1e-6)).detach()
    return iou - apart / ((hull**2).sum(-1) + 1e-6) - shape * weight


@torch.no_grad()
def assign(found: Found, middles: torch.Tensor, boxes: torch.Tensor, classes: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Which anchors answer for which figure: those that do best already. Source: Feng et al., TOOD, 2021.

    Args:
        found: what the network says now.
        middles: of anchors, in pixels, [anchors, 2].
        boxes: [n, most, 4].
        classes: [n, most], negative: nobody to find.

    Returns:
        Wanted scores [n, anchors, classes], the figure of each anchor [n, anchors], whether it has one, and which
        anchors stand on somebody who is hardly seen.
    """
    corners, logits = found
    inside = ((middles > boxes[:, :, None, :2]) & (middles < boxes[:, :, None, 2:])).all(-1)
    there = (classes >= 0)[..., None]
    hazy = (inside & (classes == -2)[..., None]).any(1)
    index = classes.clamp(min=0)[..., None].expand(-1, -1, corners.shape[1])
    score = logits.sigmoid().transpose(1, 2).gather(1, index)
    iou = overlap(corners[:, None], boxes[:, :, None]).clamp(min=0)
    fit = score.sqrt() * iou**_SHARPNESS * (inside & there)
    best = fit.topk(_TOP, -1)
    chosen = torch.zeros_like(fit, dtype=torch.bool).scatter_(-1, best.indices, best.values > 0)
    iou = iou * chosen
    owner = iou.argmax(1)
    chosen &= functional.one_hot(owner, boxes.shape[1]).transpose(1, 2).bool()
    fit = fit * chosen
    strength = fit / (fit.amax(-1, keepdim=True) + 1e-9) * (iou * chosen).amax(-1, keepdim=True)
    has = chosen.any(1)
    kind = classes.clamp(min=0).gather(1, owner)
    wanted = functional.one_hot(kind, len(CLASSES)) * strength.amax(1)[..., None] * has[..., None]
    return wanted, owner, has, hazy & ~has


def loss_of(network: Network, found: Found, boxes: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Scores by cross entropy, boxes by complete IoU, as YOLOv8 weighs them."""
    corners, logits = found
    wanted, owner, has, hazy = assign(found, network.places * network.strides, boxes, classes)
    total = wanted.sum().clamp(min=1)
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    entropy = (entropy * ~hazy[..., None]).sum() / total
    own = boxes.gather(1, owner[..., None].expand(-1, -1, 4))
    off = (1 - overlap(corners, own)) * wanted.sum(-1) * has
    return 0.5 * entropy + 7.5 * off.sum() / total


def draw(streets: int) -> Batch:
    """All pictures, on all CPUs."""
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        made = list(pool.map(street_pictures, range(streets), [OF_A_STREET] * streets))
    return Batch(*(np.concatenate([getattr(one, name) for one in made]) for name in ("images", "boxes", "classes")))


def train(pictures: Batch, steps: int) -> Network:
    """Learn in so many steps, the same ones each time on the same kind of device: the rate falls to nothing."""
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, boxes, classes = (torch.from_numpy(value).to(device) for value in vars(pictures).values())
    network = Network().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=5e-4)
    for step in range(steps):
        gone = step / steps
        rate = 3e-3 * min(1.0, (step + 1) / 300) * (0.5 + 0.5 * np.cos(np.pi * gone)) + 1e-5
        for group in optimiser.param_groups:
            group["lr"] = rate
        some = torch.randint(len(images), (BATCH,), device=device)
        found_in, boxes_of = _varied(images[some], boxes[some])
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            found = network(found_in)
        loss = loss_of(network, found, boxes_of, classes[some])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimiser.step()
        if step % max(1, steps // 20) == 0:
            print(f"step {step}, {gone:.0%}: loss {loss.item():.3f}", flush=True)
    return network.eval().float().cpu()


def _varied(images: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirrored, moved, brighter or darker."""
    flow = images.permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last) / 255
    count, wide = len(flow), INPUT_PX[0]
    gain = torch.empty(count, 3, 1, 1, device=flow.device).uniform_(0.92, 1.08)
    gain = gain * torch.empty(count, 1, 1, 1, device=flow.device).uniform_(0.8, 1.2)
    flow = (flow * gain).clamp(0, 1)
    if torch.rand(1).item() < 0.5:
        flow, left, right = flow.flip(3), wide - boxes[..., 2], wide - boxes[..., 0]
        boxes = torch.stack([left, boxes[..., 1], right, boxes[..., 3]], -1)
    return flow, boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streets", type=int, default=320)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "model.onnx")
    wanted = parser.parse_args()
    print(f"{multiplications() / 1e6:.1f} million multiplications a picture", flush=True)
    began = time.monotonic()
    pictures = draw(wanted.streets)
    print(f"{len(pictures.images)} pictures in {time.monotonic() - began:.0f} s", flush=True)
    export(train(pictures, wanted.steps).folded(), wanted.out)


if __name__ == "__main__":
    main()
