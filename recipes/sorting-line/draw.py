# /// script
# requires-python = ">=3.10"
# dependencies = ["av>=14", "numpy>=2", "opencv-python-headless>=4.11"]
# ///
"""Draws clip.mp4 and writes truth.json. The same seed draws the same pictures.

python draw.py
"""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scene import HEIGHT_PX, PALETTE, SHAPES, WIDTH_PX, Part, belt, random_part, render, to_yuv

SEED = 20261123
FPS, FRAMES, STEP_PX = 10, 120, 14.0
LINE_X_PX = 320.0
ROWS_PX = (62, 128, 194, 260, 318)
BT709 = 1  # ITU-T H.273: primaries, transfer and matrix alike
LIMITED = 1


def parts_of_clip(rng: np.random.Generator) -> list[Part]:
    """Parts in five rows; each crosses the line well inside the clip, or stays short of it to the end."""
    parts = []
    for row, y_px in enumerate(ROWS_PX):
        crossing = 6.0 + 2.5 * row + float(rng.uniform(0, 3))
        while crossing < FRAMES - 8:
            x_px = LINE_X_PX - (crossing + 0.5) * STEP_PX
            parts.append(random_part(rng, x_px, y_px + float(rng.uniform(-4, 4))))
            crossing = float(int(crossing + rng.uniform(13, 30))) + float(rng.uniform(0.3, 0.7))
    return parts


def write_clip(file: Path, parts: list[Part], rng: np.random.Generator) -> None:
    """H.264, 640x360, BT.709 limited, said so in the stream; no B frames, so that decoding is in step."""
    surface = belt(rng)
    with av.open(str(file), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        context = stream.codec_context
        context.colorspace, context.color_range = BT709, LIMITED
        context.color_primaries, context.color_trc = BT709, BT709
        stream.options = {"crf": "24", "preset": "slow", "bf": "0", "threads": "1", "tune": "fastdecode"}
        for number in range(FRAMES):
            light = 1 + 0.02 * np.sin(number / 9) + float(rng.uniform(-0.008, 0.008))
            planes = to_yuv(render(surface, parts, number * STEP_PX, light))
            packed = np.concatenate([plane.reshape(-1, WIDTH_PX) for plane in planes])
            frame = av.VideoFrame.from_ndarray(packed, format="yuv420p")
            frame.colorspace, frame.color_range, frame.pts = BT709, LIMITED, number
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def truth_of(parts: list[Part]) -> dict[str, object]:
    """What a counter must have counted after one pass of the clip."""
    crossings = sorted(
        (frame, f"{part.colour} {part.shape}")
        for part in parts
        for frame in range(1, FRAMES)
        if part.at((frame - 1) * STEP_PX) < LINE_X_PX <= part.at(frame * STEP_PX)
    )
    names = [f"{colour} {shape}" for colour in PALETTE for shape in SHAPES]
    counted = Counter(name for _, name in crossings)
    return {
        "frames": FRAMES,
        "fps": FPS,
        "line_x_px": LINE_X_PX,
        "counts": {name: counted[name] for name in names if counted[name]},
        "crossings": [{"frame": frame, "part": name} for frame, name in crossings],
    }


def main() -> None:
    here = Path(__file__).parent
    rng = np.random.default_rng(SEED)
    parts = parts_of_clip(rng)
    write_clip(here / "clip.mp4", parts, rng)
    (here / "truth.json").write_text(json.dumps(truth_of(parts), indent=2) + "\n")


if __name__ == "__main__":
    main()
