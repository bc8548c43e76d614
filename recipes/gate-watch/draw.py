# /// script
# requires-python = ">=3.10"
# dependencies = ["av>=14", "numpy>=2", "opencv-python-headless>=4.11"]
# ///
"""Draws clips/NAME.mp4 for each view and writes truth.json. The same seeds draw the same pictures.

python draw.py [--only NAME]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from light import to_yuv
from scene import Painter, Scene
from street import HEIGHT_PX, WIDTH_PX
from views import FPS, FRAMES, LINE_X_PX, LINE_Y_PX, VIEWS, scene_of

BT709, LIMITED = 1, 1  # ITU-T H.273: primaries, transfer and matrix alike


def write_clip(file: Path, scene: Scene) -> None:
    """H.264, 640x360, BT.709 limited, said so in the stream; no B frames; a key frame each second, as cameras send."""
    painter = Painter(scene)
    with av.open(str(file), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        context = stream.codec_context
        context.colorspace, context.color_range = BT709, LIMITED
        context.color_primaries, context.color_trc = BT709, BT709
        stream.options = {"crf": "31", "preset": "slow", "bf": "0", "threads": "1", "g": "10", "sc_threshold": "0"}
        for number in range(FRAMES):
            planes = to_yuv(painter.draw(number / FPS)[0])
            packed = np.concatenate([plane.reshape(-1, WIDTH_PX) for plane in planes])
            frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
            frame.colorspace, frame.color_range, frame.pts = BT709, LIMITED, number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def crossings(scene: Scene) -> Iterator[tuple[int, str, str]]:
    """Who goes over the line: frame, class and direction. A figure is where the bottom of its box has its middle."""
    for actor in scene.actors:
        before: float | None = None
        for frame in range(FRAMES):
            x, y = _foot(scene, actor, frame / FPS)
            if not LINE_Y_PX[0] < y < LINE_Y_PX[1]:
                before = None
                continue
            if before is not None and (before < LINE_X_PX) != (x < LINE_X_PX):
                yield frame, actor.kind, "out" if x < LINE_X_PX else "in"
            before = x


def _foot(scene: Scene, actor: object, time_s: float) -> tuple[float, float]:
    x_m, y_m = actor.at(time_s)  # type: ignore[attr-defined]
    x, y, _ = scene.camera.project(np.array([x_m, y_m, 0.0]))[0]
    return float(x), float(y)


def truth_of(scene: Scene) -> dict[str, object]:
    """What `lines` must have counted after one pass of the clip."""
    found = sorted(crossings(scene))
    counts = Counter(f"gate {kind} {direction}" for _, kind, direction in found)
    return {
        "frames": FRAMES,
        "fps": FPS,
        "counts": dict(sorted(counts.items())),
        "crossings": [{"frame": frame, "class": kind, "direction": direction} for frame, kind, direction in found],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=[view.name for view in VIEWS])
    wanted = parser.parse_args()
    here = Path(__file__).parent
    (here / "clips").mkdir(exist_ok=True)
    (here / "truth").mkdir(exist_ok=True)
    for view in VIEWS:
        if wanted.only in (None, view.name):
            scene = scene_of(view)
            write_clip(here / "clips" / f"{view.name}.mp4", scene)
            (here / "truth" / f"{view.name}.json").write_text(json.dumps(truth_of(scene), indent=1) + "\n")


if __name__ == "__main__":
    main()
