"""From a recipe's models to engines for a target."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from edgekit.errors import InputError
from edgekit.host.engine.backends import BACKENDS, Bench, Engine, ModelSource
from edgekit.host.engine.contract import check_contract
from edgekit.host.engine.onnx_model import read_onnx
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.recipe import Model, Recipe
from edgekit.schema.target import AcceleratorKind, Target

_PREFERRED: tuple[AcceleratorKind, ...] = ("rknn", "tensorrt")


def compile_models(recipe: Recipe, folder: Path, target: Target, bench: Bench) -> tuple[Engine, ...]:
    """Make every engine of a recipe, sorted by name.

    Args:
        recipe: the application.
        folder: its folder, which the paths in it are relative to.
        target: what they are made for.
        bench: what they are made with.

    Raises:
        EngineError: a model is not valid, does not take what its contract says, or cannot be compiled.
    """
    backend = importlib.import_module(BACKENDS[choose_backend(target)])
    sources = [_source(name, recipe, folder, target) for name in sorted(recipe.models)]
    return tuple(cast(Engine, backend.compile_model(source, bench)) for source in sources)


def choose_backend(target: Target) -> AcceleratorKind:
    """The kind of engine for a target: its NPU's or GPU's where it has one, else ONNX Runtime's on the CPU."""
    kinds = {accelerator.kind for accelerator in target.accelerators}
    return next((kind for kind in _PREFERRED if kind in kinds), "onnxruntime")


def _source(name: str, recipe: Recipe, folder: Path, target: Target) -> ModelSource:
    model = recipe.models[name]
    path = folder / model.onnx
    onnx = read_onnx(path)
    check_contract(path, onnx, model.input, f"models.{name}.input", open_sizes=choose_backend(target) == "tensorrt")
    return ModelSource(
        name=name,
        path=path,
        model=model,
        onnx=onnx,
        target=target,
        calibration=find_pictures(folder, name, model),
        golden=tuple(folder / frame for frame in recipe.golden.frames) if recipe.golden else (),
    )


def find_pictures(folder: Path, name: str, model: Model) -> tuple[Path, ...]:
    """The files that a model's calibration patterns name, each once, sorted.

    Raises:
        InputError: a pattern names none.
    """
    found: set[Path] = set()
    for pattern in model.calibration:
        matching = [path for path in folder.glob(pattern) if path.is_file()] if is_safe_path(pattern) else []
        if not matching:
            raise InputError(
                f"models.{name}.calibration: {pattern!r} names no file in {folder}",
                hint='write a pattern such as "calibration/*.png"',
            )
        found.update(matching)
    return tuple(sorted(found))
