"""Detections as JSON holds them: a recipe's own code may have put NumPy's numbers into them, or ones that are none."""

from __future__ import annotations

import math

from edgekit.errors import InputError
from edgekit.schema.detection import Attribute, Detection, Keypoint


def plain_detection(found: Detection) -> Detection:
    """A detection of texts and finite numbers. Raises InputError where a number is none."""
    return Detection(
        label=str(found.label),
        colour=str(found.colour),
        track=int(found.track),
        text=str(found.text),
        x_px=_number(found, "x_px", found.x_px),
        y_px=_number(found, "y_px", found.y_px),
        width_px=_number(found, "width_px", found.width_px),
        height_px=_number(found, "height_px", found.height_px),
        score=_number(found, "score", found.score),
        area_px=_number(found, "area_px", found.area_px),
        outline=tuple(tuple(_number(found, "outline", place) for place in polygon) for polygon in found.outline),
        keypoints=tuple(
            Keypoint(
                name=str(point.name),
                x_px=_number(found, "keypoints.x_px", point.x_px),
                y_px=_number(found, "keypoints.y_px", point.y_px),
                score=_number(found, "keypoints.score", point.score),
            )
            for point in found.keypoints
        ),
        attributes=tuple(
            Attribute(name=str(one.name), value=str(one.value), score=_number(found, "attributes.score", one.score))
            for one in found.attributes
        ),
    )


def _number(found: Detection, name: str, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise InputError(
            f"a detection of {found.label!r} has {name} = {number}",
            hint="set finite numbers; a model's NaN or infinity must not become a detection",
        )
    return number
