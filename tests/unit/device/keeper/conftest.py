"""Whatever the keeper does in these tests, it changes no file past its one door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.write_guard import GUARD


@pytest.fixture(autouse=True)
def one_door_for_writes() -> Iterator[None]:
    """Fail a test in which the keeper wrote past its `Filesystem`."""
    with GUARD.armed() as found:
        yield
    assert not found, "the keeper changed files past its Filesystem:\n" + "\n".join(found)
