"""Engines that a builder device compiles: what TensorRT and ONNX Runtime share."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.devices import NO_BUILDERS, Builders
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.builder.remote import compile_on_device
from edgekit.host.engine.files.plan_file import is_timing_cache
from edgekit.host.engine.making import Compilation
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.pictures.read import digest_of
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.engine.source import ModelSource
from edgekit.host.engine.store import cache_key
from edgekit.schema.building import BuildRequest
from edgekit.schema.target import Accelerator, Target


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeviceCompilation(Compilation):
    """An engine that a builder device compiles and runs on the pictures. Devices of a kind share it by its key."""

    bench: EngineBench
    builders: Builders = NO_BUILDERS
    """Devices that may be asked: known once an engine is not in the cache."""
    accelerator: Accelerator
    """The target's, of this kind."""
    request: BuildRequest
    model: bytes
    """The ONNX file that goes there."""
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """For the manifest, beside the device's own."""

    def compile(self) -> CompiledEngine:
        """Have the first suitable free device do it; store what it has timed for the next engine."""
        source, store = self.source, self.bench.store
        timings = timings_key(source.target, self.accelerator)
        job = DeviceJob(
            name=source.name,
            key=self.key,
            target=source.target,
            accelerator=self.accelerator,
            request=self.request,
            model=self.model,
            timing_cache=store.timings(timings) if self.request.timing_cache else b"",
            input=source.model.contract,
            frames=source.pictures.tensors,
            outputs=_outputs_of(source),
        )
        compiled = compile_on_device(job, self.builders, self.bench.progress, self.check)
        if is_timing_cache(compiled.timing_cache):
            store.save_timings(timings, compiled.timing_cache)
        dla = "" if self.request.dla_core < 0 else str(self.request.dla_core)
        return dataclasses.replace(compiled, facts={**compiled.facts, "dla": dla, **self.facts})


def _outputs_of(source: ModelSource) -> dict[str, tuple[int, ...]]:
    """The shape of each output on all pictures, found by running one: models need not name all sizes."""
    frames = source.pictures.tensors
    return {name: (len(frames), *array.shape[1:]) for name, array in answers_of(source.path, frames[:1]).items()}


def engine_key(source: ModelSource, accelerator: Accelerator, request: BuildRequest, **parts: object) -> str:
    """Cache key of an engine that devices of a kind share: all that affects it and its record, with `parts`."""
    return device_key(
        source.target,
        accelerator,
        source=source.onnx.sha256,
        tail=source.tail.sha256 if source.tail else "",
        input=source.model.contract,
        request=request,
        frames=digest_of(source.pictures.tensors),
        **parts,
    )


def device_key(target: Target, accelerator: Accelerator, **parts: object) -> str:
    """Cache key by the kind of device that an engine is for, and by everything else that affects it."""
    return cache_key(accelerator=accelerator, l4t=target.os.l4t, arch=target.os.arch, **parts)


def timings_key(target: Target, accelerator: Accelerator) -> str:
    """Key of the timing cache that all devices of a kind share."""
    return device_key(target, accelerator, made="timings")
