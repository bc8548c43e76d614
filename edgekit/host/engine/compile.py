"""From a recipe's models to engines for a target."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from edgekit.host.engine.backends import BACKENDS, Engine, ModelSource
from edgekit.host.engine.contract import check_contract
from edgekit.host.engine.onnx_model import read_onnx
from edgekit.schema.recipe import Model
from edgekit.schema.target import AcceleratorKind, Target


def compile_models(models: Mapping[str, Model], folder: Path, target: Target) -> tuple[Engine, ...]:
    """Make every engine of a recipe, sorted by name.

    Args:
        models: the recipe's models by name.
        folder: the recipe's folder, which their paths are relative to.
        target: what they are made for.

    Raises:
        EngineError: a model is not valid, does not take what its contract says, or cannot be compiled.
    """
    return tuple(_compile(name, folder, models[name], target) for name in sorted(models))


def choose_backend(target: Target) -> AcceleratorKind:  # noqa: ARG001
    """The kind of engine for a target: ONNX Runtime's, which every board runs, until its own accelerator's is made."""
    return "onnxruntime"


def _compile(name: str, folder: Path, model: Model, target: Target) -> Engine:
    path = folder / model.onnx
    onnx = read_onnx(path)
    check_contract(path, onnx, model.input, f"models.{name}.input")
    backend = importlib.import_module(BACKENDS[choose_backend(target)])
    source = ModelSource(name=name, path=path, model=model, onnx=onnx, target=target)
    return cast(Engine, backend.compile_model(source))
