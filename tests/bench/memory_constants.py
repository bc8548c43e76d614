"""What `edgekit/host/forecast/constants.py` holds, measured: `.venv/bin/python tests/bench/memory_constants.py`.

Workers without a model, of cameras of two sizes and in two numbers, each in a cgroup of its own: what differs is the
cameras', and what is left is the worker's. No recipe takes part: a forecast of a recipe is held against other runs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/bench")]

from edgekit.schema.plan import LanePlan  # noqa: E402
from edgekit.schema.sink import JsonlSink  # noqa: E402
from edgekit.schema.source import FileSource, RecipeSource, RtspSource  # noqa: E402
from gate_site import charged_parts, memory_cgroup  # noqa: E402
from tests.fakes.cameras import rtsp_server  # noqa: E402
from tests.fakes.clips import write_scene  # noqa: E402
from tests.fakes.plan_worker import PlanWorker  # noqa: E402
from tests.fakes.plans import small_plan  # noqa: E402

SIZES, NUMBERS, SECONDS, ROUNDS = ((640, 368), (1920, 1088)), (1, 3), 8.0, 3


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="edgekit-memory-") as made:
        folder = Path(made)
        clips = {size: write_scene(folder / f"{size[0]}.h264", *size, 60, fps=10) for size in SIZES}
        found: dict[tuple[tuple[int, int], int], dict[str, float]] = {}
        for size, clip in clips.items():
            for number in NUMBERS:
                with rtsp_server(*[str(clip)] * number) as server:
                    rounds = [measure(folder, [server.url(k) for k in range(number)]) for _ in range(ROUNDS)]
                found[size, number] = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
                print(size, number, {name: f"{value / 2**20:.2f} MiB" for name, value in found[size, number].items()})
        clip = write_scene(folder / "clip.mp4", *SIZES[0], 60, fps=10)
        recordings = [
            statistics.median(measure(folder, [str(clip)] * number)["own"] for _ in range(ROUNDS)) for number in NUMBERS
        ]
    report(found, (recordings[1] - recordings[0]) / (NUMBERS[1] - NUMBERS[0]))


def measure(folder: Path, shown: list[str]) -> dict[str, float]:
    """The peak of one worker, of cameras or of recordings."""
    place = Path(tempfile.mkdtemp(dir=folder))
    sources: dict[str, RecipeSource] = {
        f"cam{k}": RtspSource(kind="rtsp", url=one, lane="all", connect_s=20.0)
        if one.startswith("rtsp:")
        else FileSource(kind="file", path=Path(shutil.copy(one, place)).name, lane="all")
        for k, one in enumerate(shown)
    }
    lane = LanePlan(cpus=tuple(sorted(os.sched_getaffinity(0))), queue=2, drop="drop_oldest")
    sink = JsonlSink(kind="jsonl", path="lines.jsonl", lane="all")
    plan = small_plan(sources=sources, sinks={"lines": sink}, lanes={"all": lane})
    with memory_cgroup() as cgroup:
        worker = PlanWorker(place, plan, {}, cgroup=cgroup)
        try:
            worker.until(lambda streams: all(one.fps > 5 for one in streams.values()))
            peak: dict[str, float] = {}
            until_s = time.monotonic() + SECONDS
            while time.monotonic() < until_s:
                now = charged_parts(cgroup)
                if now["own"] + now["kernel"] > peak.get("own", 0) + peak.get("kernel", 0):
                    peak = dict(now)
                time.sleep(0.05)
        finally:
            worker.close()
    return peak


def report(found: dict[tuple[tuple[int, int], int], dict[str, float]], recording: float) -> None:
    """Fixed and by pixel, of a camera; and what a worker has without any."""
    small, large = SIZES
    few, many = NUMBERS
    each = {size: (found[size, many]["own"] - found[size, few]["own"]) / (many - few) for size in SIZES}
    pixels = {size: size[0] * size[1] for size in SIZES}
    by_pixel = (each[large] - each[small]) / (pixels[large] - pixels[small])
    fixed = each[small] - by_pixel * pixels[small]
    kernel = (found[small, many]["kernel"] - found[small, few]["kernel"]) / (many - few)
    print(f"camera: {fixed / 2**20:.2f} MiB and {by_pixel:.2f} bytes a pixel; of the kernel's {kernel / 2**20:.2f} MiB")
    print(f"more than a recording of that size: {(each[small] - recording) / 2**20:.2f} MiB")
    print(f"worker: {(found[small, few]['own'] - each[small]) / 2**20:.2f} MiB")
    print(f"its kernel's: {(found[small, few]['kernel'] - kernel) / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
