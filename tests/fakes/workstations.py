"""This machine, as whole jobs of `host.workflow` get it."""

from __future__ import annotations

import os
from pathlib import Path

import edgekit
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Progress, Silent
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.settings import Settings, settings_from
from edgekit.host.workflow.workstation import Workstation


def workstation(settings: Settings | None = None, progress: Progress | None = None) -> Workstation:
    """The user's own, with the user's caches, unless settings say otherwise."""
    executor, shown = LocalExecutor(), progress or Silent()
    return Workstation(
        settings=settings or settings_from(os.environ, Path(edgekit.__file__).parent),
        executor=executor,
        progress=shown,
        sandbox=Sandbox(executor, shown),
    )


def workstation_in(home: Path, progress: Progress | None = None) -> Workstation:
    """One whose folders are all below `home`."""
    environ = {"HOME": str(home), "EDGEKIT_HOME": str(home)}
    return workstation(settings_from(environ, Path(edgekit.__file__).parent), progress)
