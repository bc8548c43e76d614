# /// script
# requires-python = ">=3.10"
# dependencies = ["edgekit", "av>=14"]
# ///
"""Takes pictures from the clip to quantise the model with: calibration/. None of them is a golden frame.

python calibrate.py         # after draw.py
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

GOLDEN = (20, 45, 70, 100)
EVERY = 6
SIZE_PX = (320, 180)


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
    folder = Path(__file__).parent / "calibration"
    folder.mkdir(exist_ok=True)
    with av.open(str(folder.parent / "clip.mp4")) as clip:
        for index, frame in enumerate(clip.decode(video=0)):
            if index % EVERY or index in GOLDEN:
                continue
            bgr = cv2.resize(exact_rgb(frame)[..., ::-1], SIZE_PX, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / f"frame-{index:03}.png"), bgr)


if __name__ == "__main__":
    main()
