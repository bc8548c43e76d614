"""The way to devices: executors are closed however a job ends, and keepers are found by name."""

from __future__ import annotations

import pytest

from edgekit.errors import EdgekitError, NothingSelected, Unreachable
from tests.fakes.devices import FactsExecutor, access_to
from tests.fakes.keeper_link import FakeLink


def test_an_executor_is_closed_however_its_job_ends() -> None:
    board = FactsExecutor({})
    access = access_to({"gate": board})
    with access.executor(access.find("gate")) as executor:
        assert executor is board
    with pytest.raises(EdgekitError), access.executor(access.find("gate")):
        raise EdgekitError("no", hint="x")
    assert board.closed == 2


def test_a_conversation_with_a_keeper_ends_with_its_connection() -> None:
    link = FakeLink()
    with access_to({"gate": link}).keeper("gate") as keeper:
        assert keeper.status() == link.status
        assert link.closed == 0
    assert link.closed == 1


def test_a_keeper_that_is_not_there_leaves_no_connection() -> None:
    link = FakeLink(says="python3: can't open file '/usr/lib/edgekit/edgekitd.pyz'")
    with pytest.raises(Unreachable, match="gate has no keeper"), access_to({"gate": link}).keeper("gate"):
        pass
    assert link.closed == 1
    with pytest.raises(NothingSelected), access_to({"gate": link}).keeper("gaet"):
        pass
