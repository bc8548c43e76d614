"""Clips of so many reference pictures, and what decoding one really takes: in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import numpy as np

from tests.fakes.eventually import PATIENCE_S

_DECODE = """
import sys
import av

def own():
    lines = [line.split() for line in open("/proc/self/status") if line.startswith(("RssAnon:", "RssShmem:"))]
    return sum(int(words[1]) << 10 for words in lines)

def most(path):
    before = taken = own()
    with av.open(path) as clip:
        clip.streams.video[0].codec_context.thread_count = 1
        for frame in clip.decode(video=0):
            taken = max(taken, own())
    return taken - before

most(sys.argv[1])
print(most(sys.argv[2]))
"""


def write_references(
    file: Path, references: int, width_px: int, height_px: int, codec: str = "libx264", **options: str
) -> Path:
    """A clip whose pictures move and refer to so many before them, by its header."""
    given = {"preset": "ultrafast", **options}
    given |= {"tune": "zerolatency", "refs": str(references)} if codec == "libx264" else {}
    blocks = np.random.default_rng(0).integers(0, 255, (height_px // 16 + 4, width_px // 16 + 8, 3), np.uint8)
    shown = blocks.repeat(16, 0).repeat(16, 1)
    with av.open(file, "w") as clip:
        stream = clip.add_stream(codec, rate=10, options=given)
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        for number in range(24):
            window = shown[number : number + height_px, 2 * number : 2 * number + width_px]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(window), "bgr24")
            clip.mux(stream.encode(picture.reformat(format="yuv420p")))
        clip.mux(stream.encode(None))
    return file


def memory_of_decoder(file: Path) -> int:
    """Bytes by which a process grows that decodes a clip, after it has decoded a tiny one."""
    tiny = write_references(file.with_name("tiny.mp4"), 1, 64, 64)
    argv = [sys.executable, "-c", _DECODE, str(tiny), str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    return int(done.stdout)
