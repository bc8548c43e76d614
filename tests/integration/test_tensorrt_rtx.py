"""Our build path on a real TensorRT builder: TensorRT-RTX builds on the CPU. Its plans are for desktop GPUs alone.

It is fetched into an environment of the tests' own and never shipped.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import uv

from edgekit.host.engine.files.plan_file import PlanFault, PlanFile, read_plan
from edgekit.host.engine.model.half import to_half
from edgekit.host.engine.model.prepare.rewrite import prepare
from edgekit.host.engine.model.quantise import quantise
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Model, Quantisation
from tests.fakes.broken_models import BROKEN
from tests.fakes.exports import EXPORTS, Export, contract_of, quantised
from tests.fakes.networks import classifier, detector, pictures, save

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
PACKAGES = ("tensorrt_rtx_cu13==1.7.1.116", "numpy==2.2.6")
DRIVER = """
import dataclasses, json, sys
from pathlib import Path
from edgekit.device.builder.tensorrt import build_plan
from edgekit.device.runner.nvinfer import open_nvinfer
from edgekit.errors import EngineError
from edgekit.schema.building import BuildRequest
nvinfer, folder = open_nvinfer("tensorrt_rtx"), Path(sys.argv[1])
for request in json.loads(sys.argv[2]):
    told = []
    try:
        built = build_plan(BuildRequest(kind="tensorrt", **request), folder, nvinfer, told.append)
        print(json.dumps({"built": dataclasses.asdict(built), "told": told}))
    except EngineError as error:
        print(json.dumps({"error": error.message, "hint": error.hint, "details": error.details}))
"""


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with TensorRT-RTX."""
    if sys.platform != "linux" or sys.maxsize < 2**32:
        pytest.skip("TensorRT-RTX is for 64-bit Linux")
    folder = tmp_path_factory.mktemp("rtx") / "venv"
    made = [uv.find_uv_bin(), "venv", "-q", "--python", sys.executable, str(folder)]
    subprocess.run(made, check=True, timeout=120)
    argv = [uv.find_uv_bin(), "pip", "install", "-q", "--python", str(folder / "bin/python"), *PACKAGES]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        pytest.skip(f"TensorRT-RTX cannot be fetched: {done.stderr[-300:]}")
    return folder / "bin/python"


def build(python: Path, folder: Path, *requests: dict[str, Any]) -> list[dict[str, Any]]:
    """Run our builder in that environment, all requests in one process: one logger serves them all."""
    usual = {"engine": "made.plan"}
    argv = [str(python), "-c", DRIVER, str(folder), json.dumps([{**usual, **request} for request in requests])]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize(("model", "size"), [(classifier, 64), (detector, 96)])
