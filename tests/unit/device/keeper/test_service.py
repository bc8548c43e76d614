"""One keeper per prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.service import only_one
from edgekit.errors import LockHeld
from tests.fakes.keeper import make_layout


def test_a_second_keeper_is_refused_with_the_command_that_ends_the_first(tmp_path: Path) -> None:
    layout = make_layout(tmp_path)
    with only_one(layout, Filesystem()), pytest.raises(LockHeld) as caught, only_one(layout, Filesystem()):
        pass
    assert caught.value.hint == f"edgekitd.pyz halt --prefix {tmp_path} ends it"
    with only_one(layout, Filesystem()):
        assert layout.lock_file.read_text().isdigit()
