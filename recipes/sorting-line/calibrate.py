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
from golden import FRAMES, exact_rgb

EVERY = 6
SIZE_PX = (320, 180)


def main() -> None:
    folder = Path(__file__).parent / "calibration"
    folder.mkdir(exist_ok=True)
    with av.open(str(folder.parent / "clip.mp4")) as clip:
        for index, frame in enumerate(clip.decode(video=0)):
            if index % EVERY or index in FRAMES:
                continue
            bgr = cv2.resize(exact_rgb(frame)[..., ::-1], SIZE_PX, interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(folder / f"frame-{index:03}.png"), bgr)


if __name__ == "__main__":
    main()
