"""Names of arrays in an `.npz` file of an engine's answers: `output:NAME` for each output, [pictures, ...]."""

from __future__ import annotations

_PREFIX = "output:"
"""numpy refuses to write an array named `file`, as an output may be."""


def array_name(output: str) -> str:
    """The array that holds an output."""
    return f"{_PREFIX}{output}"


def output_name(array: str) -> str:
    """The output that an array holds."""
    return array.removeprefix(_PREFIX)
