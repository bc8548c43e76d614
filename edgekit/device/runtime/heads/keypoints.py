"""Points of a thing: joints of a person, corners of a plate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.device.runtime.heads.candidates import Floats
from edgekit.imaging.fit import Fit
from edgekit.stage import Keypoint


def keypoints_of(extra: Floats, names: Sequence[str], fit: Fit) -> tuple[tuple[Keypoint, ...], ...]:
    """The points of each detection, in the source's pixels.

    Args:
        extra: [n, 2 * points] or [n, 3 * points]: x and y in pixels of the model's input, and perhaps how sure it is.
        names: of the points.
        fit: how the picture lies in the input.

    Returns:
        For each detection its points; those that are no number are left out.
    """
    values = extra.shape[1] // len(names)
    points = extra.reshape(-1, len(names), values)
    places = fit.points_to_source(points[..., :2])
    scores = points[..., 2] if values == 3 else np.ones(points.shape[:2], np.float32)
    sound = np.isfinite(places).all(axis=2) & np.isfinite(scores)
    return tuple(
        tuple(
            Keypoint(name=name, x_px=x, y_px=y, score=score)
            for name, (x, y), score, there in zip(names, row, row_scores, row_sound, strict=True)
            if there
        )
        for row, row_scores, row_sound in zip(
            places.tolist(), np.clip(scores, 0, 1).tolist(), sound.tolist(), strict=True
        )
    )
