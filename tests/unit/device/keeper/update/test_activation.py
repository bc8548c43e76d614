"""The state machine of an activation, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.device.keeper.update.activation import (
    Activate,
    BecameHealthy,
    LostHealth,
    ReleaseFailed,
    Restored,
    Resume,
    Settled,
    Started,
    State,
    Stop,
    load_state,
    next_state,
    save_state,
    wanted,
)
from edgekit.device.keeper.update.disk import Disk
from edgekit.schema.control import ReleaseFailure, ReleaseRef
from edgekit.schema.message import to_message_data


def ref(letter: str) -> ReleaseRef:
    return ReleaseRef(digest=letter * 64, application="sorter", version="1", signer="ann")


A, B, C = ref("a"), ref("b"), ref("c")
FAILURE = ReleaseFailure(
    digest=B.digest, application="sorter", version="1", reason="it broke", probes=("fps",), log_tail=("x",), at_s=1.0
)
RUNNING = State(phase="running", current=A, previous=C)
ACTIVATING = State(phase="activating", current=A, previous=C, candidate=B)
SETTLING = State(phase="settling", current=A, previous=C, candidate=B)
ROLLING_BACK = State(phase="rolling_back", current=A, previous=C, failure=FAILURE)
STOPPED = State(phase="stopped", current=A, previous=C)
FIRST = State(phase="settling", candidate=B)


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        (RUNNING, Activate(candidate=B), ACTIVATING),
        (State(), Activate(candidate=B), State(phase="activating", candidate=B)),
        (ACTIVATING, Activate(candidate=C), ACTIVATING),
        (ACTIVATING, BecameHealthy(), SETTLING),
        (SETTLING, LostHealth(), ACTIVATING),
        (SETTLING, Settled(), State(phase="running", current=B, previous=A)),
        (ACTIVATING, Settled(), ACTIVATING),
        (FIRST, Settled(), State(phase="running", current=B)),
        (ACTIVATING, ReleaseFailed(failure=FAILURE), ROLLING_BACK),
        (SETTLING, ReleaseFailed(failure=FAILURE), ROLLING_BACK),
        (FIRST, ReleaseFailed(failure=FAILURE), State(phase="stopped", failure=FAILURE)),
        (ROLLING_BACK, Restored(), State(phase="running", current=A, previous=C, failure=FAILURE)),
        (RUNNING, ReleaseFailed(failure=FAILURE), State(phase="running", current=A, previous=C, failure=FAILURE)),
        (RUNNING, Stop(), STOPPED),
        (SETTLING, Stop(), SETTLING),
        (STOPPED, Resume(), RUNNING),
        (STOPPED, Started(at_s=5), STOPPED),
        (RUNNING, Started(at_s=5), RUNNING),
        (ROLLING_BACK, Started(at_s=5), State(phase="running", current=A, previous=C, failure=FAILURE)),
        (State(), Started(at_s=5), State()),
    ],
)
def test_next_state(state: State, event: object, expected: State) -> None:
    assert next_state(state, event) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("state", [ACTIVATING, SETTLING])
def test_an_activation_that_was_cut_goes_back_to_the_old_release_and_says_so(state: State) -> None:
    after = next_state(state, Started(at_s=5))
    assert (after.phase, after.current, after.previous, after.candidate) == ("running", A, C, None)
    assert after.failure is not None
    assert (after.failure.digest, after.failure.at_s) == (B.digest, 5)
    assert "before the release was committed" in after.failure.reason


def test_a_rollback_swaps_the_two() -> None:
    state = next_state(next_state(next_state(RUNNING, Activate(candidate=C)), BecameHealthy()), Settled())
    assert (state.current, state.previous) == (C, A)


@pytest.mark.parametrize(
    ("state", "expected"),
    [(State(), None), (RUNNING, A), (ACTIVATING, B), (SETTLING, B), (ROLLING_BACK, A), (STOPPED, None)],
)
def test_what_has_to_run(state: State, expected: ReleaseRef | None) -> None:
    assert wanted(state) == expected


@pytest.mark.parametrize("state", [State(), RUNNING, SETTLING, ROLLING_BACK])
def test_a_state_survives_its_file(tmp_path: Path, state: State) -> None:
    save_state(tmp_path / "state.json", state, Disk())
    assert load_state(tmp_path / "state.json", 1.0) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_no_file_is_a_fresh_start_and_half_a_file_beside_it_goes(tmp_path: Path) -> None:
    (tmp_path / "state.json.tmp").write_text("{")
    assert load_state(tmp_path / "state.json", 1.0) == State()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"phase": 5}', '{"current": {}}', '{"must_understand": ["x"]}', "\0\0"]
)
def test_a_file_that_cannot_be_read_is_kept_aside_and_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    state = load_state(tmp_path / "state.json", 7.0)
    assert state.failure is not None
    assert "could not be read" in state.failure.reason
    assert (state.phase, state.current, state.failure.at_s) == ("idle", None, 7.0)
    assert (tmp_path / "state.json.bad").read_text() == text


@pytest.mark.parametrize("phase", ["running", "stopped", "pinned"])
def test_a_newer_keepers_file_keeps_its_release(tmp_path: Path, phase: str) -> None:
    """With keys that this keeper does not have, everywhere, and a phase that it never heard of."""
    state = State(phase="stopped" if phase == "stopped" else "running", current=A, previous=C, failure=FAILURE)
    raw = {**to_message_data(state), "phase": phase, "counter": 7, "more": {"deep": [1]}}
    for table in ("current", "previous", "failure"):
        raw[table] |= {"counter": 7, "kind": "thermal"}
    (tmp_path / "state.json").write_text(json.dumps(raw))
    assert load_state(tmp_path / "state.json", 7.0) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_newer_keepers_phase_without_a_release_is_idle(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"phase": "pinned"}')
    assert load_state(tmp_path / "state.json", 7.0) == State()
