"""A detector's head against the plain Python loop of examples: YOLOv8's [1, 84, 8400], 300 boxes before suppression.

The loop does what ours does: transposes, takes each candidate's strongest class, drops weak ones, suppresses class by
class, and goes back through the letterbox. Both find the same boxes, which is checked first.
"""

from __future__ import annotations

import statistics

import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.stages.detect import Detect
from edgekit.imaging.image import FrameSpec
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.detect import DetectOptions
from edgekit.stage import Detection, ModelResult
from measure import Figure, compared, paired
from tests.fakes.frames import frame, stage_context, stream_info
from tests.fakes.head_loops import kept, yolov8

CLASSES, CANDIDATES, SIDE, SEEN = 80, 8400, 640, 300
WIDTH, HEIGHT = 1920, 1080
THRESHOLD, OVERLAP = 0.25, 0.45
LABELS = tuple(f"class{index}" for index in range(CLASSES))


def figures(rounds: int) -> list[Figure]:
    """The whole stage, from the model's output to detections."""
    output = model_output()
    contract = ColourContract(width_px=SIDE, height_px=SIDE, order="RGB", fit="letterbox")
    options = DetectOptions(
        head="yolov8", labels=LABELS, outputs=("output0",), activation="none", threshold=THRESHOLD, iou=OVERLAP
    )
    spec = FrameSpec(width_px=WIDTH, height_px=HEIGHT, matrix="709", range="limited")
    stage = Detect(stage_context(options, stream=stream_info(spec=spec), contract=contract))

    def ours() -> tuple[Detection, ...]:
        return stage(frame(result=ModelResult(outputs={"output0": output}))).detections

    found, wanted = ours(), by_loop(output)
    assert [one.label for one in found] == [label for label, _ in wanted]
    boxes = [(one.x_px, one.y_px, one.width_px, one.height_px) for one in found]
    assert np.allclose(boxes, [box for _, box in wanted], atol=0.05)
    costs, ratios = paired(ours, lambda: by_loop(output), rounds)
    against = f"a plain loop over {CANDIDATES} candidates, {len(found)} boxes kept"
    ratio = statistics.median(1 / one for one in ratios)
    return [compared("heads_vs_loop", ratio, costs, bar=20.0, better="higher", against=against)]


def model_output() -> npt.NDArray[np.float32]:
    """[1, 84, 8400]: crowds of boxes around some places, next to nothing elsewhere."""
    random = np.random.default_rng(0)
    rows = np.concatenate([random.uniform(0, SIDE, (CANDIDATES, 2)), random.uniform(8, 200, (CANDIDATES, 2))], axis=1)
    scores = random.uniform(0, 0.05, (CANDIDATES, CLASSES))
    seen = random.choice(CANDIDATES, SEEN, replace=False)
    places = random.uniform(100, 540, (SEEN // 10, 4)).repeat(10, axis=0) + random.normal(0, 3, (SEEN, 4))
    rows[seen] = np.concatenate([places[:, :2], places[:, 2:] / 6], axis=1)
    scores[seen, random.integers(0, CLASSES, SEEN // 10).repeat(10)] = random.uniform(0.3, 0.95, SEEN)
    return np.ascontiguousarray(np.concatenate([rows, scores], axis=1).T[None], np.float32)  # as engines leave it


def by_loop(output: npt.NDArray[np.float32]) -> list[tuple[str, tuple[float, ...]]]:
    """Labels and boxes in the picture: middle and size."""
    scale = WIDTH / SIDE
    above = (SIDE - HEIGHT / scale) / 2
    found = []
    for _, label, (left, top, right, bottom) in kept(yolov8([output[0]]), THRESHOLD, OVERLAP):
        edges = (left * scale, (top - above) * scale, right * scale, (bottom - above) * scale)
        low_x, high_x = (min(max(edges[place], 0.0), WIDTH) for place in (0, 2))
        low_y, high_y = (min(max(edges[place], 0.0), HEIGHT) for place in (1, 3))
        if high_x > low_x and high_y > low_y:
            box = ((low_x + high_x) / 2, (low_y + high_y) / 2, high_x - low_x, high_y - low_y)
            found.append((LABELS[label], box))
    return found
