"""edgekit's own compiled parts, from `cross/kernels`: cross-built as any package is, and by NVRTC for a board's GPU.

Without them frames are converted by NumPy and OpenCV, within one level of the same pixels.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import uv

from edgekit.errors import EngineError, WheelError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.nvrtc.compiler import Nvrtc
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.sources import local_source
from edgekit.host.wheel.needs import wanted_for
from edgekit.host.workflow.wheels import WheelTools
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.plan import PICTURE_KERNEL, WorkerPlan
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import Target

GPU_KERNEL = "engines/picture.cubin"
"""Its place in a release."""
_BUILT_FOR = "virt-arm64"
"""The wheel is of Python's stable ABI and an old glibc: one for every board, made for the one whose Python and headers
are the easiest to have. Source: PEP 384."""


def kernels_for(recipe: Recipe, target: Target, station: Workstation) -> Result | None:
    """The wheel that a release takes; None where no frame is converted, on PCs, or where it cannot be built here."""
    if target.os.arch != "aarch64" or all(stage.kind != "preprocess" for stage in recipe.pipeline.stages.values()):
        return None
    built_for = find_target(_BUILT_FOR, station.settings)
    tools = WheelTools(station, built_for)
    try:
        return tools.builder(wanted_for(built_for, (), ())).wheel(
            local_source(station.settings.data_dir / "cross" / "kernels")
        )
    except WheelError as error:
        station.progress.note(
            f"the compiled conversion of frames is left out, and takes more of the board's CPU: {error.message}"
        )
        return None


def gpu_kernel_for(plan: WorkerPlan, target: Target, station: Workstation) -> Path | None:
    """The GPU program that a release takes; None where no engine runs on one, or where it cannot be compiled here."""
    gpu = next((one for one in target.accelerators if one.kind == "tensorrt"), None)
    runs = any(engine.runner == "tensorrt" for engine in plan.engines.values())
    if gpu is None or not runs or all(stage.kind != "preprocess" for stage in plan.stages):
        return None
    cross = station.settings.data_dir / "cross"
    nvrtc = Nvrtc(
        folder=station.settings.cache_dir / "toolkits",
        data=cross / "nvrtc.toml",
        uv=uv.find_uv_bin(),
        find_links=station.settings.find_links,
        executor=station.executor,
        sandbox=station.sandbox,
        progress=station.progress,
    )
    try:
        return nvrtc.compile(cross / "kernels" / "src" / "picture.cu", PICTURE_KERNEL, sm=gpu.sm, cuda=gpu.cuda)
    except EngineError as error:
        station.progress.note(f"frames are converted by the board's CPU, and not by its GPU: {error.message}")
        return None


def with_gpu_kernel(plan: WorkerPlan, kernel: Path | None) -> WorkerPlan:
    """The plan of a release that takes that program at `GPU_KERNEL`."""
    if kernel is None:
        return plan
    engines = {
        name: dataclasses.replace(engine, picture_kernel=GPU_KERNEL) if engine.runner == "tensorrt" else engine
        for name, engine in plan.engines.items()
    }
    return dataclasses.replace(plan, engines=engines)
