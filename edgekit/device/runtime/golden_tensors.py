"""Golden frames that are plain tensors: an `.npz` file with the inputs of models, one step after the other."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgekit.errors import InputError
from edgekit.stage import Array

_HINT = "write it with numpy.savez: of each input an array [steps, ...] under its name, or MODEL.INPUT"
_MAX_BYTES = 256 << 20


def read_steps(file: Path, models: Sequence[str]) -> Iterator[dict[str, dict[str, Array]]]:
    """The inputs of each step, by model and name.

    Args:
        file: `.npz`; its names are INPUT where there is one model, else MODEL.INPUT.
        models: those that the stages run.

    Raises:
        InputError: it is no such file, or its arrays have different numbers of steps, or none.
    """
    arrays: dict[tuple[str, str], Array] = {}
    for name, array in _read(file).items():
        model, dot, of_input = name.partition(".")
        if not (dot and model in models):
            model, of_input = (models[0] if len(models) == 1 else ""), name
        if not model:
            raise InputError(f"{file.name} has {name!r}, of none of the models {', '.join(models)}", hint=_HINT)
        arrays[model, of_input] = array
    counts = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(counts) != 1 or 0 in counts:
        told = ", ".join(f"{name} {list(array.shape)}" for (_, name), array in arrays.items()) or "nothing"
        raise InputError(f"{file.name} does not have the same number of steps of each input: {told}", hint=_HINT)
    for step in range(counts.pop()):
        inputs: dict[str, dict[str, Array]] = {}
        for (model, of_input), array in arrays.items():
            inputs.setdefault(model, {})[of_input] = np.asarray(array[step])
        yield inputs


def _read(file: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(file) as packed:
            if sum(entry.file_size for entry in packed.infolist()) > _MAX_BYTES:
                raise InputError(f"{file.name} holds more than {_MAX_BYTES >> 20} MiB", hint="give fewer steps")
        with np.load(file, allow_pickle=False) as found:
            return dict(found)
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{file.name} cannot be read as tensors: {error}", hint=_HINT) from None
