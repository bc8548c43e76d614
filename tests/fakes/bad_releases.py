"""Releases that a build would not have let through: a built one with another plan or another model, signed again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgekit.executor.local import LocalExecutor
from edgekit.host.release.envelope import seal, unseal
from edgekit.schema.manifest import SIGNATURE_NAMESPACE, FileEntry, Manifest
from edgekit.schema.message import from_message, to_message
from edgekit.schema.provenance import read_statement
from edgekit.trust import sha256_bytes, sign

Plan = dict[str, Any]
FLOAT_BYTES = 4
LOOKS, TRIES = 10, 4
REFUSED = 8


def altered(
    release: Path,
    folder: Path,
    *,
    version: str,
    key: Path,
    plan: Callable[[Plan], None] = lambda _plan: None,
    model: Callable[[onnx.ModelProto], None] | None = None,
) -> Path:
    """A copy of a built release with another version, and another plan or model.

    Args:
        release: what `edgekit build` made.
        folder: where the copy goes.
        version: the copy's.
        key: signs it.
        plan: changes its plan in place.
        model: changes its one model in place.
    """
    shutil.copytree(release, folder)
    raw = json.loads((folder / "files/plan.json").read_text())
    plan(raw)
    raw["version"] = version
    files = {"plan.json": json.dumps(raw, indent=2).encode()}
    if model:
        (engine,) = raw["engines"].values()
        network = onnx.load(folder / "files" / engine["path"])
        model(network)
        files[engine["path"]] = network.SerializeToString()
    before = (release / "manifest.json").read_bytes()
    manifest = from_message(Manifest, before, "manifest.json")
    entries = tuple(_entry(entry, files.get(entry.path)) for entry in manifest.files)
    for path, content in files.items():
        (folder / "files" / path).write_bytes(content)
    text = to_message(replace(manifest, version=version, files=entries))
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.json.sig").write_bytes(_signed(text, key))
    made = read_statement(unseal((release / "provenance.json").read_bytes())[0], sha256_bytes(before))
    about = (replace(made.subject[0], digest={"sha256": sha256_bytes(text)}),)
    sealed = seal(replace(made, subject=about), lambda message: _signed(message, key))
    (folder / "provenance.json").write_bytes(sealed)
    return folder


def _signed(message: bytes, key: Path) -> bytes:
    return sign(LocalExecutor(), message, key=key, namespace=SIGNATURE_NAMESPACE)


def _entry(entry: FileEntry, content: bytes | None) -> FileEntry:
    return entry if content is None else replace(entry, sha256=sha256_bytes(content), bytes=len(content))


def wrong_weights(network: onnx.ModelProto) -> None:
    """As of a training that was broken off: every weight off by as much as its tensor varies."""
    chance = np.random.default_rng(1)
    for tensor in network.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1:
            noise = chance.normal(0, values.std() + 1e-3, values.shape).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(values + noise, tensor.name))


def swapped_channels(plan: Plan) -> None:
    """The model is given BGR, and was trained on RGB."""
    (engine,) = plan["engines"].values()
    assert engine["input"]["order"] == "RGB"
    engine["input"]["order"] = "BGR"


def wrong_scale(plan: Plan) -> None:
    """The model is given 0 to 255, and was trained on 0 to 1."""
    (engine,) = plan["engines"].values()
    engine["input"]["scale"] = 1.0


def gated(min_fps: float, *, start_s: float) -> Callable[[Plan], None]:
    """As fast as the device can, and no slower than so many frames a second, `start_s` after its start."""

    def change(plan: Plan) -> None:
        plan["sources"]["belt"]["pace"] = "fast"
        plan["health"].update(min_fps=min_fps, start_s=start_s, settle_s=3.0)

    return change


def repeated(times: int) -> Callable[[onnx.ModelProto], None]:
    """The same answers for so many times the work: each pass takes nought times the last one's answer in."""

    def change(network: onnx.ModelProto) -> None:
        graph = network.graph
        (given,) = [one.name for one in graph.input if one.name not in {known.name for known in graph.initializer}]
        nodes, answer = list(graph.node), graph.output[0].name
        del graph.node[:]
        graph.initializer.append(numpy_helper.from_array(np.zeros((), np.float32), "nought"))
        known = {given, *(one.name for one in graph.initializer)}
        for number in range(times):
            last = number == times - 1
            names = {given: given if number == 0 else f"{given}.{number}"}
            if number:
                graph.node.append(
                    helper.make_node("ReduceMax", [f"{answer}.{number - 1}"], [f"top.{number}"], keepdims=0)
                )
                graph.node.append(helper.make_node("Mul", [f"top.{number}", "nought"], [f"none.{number}"]))
                graph.node.append(helper.make_node("Add", [given, f"none.{number}"], [names[given]]))
            for node in nodes:
                copy = onnx.NodeProto()
                copy.CopyFrom(node)
                copy.name = f"{node.name}.{number}"
                kept = known if not last else known | {one for original in nodes for one in original.output}
                copy.input[:] = [
                    names.get(one, one if one in kept or not one else f"{one}.{number}") for one in node.input
                ]
                copy.output[:] = [one if last else f"{one}.{number}" for one in node.output]
                graph.node.append(copy)

    return change


