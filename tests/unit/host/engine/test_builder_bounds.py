"""With how much memory a device may compile for a target."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.builder.bounds import bounds_for
from edgekit.host.settings import settings_from

TARGET = find_target("jetson-orin-nano-jp62", settings_from({}, Path(edgekit.__file__).parent))


@pytest.mark.parametrize(("memory", "workspace", "tactics"), [(4, 0.5, 2), (8, 1, 4), (64, 1, 32)])
def test_memory_is_bounded_by_the_board(memory: int, workspace: float, tactics: int) -> None:
    target = dataclasses.replace(TARGET, memory=dataclasses.replace(TARGET.memory, total_bytes=memory << 30))
    bounds = bounds_for(target)
    assert (bounds.workspace_bytes, bounds.tactic_bytes) == (workspace * (1 << 30), tactics << 30)
