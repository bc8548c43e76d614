"""Closing on a link that breaks at that moment: paramiko raises EOFError, which a command line takes for Ctrl-D."""

from __future__ import annotations

from typing import Any, cast

import pytest

from edgekit.executor.ssh import SshStream


class Breaking:
    """A channel whose link breaks while it closes."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def close(self) -> None:
        raise self._error


@pytest.mark.parametrize("error", [EOFError(), OSError("Socket is closed")])
def test_closing_a_broken_link_is_no_error(error: Exception) -> None:
    SshStream(cast(Any, Breaking(error)), "root@gate").close()
