# /// script
# requires-python = ">=3.10"
# dependencies = ["edgekit", "av>=14"]
# ///
"""Takes golden frames from the clip and writes what the recipe's own stages find in them: golden/expected.json.

python golden.py            # after draw.py and train.py; look at the pictures before you commit
"""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
from scene import HEIGHT_PX, WIDTH_PX

from edgekit.device.image.frames import RgbImage, RgbSpec
from edgekit.device.runner import load
from edgekit.device.worker.item import Item
from edgekit.device.worker.stages import StageContext, find_class
from edgekit.schema.plan import EnginePlan
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe

FRAMES = (20, 45, 70, 100)
STAGES = ("scale", "see", "find", "name")


def exact_rgb(frame: av.VideoFrame) -> np.ndarray:
    """BT.709 limited to full-range RGB in floating point: uint8[height, width, 3]."""
    y, u, v = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].astype(np.float64)
        for plane in frame.planes
    )
    u, v = (np.repeat(np.repeat(plane, 2, 0), 2, 1) for plane in (u, v))
    kr, kb = 0.2126, 0.0722
    luma, blue, red = (y - 16) / 219, (u - 128) / 224, (v - 128) / 224
    r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return np.clip(np.rint(np.stack([r, g, b], -1) * 255), 0, 255).astype(np.uint8)


def main() -> None:
    here = Path(__file__).parent
    recipe = from_toml(Recipe, (here / "recipe.toml").read_text(), "recipe.toml")
    model = recipe.models["parts"]
    runner = load(EnginePlan(runner="onnxruntime", path=model.onnx, input=model.input, threads=1), here)
    expected = {}
    stages = []
    spec = RgbSpec(width_px=WIDTH_PX, height_px=HEIGHT_PX, order="BGR")
    for name in STAGES:
        stage = recipe.pipeline.stages[name]
        context = StageContext(
            name=name,
            options=stage.options,
            frames=spec,
            fps=10.0,
            release=here,
            runner=runner if stage.kind == "infer" else None,
            contract=model.input,
        )
        stages.append(find_class(stage.kind, "")(context))
    with av.open(str(here / "clip.mp4")) as clip:
        for index, frame in enumerate(clip.decode(video=0)):
            if index not in FRAMES:
                continue
            file = here / "golden" / f"frame-{index:03}.png"
            bgr = np.ascontiguousarray(exact_rgb(frame)[..., ::-1])
            cv2.imwrite(str(file), bgr)
            item = Item(source="golden", index=index, loop=0, captured_s=0.0, image=RgbImage(pixels=bgr, order="BGR"))
            for stage in stages:
                item = stage(item)
            expected[file.name] = [
                {
                    "label": d.label,
                    "colour": d.colour,
                    "x_px": round(d.x_px, 2),
                    "y_px": round(d.y_px, 2),
                    "score": round(d.score, 3),
                }
                for d in sorted(item.detections, key=lambda d: (d.x_px, d.y_px))
            ]
    (here / "golden" / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


if __name__ == "__main__":
    main()
