"""Which packages run a recipe's engines is known before an engine is made: a lock and a build agree on it."""

from __future__ import annotations

import dataclasses

import pytest

from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.workflow.site import runners_for
from tests.fakes.workstations import workstation
from tests.unit.host.workflow.test_build import RECIPE


@pytest.mark.parametrize(
    ("target", "split", "runners"),
    [
        ("virt-arm64", (), ("onnxruntime",)),
        ("virt-arm64", "auto", ("onnxruntime",)),
        ("rk3588-debian12", (), ("rknn",)),
        ("rk3588-debian12", "auto", ("onnxruntime", "rknn")),
        ("jetson-orin-nano-jp62", ("head",), ("onnxruntime", "tensorrt")),
    ],
)
def test_the_tail_of_a_model_that_is_split_is_run_by_onnx_runtime(target, split, runners) -> None:
    recipe = read_recipe(RECIPE).recipe
    models = {name: dataclasses.replace(model, split=split) for name, model in recipe.models.items()}
    found = find_target(target, workstation().settings)
    assert runners_for(dataclasses.replace(recipe, models=models), found) == runners
    assert runners_for(dataclasses.replace(recipe, models={}), found) == ()
