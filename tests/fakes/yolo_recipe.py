"""A recipe around the small detector of `tests.fakes.yolo`: one output, and a stage that makes boxes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2

from tests.fakes import networks, yolo

CLIP = Path(__file__).parents[2] / "recipes/sorting-line/clip.mp4"
_TOML = """
name = "parts"
version = "1.0.0"

[models.net]
onnx = "net.onnx"
precision = "int8"
cpu_precision = "int8"
calibration = ["calibration/*"]
{more}
input = {{ width_px = 160, height_px = 160, order = "RGB", scale = 0.00392156862745098, fit = "letterbox" }}

[pipeline.sources.cam]
kind = "file"
path = "clip.mp4"
lane = "a"

[pipeline.stages.scale]
kind = "preprocess"
lane = "a"
model = "net"

[pipeline.stages.see]
kind = "infer"
lane = "a"
model = "net"

[pipeline.stages.find]
kind = "yolo"
lane = "a"
options = {{ labels = ["red", "green", "blue"], threshold = 0.4 }}

[pipeline.sinks.log]
kind = "jsonl"
path = "-"
lane = "a"

[pipeline.lanes.a]

[limits]
memory_max = "800MiB"
cpus = 1
"""


def write_recipe(folder: Path, more: str = "", pictures: int = 24) -> Path:
    """Write it; `more` are further lines of its model."""
    (folder / "calibration").mkdir(parents=True, exist_ok=True)
    networks.save(yolo.detector(), folder / "net.onnx")
    for seed in range(pictures):
        picture, _ = yolo.scene(seed, parts=0 if seed == pictures - 1 else 4)
        cv2.imwrite(str(folder / f"calibration/{seed:02}.png"), picture[..., ::-1])
    shutil.copy(CLIP, folder / "clip.mp4")
    (folder / "recipe.toml").write_text(_TOML.format(more=more))
    return folder
