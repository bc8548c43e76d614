"""What every whole job on this machine works with."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.executor import Executor
from edgekit.host.progress import Progress
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Workstation:
    """This machine, for one user and one job."""

    settings: Settings
    executor: Executor
    """Runs programs here."""
    progress: Progress
    """Is shown each step."""
    sandbox: Sandbox
    """Runs here what nobody vouches for."""
