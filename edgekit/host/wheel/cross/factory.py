"""Puts a target's cross-builder together. Nothing is fetched before a package has to be built."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from edgekit.host.wheel.check.loads import loads_of
from edgekit.host.wheel.cross.cpus import cpu_limits
from edgekit.host.wheel.cross.crossbuild import CrossBuilder
from edgekit.host.wheel.cross.environment import Extras, Workshop
from edgekit.host.wheel.cross.extras import Supplies, for_board, make_extras
from edgekit.host.wheel.cross.packages import find_rule
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.cross.workshop import Tools, Workshops
from edgekit.host.wheel.missing import find_alone
from edgekit.host.wheel.needs import Wanted
from edgekit.schema.target import Target

if TYPE_CHECKING:
    from edgekit.host.wheel.cross.builder import Builder
    from edgekit.host.wheel.cross.inspection import Inspector
    from edgekit.host.wheel.trial.trial import Trial


def make_crossbuilder(target: Target, wanted: Wanted, paths: CrossPaths, tools: Tools) -> CrossBuilder:
    """The cross-builder for a target.

    Args:
        target: the board type.
        wanted: its system; requirements do not count.
        paths: folders.
        tools: programs and services.
    """
    steps = _Steps(target, wanted, paths, tools)
    return CrossBuilder(
        paths=paths,
        prepare=steps.prepare,
        inspect=lambda wheel, extras: steps.inspector().inspect(wheel, extras),
        recheck=lambda wheel, extras: steps.inspector().recheck(wheel, extras),
        trial=steps.trial,
        builder=steps.builder,
        locate=steps.locate,
        downloads=tools.downloads,
        progress=tools.progress,
    )


class _Steps:
    """The steps of a build for one target.

    A wheel from the cache is there in a moment: what only building takes is imported when it is called.
    """

    def __init__(self, target: Target, wanted: Wanted, paths: CrossPaths, tools: Tools) -> None:
        self._target, self._wanted, self._paths, self._tools = target, wanted, paths, tools
        self._workshops = Workshops(target, wanted, paths, tools)
        self._supplies = Supplies(
            debian=tools.debian(paths),
            uv=tools.uv,
            executor=tools.executor,
            progress=tools.progress,
            roots=paths.roots,
            wanted=wanted.only(),
        )

    def prepare(self, source: Source) -> tuple[Workshop, Extras]:
        """See `crossbuild.Preparer`."""
        rule = find_rule(source.name, source.version, self._target, self._paths.cross / "packages")
        shop = self._workshops.open(rule.zig, own_runtime=rule.own_runtime)
        extras = make_extras(str(source), rule, shop, self._supplies)
        libraries = loads_of(self._target, self._paths.cross).libraries if extras.sysroot else ()
        return shop, for_board(extras, libraries)

    def locate(self, source: Source) -> str:
        """Where an index has a source package; empty where none has it."""
        asked = f"{source.name}=={source.version}"
        found = find_alone(asked, self._wanted, self._tools.uv, sources_only=True)
        return found.source.url if found and found.source else ""

    def trial(self, source: Source, wheel: Path) -> None:
        """Import a wheel's modules as on the board."""
        from edgekit.host.wheel.trial.site import lay_out_for_trial  # noqa: PLC0415

        tools = self._tools
        with tempfile.TemporaryDirectory(dir=self._paths.work, prefix=".trial-") as folder:
            missing = lay_out_for_trial(wheel, self._wanted, tools.uv, Path(folder))
            if missing:
                tools.progress.note(f"{source}: what it needs cannot be had for a trial: {missing}")
            name, version, _, _ = parse_wheel_filename(wheel.name)
            trial = make_trial(self._target, self._workshops, tools, self._paths)
            trial.try_package(name, str(version), Path(folder))

    def inspector(self) -> Inspector:
        """Checks and repairs wheels."""
        from edgekit.host.wheel.cross.inspection import Inspector  # noqa: PLC0415

        return Inspector(target=self._target, cross=self._paths.cross, executor=self._tools.executor)

    def builder(self, shop: Workshop) -> Builder:
        """Runs back ends."""
        from edgekit.host.wheel.cross.builder import Builder  # noqa: PLC0415

        return Builder(shop, self._tools)


def make_trial(target: Target, workshops: Workshops, tools: Tools, paths: CrossPaths) -> Trial:
    """What imports modules for a target, each as on its board.

    Args:
        target: the board type.
        workshops: has this machine's Python of the same minor version.
        tools: programs and services.
        paths: folders.
    """
    from edgekit.host.wheel.trial.board_python import BoardPython, Machines, NoPython, board_python  # noqa: PLC0415
    from edgekit.host.wheel.trial.trial import Trial  # noqa: PLC0415

    limits = cpu_limits(target.clusters, paths.cross)
    machines = Machines(here=os.uname().machine, arch=target.os.arch, python=target.os.python, cpu=limits.qemu)

    def python() -> BoardPython | NoPython:
        return board_python(machines, workshops.interpreter(), tools.debian(paths))

    return Trial(
        python=python,
        arch=target.os.arch,
        cores=str(limits),
        untried=lambda name, version: find_rule(name, version, target, paths.cross / "packages").untried,
        sandbox=tools.sandbox,
        progress=tools.progress,
        jobs=tools.jobs,
    )
