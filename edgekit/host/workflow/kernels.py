"""edgekit's own compiled part, `edgekit-kernels`: cross-built from `cross/kernels`, as any package is."""

from __future__ import annotations

from edgekit.errors import WheelError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.sources import local_source
from edgekit.host.wheel.needs import wanted_for
from edgekit.host.workflow.wheels import WheelTools
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import Target

_BUILT_FOR = "virt-arm64"
"""The wheel is of Python's stable ABI and an old glibc: one for every board, made for the one whose Python and headers
are the easiest to have. Source: PEP 384."""


def kernels_for(recipe: Recipe, target: Target, station: Workstation) -> Result | None:
    """The wheel that a release takes; None where no frame is converted, on PCs, or where it cannot be built here.

    Without it frames are converted by NumPy and OpenCV, within one level of the same pixels.
    """
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
