"""Lent memory on its own: who has it, when it comes back, and which arrays are it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekit.device.runner import Runner
from edgekit.device.runner.loaded import LoadedEngine
from edgekit.device.runner.tensors import OPEN, InputPool, TensorSpec, fixed_inputs, lent_buffers, plain_inputs
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

FLOAT = np.dtype(np.float32)
SPECS = (TensorSpec(name="a", shape=(2, 4), dtype=FLOAT), TensorSpec(name="b", shape=(2, 4), dtype=FLOAT))


def pool(count: int) -> InputPool:
    return InputPool(plain_inputs(SPECS) for _ in range(count))


def test_only_a_whole_set_under_its_own_names_is_the_set():
    lending = pool(2)
    lent, other = lending.lend(), lending.lend()
    assert lent_buffers(lent) is not None
    for changed in (
        {"a": lent["a"]},
        {"a": lent["b"], "b": lent["a"]},
        {"a": lent["a"], "b": other["b"]},
        {"a": lent["a"][:, :2], "b": lent["b"]},
        {"a": lent["a"].view(np.int32), "b": lent["b"]},
        {"a": lent["a"].reshape(4, 2).T.reshape(2, 4), "b": lent["b"]},
        {"a": np.lib.stride_tricks.as_strided(lent["a"], (2, 4), (4, 8)), "b": lent["b"]},
        {"a": lent["a"].copy(), "b": lent["b"]},
        {},
    ):
        assert lent_buffers(changed) is None
    assert lent_buffers({name: array[:] for name, array in lent.items()}) is not None


@pytest.mark.parametrize(
    ("plain", "problem"),
    [
        (("a", "b", "c"), "has no input c, which its plan names"),
        (("a",), "has an input that its plan does not name: b"),
        ((), "has an input that its plan does not name: a"),
    ],
)
def test_inputs_of_an_engine_without_a_picture_are_those_of_its_plan(plain: tuple[str, ...], problem: str) -> None:
    plan = EnginePlan(runner="onnxruntime", path="m.onnx", input=None, threads=1, plain=plain)
    with pytest.raises(InputError, match=problem):
        fixed_inputs(SPECS, plan, "m", "build it again")
    assert fixed_inputs(SPECS, replace(plan, plain=("a", "b")), "m", "build it again") == SPECS


def test_a_closing_pool_lends_no_more_and_ends_once_with_the_last_that_comes_back():
    lending, ended = pool(3), []
    first, second = lending.lend(), lending.lend()
    lending.close(lambda: ended.append(1))
    assert lending.lend() is None
    del first
    assert not ended
    del second
    assert ended == [1]
    assert lending.lend() is None


def test_a_pool_with_nothing_out_ends_at_once():
    lending, ended = pool(1), []
    del (lending.lend() or {})["a"]
    lending.close(lambda: ended.append(1))
    assert ended == [1]


def test_an_engine_that_is_closed_twice_while_memory_is_lent_is_freed_once():
    closed: list[int] = []
    runner = Runner(
        LoadedEngine(
            inputs=SPECS,
            outputs=(),
            picture="a",
            contexts=(),
            spare=(plain_inputs(SPECS),),
            close=lambda: closed.append(1),
            hint="",
        )
    )
    lent = runner.lend()
    runner.close()
    runner.close()
    assert not closed
    del lent
    assert closed == [1]


def test_sizes_of_a_further_input_must_be_known():
    contract = ColourContract(width_px=4, height_px=2, order="GRAY")
    plan = EnginePlan(runner="onnxruntime", path="m.onnx", input=contract, picture="x", threads=1)
    picture = TensorSpec(name="x", shape=(OPEN, 1, OPEN, 4), dtype=FLOAT)
    further = TensorSpec(name="size", shape=(OPEN, 2), dtype=FLOAT)
    with pytest.raises(InputError, match=r"engine m\.onnx leaves sizes of its input size open: float32 \[-1, 2\]"):
        fixed_inputs((picture, further), plan, "m.onnx", "export it again")
    known = TensorSpec(name="size", shape=(1, 2), dtype=FLOAT)
    assert [spec.shape for spec in fixed_inputs((known, picture), plan, "m.onnx", "")] == [(1, 2), (1, 1, 2, 4)]
