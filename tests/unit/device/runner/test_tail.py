"""An engine and the arithmetic behind it give what the whole model gives; tails that do not fit are told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from edgekit.device.runner import Runner, load
from edgekit.device.runner.loaded import LoadedEngine
from edgekit.device.runner.tail import with_tail
from edgekit.device.runner.tensors import TensorSpec, plain_inputs
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract

CONTRACT = ColourContract(width_px=4, height_px=4, order="RGB")
PLAN = EnginePlan(runner="onnxruntime", path="head.onnx", input=CONTRACT, threads=2, tail="tail.onnx")


def save(path: Path, nodes, inputs, outputs) -> None:
    values = [
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in group.items()]
        for group in (inputs, outputs)
    ]
    graph = onnx.helper.make_graph(nodes, "part", *values)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)


@pytest.fixture
def release(tmp_path):
    """x becomes a and b in the head, and both become sum in the tail."""
    shape = (1, 3, 4, 4)
    head = [onnx.helper.make_node("Abs", ["x"], ["a"]), onnx.helper.make_node("Neg", ["x"], ["b"])]
    save(tmp_path / "head.onnx", head, {"x": shape}, {"a": shape, "b": shape})
    save(
        tmp_path / "tail.onnx",
        [onnx.helper.make_node("Sub", ["a", "b"], ["sum"])],
        {"a": shape, "b": shape},
        {"sum": shape},
    )
    return tmp_path


@pytest.mark.parametrize("cached", [False, True])
def test_both_parts_give_the_model_s_outputs(release, cached):
    runner = load(PLAN, release, cache=release / "cache" if cached else None)
    tensor = np.linspace(-1, 1, 48, dtype=np.float32).reshape(1, 3, 4, 4)
    found = runner.infer({"x": tensor})
    assert list(found) == ["sum"]
    assert np.array_equal(found["sum"], np.abs(tensor) + tensor)
    runner.close()


class HeadContext:
    """An engine that gives what it is told to."""

    def __init__(self, **answers) -> None:
        self.answers = answers
        self.inputs = plain_inputs(INPUTS)

    def accepts(self, _inputs) -> bool:
        return True

    def start(self, inputs) -> None:
        pass

    def finish(self):
        return self.answers

    def cancel(self) -> None:
        pass


INPUTS = (TensorSpec(name="x", shape=(1,), dtype=np.dtype(np.float64)),)


def tailed(release, slots=1, **answers) -> tuple[Runner, list[str]]:
    closed: list[str] = []
    head = Runner(
        LoadedEngine(
            inputs=INPUTS,
            outputs=tuple(TensorSpec(name=name, shape=(), dtype=np.dtype(np.float32)) for name in answers),
            picture="x",
            contexts=tuple(HeadContext(**answers) for _ in range(slots)),
            close=lambda: closed.append("head"),
            hint="",
        )
    )
    return with_tail(head, PLAN, release / "tail.onnx", None), closed


def test_runtimes_may_leave_axes_out_and_answer_in_other_floats(release):
    flat = np.arange(48, dtype=np.float16)
    runner, closed = tailed(release, a=flat, b=flat.reshape(3, 4, 4), other=np.ones(2))
    found = runner.infer({"x": np.zeros(1)})
    assert found["sum"].shape == (1, 3, 4, 4)
    assert not found["sum"].any()
    assert found["other"].tolist() == [1, 1]
    assert [spec.name for spec in runner.outputs] == ["other", "sum"]
    runner.close()
    assert closed == ["head"]


@pytest.mark.parametrize("answers", [{"a": np.ones(48)}, {"a": np.ones(48), "b": np.ones(47)}])
def test_an_engine_that_does_not_give_what_the_tail_takes_is_told(release, answers):
    runner, _ = tailed(release, **answers)
    with pytest.raises(InputError, match=r"tail.onnx takes b \[1, 3, 4, 4\], and the engine does not give it"):
        runner.infer({"x": np.zeros(1)})


def test_a_tail_that_is_not_there_is_told(release):
    with pytest.raises(InputError, match=r"missing\.onnx cannot be loaded"):
        load(dataclasses.replace(PLAN, tail="missing.onnx"), release)


def test_a_tail_has_as_many_slots_as_its_engine(release):
    array = np.ones((1, 3, 4, 4), np.float32)
    runner, _ = tailed(release, slots=2, a=array, b=-array)
    with runner.take() as first, runner.take() as second:
        first.submit({"x": np.zeros(1)})
        second.submit({"x": np.zeros(1)})
        sums = first.wait()["sum"], second.wait()["sum"]
        assert not np.shares_memory(*sums)
        assert all((one == 2).all() for one in sums)
    runner.close()
