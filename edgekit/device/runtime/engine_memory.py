"""Loads the engines of a plan one after the other, and notes by how much the process grows with each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgekit.device.runner import Runner
from edgekit.device.runtime.stages.factory import load_runners
from edgekit.schema.memory import EngineMemory
from edgekit.schema.plan import WorkerPlan

_STATUS = Path("/proc/self/status")
_GROWS = ("RssAnon:", "RssShmem:")
"""An engine file that is mapped, and libraries, are the kernel's to take back: they are in neither."""


def load_measured(
    plan: WorkerPlan, release: Path, cache: Path, status: Path = _STATUS
) -> tuple[dict[str, Runner], tuple[EngineMemory, ...]]:
    """Load every engine.

    Args:
        plan: which there are.
        release: the release's folder.
        cache: where runners may keep what makes the next start faster.
        status: this process's, of proc_pid_status(5).

    Raises:
        InputError: one cannot be loaded.
    """
    runners: dict[str, Runner] = {}
    found = []
    for name, engine in plan.engines.items():
        before = _used_bytes(status)
        runners |= load_runners(replace(plan, engines={name: engine}), release, cache)
        path = release / engine.path
        found.append(
            EngineMemory(
                name=name,
                runner=engine.runner,
                file_bytes=path.stat().st_size if path.is_file() else 0,
                loaded_bytes=max(0, _used_bytes(status) - before),
                accelerator_bytes=runners[name].engine.memory_bytes or None,
            )
        )
    return runners, tuple(found)


def _used_bytes(status: Path) -> int:
    lines = [line.split() for line in status.read_text().splitlines() if line.startswith(_GROWS)]
    return sum(int(words[1]) << 10 for words in lines)