def needing(bytes_: int) -> Callable[[onnx.ModelProto], None]:
    """The same answers, with a tensor of so many bytes on the way."""

    def change(network: onnx.ModelProto) -> None:
        graph = network.graph
        (given,) = [one.name for one in graph.input if one.name not in {known.name for known in graph.initializer}]
        for node in graph.node:
            node.input[:] = [f"{given}.late" if one == given else one for one in node.input]
        size = numpy_helper.from_array(np.array([bytes_ // FLOAT_BYTES], np.int64), "size")
        graph.initializer.extend([size, numpy_helper.from_array(np.zeros((), np.float32), "nought")])
        graph.node.insert(0, helper.make_node("ReduceMax", [given], ["top"], keepdims=0))
        graph.node.insert(1, helper.make_node("Expand", ["top", "size"], ["large"]))
        graph.node.insert(2, helper.make_node("ReduceMax", ["large"], ["largest"], keepdims=0))
        graph.node.insert(3, helper.make_node("Mul", ["largest", "nought"], ["none"]))
        graph.node.insert(4, helper.make_node("Add", [given, "none"], [f"{given}.late"]))
        assert graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT

    return change


class TriedDevice(Protocol):
    """A device that runs a good release, as a user of `edgekit` has it."""

    def make(self, version: str, **changes: Any) -> Path:
        """That release, altered."""
        ...

    def deploy(self, release: Path) -> tuple[int, str]:
        """The exit code, and what was said."""
        ...

    def go_back(self) -> None:
        """To the release before."""
        ...

    def status(self) -> dict[str, Any]:
        """The application's."""
        ...


@dataclass(frozen=True)
class Slowness:
    """A model that takes `times` as long as the good one's, and a gate at `gate_ratio` of the good one's rate."""

    times: int
    gate_ratio: float
    passes: int
    """So often the good release runs its model for each frame: most of the work, as on a real board."""
    start_s: float
    """How long the slow one may take to come up to the gate."""


def deploy_slower(device: TriedDevice, slowness: Slowness) -> tuple[int, str]:
    """Deploy a good release, and a slower one behind a gate that the good one is above; what came of the slower one.

    The good one's rate is the best of some looks, as anything else on this machine takes from it, and is measured again
    where the slower one was taken: the machine became faster meanwhile.
    """
    patient = gated(0.1, start_s=600)
    code, said = device.deploy(device.make("3.0.0", plan=patient, model=repeated(slowness.passes)))
    assert code == 0, said
    slower = repeated(slowness.times * slowness.passes)
    for number in range(1, TRIES + 1):
        fps = max(device.status()["report"]["fps"] for _ in range(LOOKS))
        gate = gated(slowness.gate_ratio * fps, start_s=slowness.start_s)
        code, said = device.deploy(device.make(f"3.{number}.0", plan=gate, model=slower))
        if code == REFUSED:
            break
        device.go_back()
    return code, said