def test_both_networks_become_plans_in_every_precision(model: Any, size: int, python: Path, tmp_path: Path) -> None:
    plain = save(model(), tmp_path / "plain.onnx")
    frames = (pictures(8, size, size).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    (tmp_path / "half.onnx").write_bytes(to_half(plain))
    (tmp_path / "int8.onnx").write_bytes(quantise(plain, frames, Quantisation(), "tensorrt").model)
    made = build(
        python,
        tmp_path,
        {"model": "plain.onnx", "engine": "plain.plan", "workspace_bytes": 256 << 20, "tactic_bytes": 512 << 20},
        {"model": "half.onnx", "engine": "half.plan", "precision": "float16"},
        {"model": "int8.onnx", "engine": "int8.plan", "precision": "int8"},
    )
    assert [list(one) for one in made] == [["built", "told"]] * 3, made
    assert made[0]["told"][0] == "Building engine, step 1 of 6"
    for name in ("plain", "half", "int8"):
        file = tmp_path / f"{name}.plan"
        plan = read_plan(file)
        assert isinstance(plan, PlanFile)
        assert (plan.toolkit, plan.rtx, plan.size) == ("TensorRT-RTX 1.7.1", True, file.stat().st_size)


def test_a_plan_that_is_cut_short_is_noticed(python: Path, tmp_path: Path) -> None:
    save(classifier(), tmp_path / "m.onnx")
    assert "built" in build(python, tmp_path, {"model": "m.onnx"})[0]
    whole = (tmp_path / "made.plan").read_bytes()
    for length in (0, 3, 30, 63, 64, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.plan").write_bytes(whole[:length])
        assert isinstance(read_plan(tmp_path / "cut.plan"), PlanFault), length
    prefixed = b"\x02\x00\x00\x00{}" + whole
    (tmp_path / "prefixed.engine").write_bytes(prefixed)
    found = read_plan(tmp_path / "prefixed.engine")
    assert isinstance(found, PlanFile)
    assert found.offset == 6


def test_open_sizes_take_a_profile(python: Path, tmp_path: Path) -> None:
    model = classifier()
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    save(model, tmp_path / "m.onnx")
    shapes = {"images": [1, 3, 64, 64]}
    without, fitting, wrong = build(
        python,
        tmp_path,
        {"model": "m.onnx"},
        {"model": "m.onnx", "shapes": shapes},
        {"model": "m.onnx", "shapes": {"images": [1, 3, 0, 64]}},
    )
    assert "open sizes" in without["error"]
    assert "built" in fitting
    assert "TensorRT failed at" in wrong["error"]


def test_a_timing_cache_goes_in_and_comes_out(python: Path, tmp_path: Path) -> None:
    save(classifier(), tmp_path / "m.onnx")
    first, second = build(python, tmp_path, *[{"model": "m.onnx", "timing_cache": "t.cache"}] * 2)
    assert not first["built"]["cache_used"]
    assert second["built"]["cache_used"]
    assert (tmp_path / "t.cache").read_bytes()[:4] == b"ptrt"
    assert isinstance(read_plan(tmp_path / "t.cache"), PlanFault)


def test_a_dla_that_is_not_there_is_refused(python: Path, tmp_path: Path) -> None:
    save(classifier(), tmp_path / "m.onnx")
    (made,) = build(python, tmp_path, {"model": "m.onnx", "dla_core": 0, "precision": "float16"})
    assert made["error"] == "DLA core 0 is asked for, and this board has 0"


def test_broken_models_are_told_by_the_real_parser(python: Path, tmp_path: Path) -> None:
    """All but those that it takes all the same: the host has refused them before."""
    names = sorted(BROKEN)
    for name in names:
        (tmp_path / f"{name}.onnx").write_bytes(BROKEN[name])
    made = build(python, tmp_path, *[{"model": f"{name}.onnx"} for name in names])
    told = {name: one.get("error", "") for name, one in zip(names, made, strict=True)}
    refused = {name: error for name, error in told.items() if error}
    assert len(refused) >= 10, told
    assert len(set(refused.values())) >= 10
    for error in refused.values():
        assert "\n" not in error
    assert "node out (Frobnicate): TensorRT has no such operator" in told["unknown operator"]
    assert "node conv1 (Conv): it takes an input that nothing makes" in told["no weight"]
    assert "last dimension of input0 = 64 and last dimension of input1 = 63" in told["sizes that do not meet"]
    assert "it is no ONNX model" in told["garbage"]


def test_models_with_quantised_biases_are_what_its_parser_refuses(python: Path, tmp_path: Path) -> None:
    """Why there are two styles of Q/DQ: that for the CPU has them."""
    plain = save(classifier(), tmp_path / "plain.onnx")
    frames = (pictures(4, 64, 64).astype(np.float32) / 255).transpose(0, 3, 1, 2)
    (tmp_path / "cpu.onnx").write_bytes(quantise(plain, frames, Quantisation(), "cpu").model)
    (made,) = build(python, tmp_path, {"model": "cpu.onnx", "precision": "int8"})
    assert "Int32" in made["error"]
    assert onnx.load(tmp_path / "cpu.onnx")


def test_what_exporters_leave_becomes_plans(python: Path, tmp_path: Path) -> None:
    """Every form that is prepared is taken by a real parser and builder: bytes, channels last, other inputs, ..."""
    cases = {**EXPORTS, "symmetric int8": Export(make=lambda: quantised(np.int8))}
    requests = []
    for index, export in enumerate(cases.values()):
        save(export.make(), tmp_path / "given.onnx")
        model = from_raw(Model, {"onnx": "given.onnx", **export.model, "input": contract_of(export)}, "recipe")
        made = prepare(tmp_path / "given.onnx", "m", model, "tensorrt")
        (tmp_path / f"{index}.onnx").write_bytes(made.data)
        requests.append({"model": f"{index}.onnx", "engine": f"{index}.plan"})
    made = build(python, tmp_path, *requests)
    assert {name: one for name, one in zip(cases, made, strict=True) if "error" in one} == {}
