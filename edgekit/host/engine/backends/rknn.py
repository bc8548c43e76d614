"""Engines for the NPU of RK3588: compiled here by the vendor's toolkit, verified in its simulator."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.files.rknn_file import RknnFault, parse_rknn
from edgekit.host.engine.making import Compilation
from edgekit.host.engine.model.faults import refuse
from edgekit.host.engine.model.graph import computed_from
from edgekit.host.engine.model.quantise import describe_quantisation
from edgekit.host.engine.model.ranges import check_ranges
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.pictures.read import digest_of
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.engine.rknn import conversion
from edgekit.host.engine.rknn.conversion import Converted, RknnConverter, RknnJob
from edgekit.host.engine.rknn.refusals import refusals
from edgekit.host.engine.rknn.toolkit import choose_version
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import cache_key
from edgekit.host.engine.verify.sampling import check_sampling
from edgekit.host.engine.verify.verdict import LayerError
from edgekit.imaging.conversion import tensors_of
from edgekit.schema.target import Accelerator
from edgekit.trust import sha256_file

_RANGE_FRAMES = 8
"""Calibration pictures that tell whether an output mixes ranges."""
_FORMAT = 3
"""Of the key; raise it when engines are made in another way."""


def plan_engine(source: ModelSource, bench: EngineBench) -> Compilation:
    """How a model is compiled for the target's NPU.

    Raises:
        EngineError: it cannot be: the target has no NPU, or the compiler does not take the model.
    """
    accelerator = _accelerator(source)
    proto = onnx.load(source.path)
    refuse(source.file, refusals(proto, source.model))
    version = choose_version(accelerator.runtime_version, bench.toolkits.versions)
    job = _job(source, accelerator.soc, proto)
    key = _key(job, source, bench.toolkits.lock(version))
    return RknnCompilation(
        source=source,
        kind="rknn",
        key=key,
        precision="float16" if job.quantisation is None else "int8",
        suffix=".rknn",
        bench=bench,
        version=version,
        job=dataclasses.replace(job, custom=f"edgekit {key}"),
    )


def _accelerator(source: ModelSource) -> Accelerator:
    found = [accelerator for accelerator in source.target.accelerators if accelerator.kind == "rknn"]
    if not found:
        raise EngineError(
            f"{source.target.name} has no NPU that takes RKNN engines", hint="build for an RK3588: edgekit target list"
        )
    return found[0]


def _job(source: ModelSource, platform: str, proto: onnx.ModelProto) -> RknnJob:
    recipe, contract = source.model, source.model.contract
    int8 = recipe.precision == "int8"
    pixels = source.pictures.pixels
    return RknnJob(
        model=source.path,
        file=source.file,
        platform=platform,
        mean=contract.means,
        std=tuple(1 / scale for scale in contract.scales),
        quantisation=recipe.quantisation if int8 else None,
        keep_float=computed_from(proto, recipe.quantisation.keep_float) if int8 else (),
        calibration=source.pictures.ranges if int8 else pixels[:0],
        frames=pixels,
    )


def _key(job: RknnJob, source: ModelSource, lock: Path) -> str:
    return cache_key(
        format=_FORMAT,
        model=source.onnx.sha256,
        tail=source.tail.sha256 if source.tail else "",
        platform=job.platform,
        mean=job.mean,
        std=job.std,
        input=source.model.contract,
        quantisation=job.quantisation,
        calibration=digest_of(job.calibration),
        frames=digest_of(job.frames),
        toolkit=sha256_file(lock),
        worker=sha256_file(Path(conversion.__file__).with_name("worker.py")),
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class RknnCompilation(Compilation):
    """An engine that the toolkit makes."""

    bench: EngineBench
    version: str
    """Of the toolkit."""
    job: RknnJob

    @property
    def locks(self) -> tuple[Path, ...]:
        """The toolkit's."""
        return (self.bench.toolkits.lock(self.version),)

    def prove(self) -> None:
        """Refuse an output that one int8 range cannot hold, and a model that does not bear RGA's way of scaling."""
        source, job = self.source, self.job
        check_sampling(source)
        if job.quantisation is not None and not job.keep_float:
            some = tensors_of(source.pictures.ranges[:_RANGE_FRAMES], source.model.contract)
            check_ranges(source.file, onnx.load(source.path), answers_of(source.path, some))

    def compile(self) -> CompiledEngine:
        """Convert, and simulate."""
        job, converter = self.job, self._converter()
        precision = "float16" if job.quantisation is None else f"int8 from {len(job.calibration)} pictures"
        with self.bench.progress.step(f"compiling {self.source.name} for {job.platform}, {precision}"):
            made = converter.convert(job)
        names = [output.name for output in self.source.onnx.outputs]
        unsettled = (
            () if made.settled else ("addresses could not be fixed here: this engine's bytes will not come again",)
        )
        return CompiledEngine(
            engine=made.engine,
            answers=dict(zip(names, made.answers, strict=True)),
            facts=self._facts(made),
            layers=made.log.layers,
            warnings=made.log.warnings + unsettled,
            seconds=round(sum(made.seconds.values()), 3),
            peak_bytes=made.peak_bytes,
            memory_bytes=made.log.internal_bytes + made.log.weight_bytes,
        )

    def check(self, compiled: CompiledEngine) -> Mapping[str, str]:
        """Read the file's own header."""
        file = parse_rknn(BytesIO(compiled.engine))
        if isinstance(file, RknnFault):
            raise EngineError(
                f"{self.source.file}: what the RKNN toolkit wrote is no engine: {file.reason}", hint="report this"
            )
        return {
            "format": f"rknn {file.format_version}",
            "toolkit": file.toolkit,
            "build_id": file.build_id,
            "platform": ", ".join(file.platforms),
            "inputs": ", ".join(map(str, file.inputs)),
            "outputs": ", ".join(map(str, file.outputs)),
        }

    def compare_layers(self, engine: Path) -> tuple[LayerError, ...]:  # noqa: ARG002  the toolkit converts it anew
        """By the toolkit's own analysis."""
        converter = self._converter()
        with self.bench.progress.step(f"looking where the error of {self.source.name} starts"):
            return converter.convert(self.job, analyse=True).layer_errors

    def _converter(self) -> RknnConverter:
        return RknnConverter(toolkit=self.bench.toolkits.open(self.version), sandbox=self.bench.sandbox)

    def _facts(self, made: Converted) -> dict[str, str]:
        job, log = self.job, made.log
        facts = {
            "npu_cycles": str(log.cycles),
            "cpu_layers": ", ".join(f"{layer.kind} {layer.name}" for layer in log.on_cpu),
            "sampling": self.source.model.contract.sampling,
        }
        if job.quantisation is not None:
            facts |= {
                "calibration": f"{len(job.calibration)} pictures, sha256 {digest_of(job.calibration)}",
                "quantisation": describe_quantisation(job.quantisation),
                "kept_float": ", ".join(made.kept_float),
            }
        return facts
