"""A model in two parts: the head becomes an accelerator's engine, the tail runs in float on the board's CPU.

`device/runner/tail.py` joins them again there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort  # type: ignore[import-untyped]

from edgekit.errors import EngineError
from edgekit.host.cache import Cache
from edgekit.host.engine.model.answers import Answers, finite
from edgekit.host.engine.model.graph import Graph
from edgekit.host.engine.model.ranges import find_mixed
from edgekit.host.engine.model.reference import answers_of, answers_with, run_on, time_on
from edgekit.host.engine.model.split import Cut, NoCut, cut_model, find_cut, joins, named_cut, needed_values
from edgekit.schema.reader import from_json, to_json
from edgekit.trust import sha256_file

_FORMAT = 1
"""Of the key; raise it when models are cut in another way."""
_RANGE_FRAMES = 8
"""Pictures that tell which ranges differ."""
_TIMED = 9
_HEAD, _TAIL, _RECORD = "head.onnx", "tail.onnx", "split.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRecord:
    """How a model was cut, as written beside the parts; no tensors where there was nothing to cut."""

    tensors: tuple[str, ...]
    """What goes from the head into the tail."""
    milliseconds: float
    """The tail's own time: of one frame, one thread, on the machine that built."""
    off: float
    """Largest difference between the model whole and in two parts, both in float."""
    bytes: int
    """Memory of everything that the tail computes for one frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """What the CPU computes behind an engine."""

    head: Path
    file: Path
    whole: Path
    """The model that both were made from."""
    whole_sha256: str
    sha256: str
    outputs: tuple[str, ...]
    """Of the whole model, in its order."""
    record: SplitRecord

    def complete(self, found: Answers) -> dict[str, npt.NDArray[np.generic]]:
        """The whole model's answers from the head's, [frames, ...]."""
        taken = {name: found[name] for name in self.record.tensors}
        made = {**found, **run_on(self.file, taken)}
        return {name: made[name] for name in self.outputs}

    @property
    def facts(self) -> dict[str, str]:
        """For the manifest."""
        proto = onnx.load(self.file)
        record = self.record
        exact = "exact" if record.off == 0 else f"off by {record.off:.2g} at most"
        return {
            "tail": f"{len(proto.graph.node)} operators in float on the CPU, {exact} against the model in one part",
            "tail_inputs": ", ".join(record.tensors),
            "tail_opset": str(max((one.version for one in proto.opset_import if not one.domain), default=0)),
            "tail_ir_version": str(proto.ir_version),
        }

    @property
    def note(self) -> str:
        """For the user who builds."""
        record = self.record
        exact = "exactly the model's" if record.off == 0 else f"the model's within {record.off:.2g}"
        return (
            f"split at {', '.join(record.tensors)}; the tail runs in float on the CPU: "
            f"{record.milliseconds:.2f} ms a frame on this machine, answers {exact}"
        )


def split_model(
    path: Path, wanted: str | tuple[str, ...], frames: npt.NDArray[np.generic], cache: Cache, key: str
) -> Tail | None:
    """Cut a model in two, or take the parts from the cache.

    Args:
        path: the float model.
        wanted: `auto`, or the tensors to cut at.
        frames: inputs to measure with, [frames, ...].
        cache: for parts.
        key: models.NAME.split, for messages.

    Returns:
        The parts; None where `auto` finds nothing to cut.

    Raises:
        EngineError: there is no such tensor, or it does not cut the model.
    """
    whole = sha256_file(path)
    few = np.ascontiguousarray(frames[:_RANGE_FRAMES])
    made_of = [_FORMAT, whole, wanted, hashlib.sha256(few.tobytes()).hexdigest(), ort.__version__]
    digest = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()
    folder = cache.get(digest, lambda made: _make(path, wanted, few, made, key), f"{path.name} in two parts").folder
    file = folder / _RECORD
    record = from_json(SplitRecord, file.read_bytes(), str(file))
    if not record.tensors:
        return None
    names = tuple(value.name for value in onnx.load(path, load_external_data=False).graph.output)
    return Tail(
        head=folder / _HEAD,
        file=folder / _TAIL,
        whole=path,
        whole_sha256=whole,
        sha256=sha256_file(folder / _TAIL),
        outputs=names,
        record=record,
    )


def _make(path: Path, wanted: str | tuple[str, ...], frames: npt.NDArray[np.generic], made: Path, key: str) -> None:
    graph = Graph(onnx.load(path))
    cut = _cut(path, graph, wanted, frames, key)
    record = SplitRecord(tensors=(), milliseconds=0.0, off=0.0, bytes=0)
    if cut is not None:
        record = _cut_into(path, graph, cut, frames, made)
    (made / _RECORD).write_bytes(to_json(record))


def _cut(
    path: Path, graph: Graph, wanted: str | tuple[str, ...], frames: npt.NDArray[np.generic], key: str
) -> Cut | None:
    if isinstance(wanted, str):
        names = dict.fromkeys(name for node in joins(graph) for name in graph.varying(node))
        seen = answers_with(path, names, frames)
        ranges = {name: (float(seen[name].min()), float(seen[name].max())) for name in names if seen[name].size}
        mixed = [one.output for one in find_mixed(graph.model, {name: seen[name] for name in graph.outputs})]
        return find_cut(graph, ranges, mixed)
    try:
        return named_cut(graph, wanted)
    except NoCut as error:
        raise EngineError(
            f"{key}: {error}", hint='name tensors that a node of the model makes, or write split = "auto"'
        ) from None


def _cut_into(path: Path, graph: Graph, cut: Cut, frames: npt.NDArray[np.generic], folder: Path) -> SplitRecord:
    seen = answers_with(path, needed_values(graph, cut), frames[:1])
    values = {name: array[0] for name, array in seen.items()}
    for name in cut.tensors:
        if values[name].dtype != np.float32:
            raise EngineError(
                f"{path}: the cut goes through {name}, which is {values[name].dtype}: engines answer float32 alone",
                hint="name tensors before it in split",
            )
    head, tail = cut_model(graph, cut, values)
    for name, model in ((_HEAD, head), (_TAIL, tail)):
        (folder / name).write_bytes(model.SerializeToString(deterministic=True))
    expected, given = answers_of(path, frames), answers_of(folder / _HEAD, frames)
    taken = {name: given[name] for name in cut.tensors}
    found = {**given, **run_on(folder / _TAIL, taken)}
    off = max(float(np.abs(finite(expected[name]) - finite(found[name])).max()) for name in graph.outputs)
    return SplitRecord(
        tensors=cut.tensors,
        milliseconds=round(time_on(folder / _TAIL, taken, _TIMED), 3),
        off=off,
        bytes=_memory(tail, values),
    )


def _memory(tail: onnx.ModelProto, values: Answers) -> int:
    """Bytes of the tail's inputs and outputs, twice: what is computed between them is seldom more."""
    names = {value.name for value in (*tail.graph.input, *tail.graph.output)}
    return 2 * sum(values[name].nbytes for name in names)
