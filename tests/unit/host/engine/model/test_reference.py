"""The float model is run within a time, whatever it is given."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.host.engine.model.reference import open_session, run_once
from tests.fakes import hostile_models as hostile


def test_a_run_that_has_no_end_is_ended() -> None:
    session = open_session(hostile.endless_on_white().SerializeToString())
    black = np.zeros((1, 3, hostile.SIZE_PX, hostile.SIZE_PX), np.float32)
    (answer,) = run_once(session, None, {"x": black})
    assert np.array_equal(answer, black)
    with pytest.raises(TimeoutError, match=r"one picture takes longer than 0\.2 s"):
        run_once(session, None, {"x": black + 1}, most_s=0.2)
    assert len(run_once(session, ["y"], {"x": black})) == 1  # and the session is as before
