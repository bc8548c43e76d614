"""Golden frames that are tensors: what is in a file, step by step, and what is told of other files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runtime.golden_tensors import read_steps
from edgekit.errors import InputError


def test_each_step_has_the_inputs_of_each_model(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, **{"ear.sound": np.arange(6).reshape(2, 1, 3), "nose.air": np.arange(2)})
    _first, second = read_steps(file, ("ear", "nose"))
    assert second["ear"]["sound"].tolist() == [[3, 4, 5]] and second["nose"]["air"] == 1
    np.savez(file, sound=np.zeros((1, 3)))
    (only,) = read_steps(file, ("ear",))
    assert only["ear"]["sound"].shape == (3,)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3)), "y": np.zeros((3, 3))}, r"same number of steps of each input: x \[2, 3\], y \[3, 3\]"),
        ({"x": np.zeros((0, 3))}, "same number of steps"),
        ({"x": np.float32(1)}, "same number of steps"),
        ({}, "nothing"),
        ({"x": np.array(["a", None])}, "cannot be read as tensors"),
    ],
)
def test_other_arrays_are_told(arrays: dict[str, np.ndarray], message: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(InputError, match=message):
        list(read_steps(tmp_path / "a.npz", ("ear",)))


def test_whose_an_input_is_must_be_known(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(2))
    with pytest.raises(InputError, match="'x', of none of the models ear, nose"):
        list(read_steps(tmp_path / "a.npz", ("ear", "nose")))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no tensors", b"PK\x05\x06" + bytes(18)])
def test_files_that_are_none_are_told(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz"):
        list(read_steps(tmp_path / "a.npz", ("ear",)))
