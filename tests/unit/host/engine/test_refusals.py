"""What is refused before the toolkit runs, and what a tail is."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.host.engine.model.graph import computed_from
from edgekit.host.engine.rknn.refusals import refusals
from edgekit.schema.recipe import ColourContract, Model, Quantisation
from tests.fakes.networks import classifier, detector, single

INPUT = ColourContract(width_px=64, height_px=64, order="RGB", scale=1 / 255)
MODEL = Model(onnx="m.onnx", input=INPUT)


def test_a_good_model_is_tried():
    assert refusals(classifier(), MODEL) == ()
    assert refusals(detector(opset=19), MODEL) == ()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (single("Selu"), "node out: operator Selu runs neither on RK3588's NPU nor in its runtime: replace it"),
        (single("NonZero"), "node out: operator NonZero makes outputs of no fixed size: end the model before it"),
        (
            single("Swim", domain="ai.acme"),
            "node out: operator Swim of domain ai.acme is no part of ONNX: "
            "export the model with operators of ONNX alone",
        ),
    ],
)
def test_the_node_is_named(model, reason):
    assert refusals(model, MODEL) == (reason,)


def test_a_node_without_a_name_is_told_by_its_place():
    model = single("Selu")
    model.graph.node[0].name = ""
    assert refusals(model, MODEL)[0].startswith("node number 0 (out): operator Selu")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scale": -1.0}, "the input's scale is -1"),
        ({"scale": (0.5, 0.5, -0.5)}, "the input's scale is -0.5"),
    ],
)
def test_contracts_that_the_toolkit_cannot_bake_in(change, told):
    recipe = dataclasses.replace(MODEL, input=dataclasses.replace(INPUT, **change))
    assert refusals(classifier(), recipe)[0].startswith(told)


def test_int8_needs_pictures_and_tails_that_are_there():
    recipe = dataclasses.replace(MODEL, precision="int8", quantisation=Quantisation(keep_float=("box",)))
    assert refusals(classifier(), recipe) == (
        "quantisation.keep_float names box, which no node makes: name tensors of the model",
        'precision = "int8" needs pictures to find ranges with: name them in calibration',
    )


def test_a_tail_is_all_that_is_computed_from_it():
    assert computed_from(detector(joined=True), ("boxes",)) == ("boxes", "found")
    assert computed_from(detector(joined=True), ("conv4", "conv5")) == ("conv4", "conv5", "boxes", "scores", "found")
    assert computed_from(detector(), ()) == ()
