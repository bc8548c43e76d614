"""How a stream's frames lie in the input of a stage's model, and the way back to the camera's pixels."""

from __future__ import annotations

from dataclasses import replace

from edgekit.errors import InputError
from edgekit.imaging.fit import Fit, plan_fit
from edgekit.stage import StageContext


def fit_of(context: StageContext) -> Fit:
    """The fit of the stage's stream and model.

    Raises:
        InputError: the stage belongs to no model.
    """
    if context.contract is None:
        raise InputError(f"stage {context.name} belongs to no model", hint='write model = "..." in the stage')
    stream = context.stream
    fit = plan_fit(stream.spec.width_px, stream.spec.height_px, context.contract)
    return replace(
        fit,
        source_width_px=fit.source_width_px * stream.scale,
        source_height_px=fit.source_height_px * stream.scale,
        source_left_px=fit.source_left_px * stream.scale + stream.left_px,
        source_top_px=fit.source_top_px * stream.scale + stream.top_px,
    )
