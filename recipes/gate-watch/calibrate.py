# /// script
# requires-python = ">=3.10"
# dependencies = ["edgekit", "av>=14"]
# ///
"""Takes pictures from the clips: calibration/ to quantise the model with, golden/ to prove engines on. None is in both.

python calibrate.py         # after draw.py; then: edgekit golden recipes/gate-watch --write
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
from views import VIEWS

GOLDEN = {"north": 131, "south": 149, "east": 243, "west": 222}
EVERY, FIRST = 50, 40
SIZE_PX = (320, 180)
"""Half the cameras' size: what the model sees of them."""


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
    for folder in ("calibration", "golden"):
        (here / folder).mkdir(exist_ok=True)
    for view in VIEWS:
        with av.open(str(here / "clips" / f"{view.name}.mp4")) as clip:
            for index, frame in enumerate(clip.decode(video=0)):
                bgr = cv2.resize(exact_rgb(frame)[..., ::-1], SIZE_PX, interpolation=cv2.INTER_AREA)
                name = f"{view.name}-{index:03}"
                if index == GOLDEN[view.name]:
                    cv2.imwrite(str(here / "golden" / f"{name}.png"), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 9])
                elif index >= FIRST and (index - FIRST) % EVERY == 0:
                    cv2.imwrite(str(here / "calibration" / f"{name}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, 94])


if __name__ == "__main__":
    main()
