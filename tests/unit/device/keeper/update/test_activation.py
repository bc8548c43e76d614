"""The state machine of an activation, and its file."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.update.activation import (
    Activate,
    BecameHealthy,
    LostHealth,
    ReleaseFailed,
    Restored,
    Resume,
    SavedState,
    Settled,
    Started,
    State,
    Stop,
    UpdateEvent,
    load_state,
    next_state,
    save_state,
    set_aside,
    wanted,
)
from edgekit.errors import RolloutError
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
        (State(phase="stopped"), Resume(), State(phase="stopped")),
        (RUNNING, Resume(), RUNNING),
        (State(), Activate(candidate=B), State(phase="activating", candidate=B)),
        (ACTIVATING, Activate(candidate=C), ACTIVATING),
        (ACTIVATING, BecameHealthy(), SETTLING),
        (SETTLING, LostHealth(), ACTIVATING),
        (SETTLING, Settled(), State(phase="running", current=B, previous=A)),
        (ACTIVATING, Settled(), ACTIVATING),
        (replace(SETTLING, candidate=A), Settled(), RUNNING),
        (ROLLING_BACK, ReleaseFailed(failure=FAILURE), State(phase="running", current=A, previous=C, failure=FAILURE)),
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
    save_state(tmp_path / "state.json", state, Filesystem())
    assert load_state(tmp_path / "state.json", Filesystem(), 1.0) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_no_file_is_a_fresh_start_and_half_a_file_beside_it_goes(tmp_path: Path) -> None:
    (tmp_path / "state.json.tmp").write_text("{")
    assert load_state(tmp_path / "state.json", Filesystem(), 1.0) == State()
    assert not list(tmp_path.iterdir())


def test_half_a_file_that_stays_beside_it_is_no_reason_to_lose_the_state(tmp_path: Path) -> None:
    """As on a read-only disk, which refuses to delete even what is not there."""
    save_state(tmp_path / "state.json", RUNNING, Filesystem())
    (tmp_path / "state.json.tmp").mkdir()
    assert load_state(tmp_path / "state.json", Filesystem(), 1.0) == RUNNING


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"phase": 5}', '{"current": {}}', '{"must_understand": ["x"]}', "\0\0"]
)
def test_a_file_that_cannot_be_read_is_kept_aside_and_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    state = load_state(tmp_path / "state.json", Filesystem(), 7.0)
    assert state.failure is not None
    assert "could not be read and is now state.json.bad; nothing runs until the next deploy" in state.failure.reason
    assert (state.phase, state.current, state.failure.at_s) == ("idle", None, 7.0)
    assert (tmp_path / "state.json.bad").read_text() == text


@pytest.mark.parametrize("phase", ["running", "stopped", "pinned"])
def test_a_newer_keepers_file_keeps_its_release(tmp_path: Path, phase: str) -> None:
    """With keys that this keeper does not have, everywhere, and a phase that it never heard of."""
    state = State(phase="stopped" if phase == "stopped" else "running", current=A, previous=C, failure=FAILURE)
    raw = {**to_message_data(state), "phase": phase, "counter": 7, "more": {"deep": [1]}}
    for table in ("current", "previous", "failure"):
        raw[table] |= {"mood": 7, "kind": "thermal"}
    (tmp_path / "state.json").write_text(json.dumps(raw))
    assert load_state(tmp_path / "state.json", Filesystem(), 7.0) == state
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_newer_keepers_phase_without_a_release_is_idle(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"phase": "pinned"}')
    assert load_state(tmp_path / "state.json", Filesystem(), 7.0) == State()


class BrokenDisk(Filesystem):
    """Cannot replace a file."""

    def __init__(self, number: int = errno.EIO) -> None:
        self._number = number

    def replace(self, path: Path, data: bytes) -> None:
        raise OSError(self._number, os.strerror(self._number))


def saved(tmp_path: Path, state: State) -> Path:
    """The state file of an application, in a folder of its own."""
    path = tmp_path / "sorter/state.json"
    path.parent.mkdir(exist_ok=True)
    save_state(path, state, Filesystem())
    return path


def test_a_state_is_on_the_disk_when_it_is_entered(tmp_path: Path) -> None:
    found = SavedState(tmp_path / "sorter/state.json", Filesystem(), 1.0)
    assert found.apply(Activate(candidate=B)) == ""
    assert found.state == State(phase="activating", candidate=B)
    assert load_state(tmp_path / "sorter/state.json", Filesystem(), 1.0) == found.state
    assert not found.lost


def test_what_changes_nothing_is_not_written_and_what_is_noted_is_not_either(tmp_path: Path) -> None:
    path = saved(tmp_path, RUNNING)
    found = SavedState(path, BrokenDisk(), 1.0)
    assert found.apply(Settled()) == ""
    found.note(Stop())
    assert (found.state, load_state(path, Filesystem(), 1.0)) == (STOPPED, RUNNING)


@pytest.mark.parametrize(("state", "event"), [(RUNNING, Activate(candidate=B)), (SETTLING, Settled())])
def test_a_promise_that_cannot_be_saved_is_not_entered(tmp_path: Path, state: State, event: UpdateEvent) -> None:
    found = SavedState(saved(tmp_path, state), BrokenDisk(), 1.0)
    with pytest.raises(RolloutError, match=r"the state \w+ could not be saved: .*Input/output error"):
        found.apply(event)
    assert found.state == state


@pytest.mark.parametrize("full", [errno.EIO, errno.ENOSPC])
def test_a_step_back_is_made_even_where_it_cannot_be_saved(tmp_path: Path, full: int) -> None:
    found = SavedState(saved(tmp_path, SETTLING), BrokenDisk(full), 1.0)
    trouble = found.apply(ReleaseFailed(failure=FAILURE))
    assert trouble.startswith("the state rolling_back could not be saved: ")
    assert ("disk full: needs 4.0 KiB" in trouble) == (full == errno.ENOSPC)
    assert found.state == ROLLING_BACK


def test_a_lost_state_is_known_until_another_release_is_committed(tmp_path: Path) -> None:
    path = saved(tmp_path, State())
    path.write_text("{")
    found = SavedState(path, Filesystem(), 1.0)
    assert found.lost and set_aside(path).exists()
    for event in (Activate(candidate=B), BecameHealthy()):
        found.apply(event)
        assert found.lost and set_aside(path).exists()
    found.apply(Settled())
    assert not found.lost and not set_aside(path).exists()
    assert found.state.current == B


def test_a_file_that_cannot_even_be_put_aside_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{")
    (set_aside(path) / "full").mkdir(parents=True)
    state = load_state(path, Filesystem(), 7.0)
    assert state.failure is not None
    assert "could not be read and cannot be put aside (" in state.failure.reason


def test_a_full_disk_before_the_first_activation_is_told(tmp_path: Path) -> None:
    class Full(Filesystem):
        def make_folder(self, path: Path) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RolloutError, match=r"the state activating could not be saved: disk full: needs 4\.0 KiB"):
        SavedState(tmp_path / "sorter/state.json", Full(), 1.0).apply(Activate(candidate=B))
