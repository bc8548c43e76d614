"""A disk that is full at each single call that makes it grow: those that tests/unit/device/keeper leaves out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.failing_disk import FULL, check_refused_calls


@pytest.mark.parametrize("once", [True, False], ids=["once", "from then on"])
@pytest.mark.parametrize("first", range(2, FULL.every + 1))
def test_a_disk_that_is_full_at_any_call_leaves_memory_and_disk_the_same(
    tmp_path: Path, first: int, once: bool
) -> None:
    check_refused_calls(tmp_path, replace(FULL, once=once), first=first)
