"""From a model's input back to the camera's own pixels, also where stages see a part of the picture alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from edgekit.device.runtime.stages.detect import Yolo
from edgekit.device.runtime.stages.fitting import fit_of
from edgekit.errors import InputError
from edgekit.schema.recipe import ColourContract
from edgekit.schema.stages.yolo import YoloOptions
from edgekit.stage import ModelResult
from tests.fakes.frames import frame, stage_context, stream_info

CONTRACT = ColourContract(width_px=64, height_px=64, order="RGB", fit="letterbox")
STREAM = replace(stream_info(), left_px=1000, top_px=200)


def test_there_and_back_through_letterbox_and_region() -> None:
    fit = fit_of(stage_context(stream=STREAM, contract=CONTRACT))
    assert fit.to_source(0, 14) == (1000.0, 200.0), "640x360 lies in rows 14 to 50"
    assert fit.to_source(64, 50) == (1640.0, 560.0)
    x, y = fit.to_input(1320.0, 380.0)
    assert (x, y) == (32.0, 32.0) and fit.to_source(x, y) == (1320.0, 380.0)


@pytest.mark.parametrize("fit", ["letterbox", "stretch", "crop"])
def test_pictures_of_half_the_size_lead_to_the_same_place(fit: Literal["letterbox", "stretch", "crop"]) -> None:
    """While memory is tight, stages see those; lines and zones stand in the camera's pixels as ever."""
    contract = replace(CONTRACT, fit=fit)
    half = replace(STREAM, spec=replace(STREAM.spec, width_px=320, height_px=180), scale=2)
    whole, tight = (fit_of(stage_context(stream=one, contract=contract)) for one in (STREAM, half))
    for place in ((0.0, 14.0), (64.0, 50.0), (17.5, 31.0)):
        assert tight.to_source(*place) == pytest.approx(whole.to_source(*place), abs=1e-6)
        assert tight.to_input(*whole.to_source(*place)) == pytest.approx(place, abs=1e-6)


def test_boxes_are_cut_off_at_the_edge_of_the_region() -> None:
    options = YoloOptions(labels=("car",), output="out")
    rows = np.array([[[32.0, 32.0, 200.0, 10.0, 0.9]]], np.float32)
    stage = Yolo(stage_context(options, stream=STREAM, contract=CONTRACT))
    (found,) = stage(frame(result=ModelResult(outputs={"out": rows}))).detections
    assert (found.x_px, found.y_px, found.width_px, found.height_px) == (1320.0, 380.0, 640.0, 100.0)


def test_a_stage_without_a_model_is_named() -> None:
    with pytest.raises(InputError, match="stage stage belongs to no model"):
        fit_of(stage_context(contract=None))
