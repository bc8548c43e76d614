"""A user's key is made once, and its line is what other people's devices need."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.workflow.keys import ensure_key, own_signers
from tests.fakes.workstations import workstation_in


def test_a_key_is_made_once_and_shown(tmp_path: Path) -> None:
    station = workstation_in(tmp_path)
    with pytest.raises(InputError, match="is not there"):
        own_signers(station)
    first, again = ensure_key(station), ensure_key(station)
    assert (first.made, again.made) == (True, False)
    assert first.file.is_file() and first.allowed_signers == again.allowed_signers
    signers = station.settings.allowed_signers
    signers.write_text(f"bob@desk ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvp\n{signers.read_text()}")
    assert own_signers(station).allowed_signers == first.allowed_signers
    signers.write_text("bob@desk ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFvp\n")
    with pytest.raises(InputError, match="does not name your key"):
        own_signers(station)
