"""One run of the toolkit, in a scratch folder of its own: JSON in, JSON out, with a deadline."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from edgekit.errors import EdgekitError, EngineError
from edgekit.host.engine.model.faults import node_name
from edgekit.host.engine.rknn.complaints import NodeName, explain, not_lowered
from edgekit.host.engine.rknn.log import CompilerLog, read_accuracy, read_log
from edgekit.host.engine.rknn.toolkit import toolkit_box
from edgekit.host.engine.verify.verdict import LayerError
from edgekit.host.own_folder import temporary_folder
from edgekit.host.sandbox.left import open_left, read_left
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.imaging.image import Pixels
from edgekit.schema.recipe import Quantisation

_LOG = logging.getLogger(__name__)
_DEADLINE_S = 3600.0
_MAX_ANSWER_BYTES, _MAX_ENGINE_BYTES = 64 << 20, 4 << 30
_NAME_LENGTH = 80
"""Of the scratch folder, always: the compiler lets pointers slip into the file, and longer names would shift them."""
_MODEL, _ENGINE, _FRAMES, _OUTPUTS, _SAMPLES = "model.onnx", "engine.rknn", "frames.npy", "outputs.npz", "samples.txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class RknnJob:
    """What to convert, and what to try it on."""

    model: Path
    file: Path
    """The user's own model, for messages."""
    platform: str
    mean: tuple[float, ...]
    """One a channel, in pixel levels; baked into the engine, which takes uint8."""
    std: tuple[float, ...]
    quantisation: Quantisation | None
    """None: float16."""
    keep_float: tuple[str, ...] = ()
    """Tensors that stay float16."""
    calibration: Pixels
    frames: Pixels
    """Simulated; may be none."""
    custom: str = ""
    """Text that the engine carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """The outcome."""

    engine: bytes
    answers: tuple[npt.NDArray[np.generic], ...]
    """Of the simulator, one array an output: [frames, ...]."""
    log: CompilerLog
    layer_errors: tuple[LayerError, ...]
    kept_float: tuple[str, ...]
    seconds: dict[str, float]
    peak_bytes: int
    settled: bool
    """Whether addresses were fixed, so that the same job gives the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RknnConverter:
    """The toolkit of one version."""

    toolkit: Path
    """Its environment."""
    sandbox: Sandbox
    deadline_s: float = _DEADLINE_S

    def convert(self, job: RknnJob, *, analyse: bool = False) -> Converted:
        """Compile and simulate.

        Args:
            job: what.
            analyse: also compare layer by layer with the float model, on the first frame.

        Raises:
            EngineError: the toolkit refuses the model, or takes too long.
        """
        prefix = "edgekit-rknn-".ljust(_NAME_LENGTH, "-")
        with temporary_folder(prefix) as folder:
            scratch = Path(folder)
            (scratch / "request.json").write_text(json.dumps(_request(job, scratch, analyse=analyse)))
            output = self._run(job, scratch)
            answer = _answer(scratch)
            if answer is None or answer["failed"]:
                _LOG.info("%s", (answer or {}).get("trace", "the toolkit left no answer"))
                raise explain(job.file, answer or {}, output, _nodes(job.model))
            if error := not_lowered(job.file, output):
                raise error
            return _converted(scratch, answer, output)

    def _run(self, job: RknnJob, scratch: Path) -> str:
        """The toolkit is called through a link in the scratch folder, so that its own path shifts nothing either."""
        (scratch / "toolkit").symlink_to(self.toolkit.resolve())
        shutil.copyfile(Path(__file__).parent / "worker.py", scratch / "worker.py")
        argv = [str(scratch / "toolkit/bin/python"), "-B", "worker.py", "request.json", "answer.json"]
        try:
            return self.sandbox.run(argv, toolkit_box(self.toolkit, scratch), timeout_s=self.deadline_s).output
        except EdgekitError as error:
            if type(error) is not EdgekitError:
                raise
            raise EngineError(
                f"{job.file}: the RKNN toolkit took longer than {self.deadline_s:g} s and was stopped",
                hint='take fewer calibration images, or quantisation.method = "normal"',
                details=error.details,
            ) from None


def _nodes(model: Path) -> tuple[NodeName, ...]:
    return tuple(
        NodeName(name=node_name(node, index), kind=node.op_type, tensors=tuple(node.output))
        for index, node in enumerate(onnx.load(model).graph.node)
    )


def _request(job: RknnJob, scratch: Path, *, analyse: bool) -> dict[str, Any]:
    shutil.copyfile(job.model, scratch / _MODEL)
    quantise = None
    if job.quantisation is not None:
        samples = [_sample(scratch, index, picture) for index, picture in enumerate(job.calibration)]
        (scratch / _SAMPLES).write_text("\n".join(samples) + "\n")
        quantise = {
            "dataset": _SAMPLES,
            "algorithm": job.quantisation.method,
            "per_channel": job.quantisation.per_channel,
            "keep_float": list(job.keep_float),
            "asked": list(job.quantisation.keep_float),
        }
    if len(job.frames):
        np.save(scratch / _FRAMES, job.frames)
    return {
        "model": _MODEL,
        "platform": job.platform,
        "mean": list(job.mean),
        "std": list(job.std),
        "custom": job.custom,
        "out": _ENGINE,
        "quantise": quantise,
        "frames": _FRAMES if len(job.frames) else "",
        "outputs": _OUTPUTS,
        "analyse": _sample(scratch, -1, job.frames[0]) if analyse else "",
    }


def _sample(scratch: Path, index: int, picture: Pixels) -> str:
    """A file as the toolkit takes samples: exactly the input's size, [1, channels, height, width]."""
    name = f"sample{index}.npy"
    np.save(scratch / name, np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))
    return name


def _answer(scratch: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(read_left(scratch / "answer.json", _MAX_ANSWER_BYTES))
    except (ValueError, RecursionError):  # it died
        return None
    return found if isinstance(found, dict) else None


def _converted(scratch: Path, answer: dict[str, Any], output: str) -> Converted:
    answers: tuple[npt.NDArray[np.generic], ...] = ()
    if (outputs := open_left(scratch / _OUTPUTS)) is not None:
        with outputs, np.load(outputs) as arrays:
            answers = tuple(arrays[f"arr_{index}"] for index in range(len(arrays.files)))
    return Converted(
        engine=read_left(scratch / _ENGINE, _MAX_ENGINE_BYTES),
        answers=answers,
        log=read_log(output),
        layer_errors=read_accuracy(answer.get("analysis", "")),
        kept_float=tuple(answer.get("kept_float", ())),
        seconds=answer["times_s"],
        peak_bytes=answer["peak_bytes"],
        settled=answer["settled"],
    )
