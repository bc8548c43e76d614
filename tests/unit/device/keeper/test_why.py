"""What the keeper puts on record, and what it tells of it: with fake workers and time, and real signatures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import InputError, LockHeld, NothingSelected, RolloutError, TrustError
from edgekit.judging.causes import explain
from edgekit.schema.incident import Incident, Incidents
from edgekit.schema.message import from_message_data
from edgekit.schema.report import Report, StreamReport
from edgekit.schema.trust import DAY_S
from tests.fakes.child import FakeChild
from tests.fakes.drill import board_of_gates, release_of, stated_by, three_people
from tests.fakes.hands import Hands
from tests.fakes.keeper import HEALTHY, Bench, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release

FAILED = Report(phase="failed", message="engine a.onnx cannot be loaded", cause="bad_model", hint="build it again")
AWAY = StreamReport(name="gate", state="down", since_s=4.0, message="no answer")


def release(version: str) -> FakeRelease:
    return make_release(plan=make_plan(version=version), extra={"app/version": version.encode()})


def told(bench: Bench, application: str = "") -> tuple[Incident, ...]:
    bench.recorder.flush()
    return bench.recorder.told(application)


def cause_of_last(bench: Bench) -> str:
    record = told(bench)
    return explain(record[-1], record).cause


def try_out(bench: Bench, version: str, behave: object) -> None:
    """Put a release on trial whose worker behaves so, until it is over."""
    made = release(version)
    bench.install(made)
    bench.starter.on_start = behave  # type: ignore[assignment]
    bench.keeper.activate(bench.releases.trusted(made.digest))
    bench.turn(0.5, times=30)


def test_a_failed_trial_is_on_record_with_what_the_worker_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path)

    def fails(child: FakeChild) -> None:
        child.say("loading\n")
        child.report(FAILED)
        child.end(3)

    try_out(bench, "2.0.0", fails)
    (one,) = told(bench)
    assert (one.kind, one.application, one.version, one.cause) == ("rolled_back", "sorter", "2.0.0", "bad_model")
    assert one.reason == "exited with code 3: engine a.onnx cannot be loaded"
    assert (one.hint, one.log, one.at_s) == ("build it again", ("loading",), 5.0)


def test_a_missed_gate_is_on_record_with_its_probes_and_the_streams_that_are_away(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(release("1.0.0"))

    def dark(child: FakeChild) -> None:
        child.pulse = replace(HEALTHY, fps=0.0, frames=0, streams=(AWAY,))

    try_out(bench, "2.0.0", dark)
    (one,) = told(bench)
    assert one.cause == "unhealthy" and "fps 0.0 < min_fps 2.0" in one.probes
    assert [(stream.name, stream.state, stream.message) for stream in one.streams] == [("gate", "down", "no answer")]
    assert cause_of_last(bench) == "camera_gone"


def causes_of_ends(bench: Bench, ends: int) -> list[str]:
    """Have the worker end so often, each time soon after its start; what is told after each."""
    causes = []
    for _ in range(ends):
        bench.child().end(-11)
        bench.turn(0.1, times=2)
        causes.append(cause_of_last(bench))
        bench.turn(10.0)
        bench.turn(0.1)
    return causes


def test_restarts_are_counted_and_become_a_crash_loop(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(release("1.0.0"))
    assert causes_of_ends(bench, 4) == ["crash", "crash", "crash_loop", "crash_loop"]
    (one,) = told(bench)
    assert (one.kind, one.count, one.figures["quick_ends"]) == ("restarted", 4, 4.0)


def test_one_that_runs_for_long_between_its_ends_is_in_no_loop(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(release("1.0.0"))
    for _ in range(5):
        for _ in range(70):
            bench.turn(1.0)
        causes_of_ends(bench, 1)
    assert cause_of_last(bench) == "crash"


def test_an_end_after_a_long_run_is_none_of_those_soon_after_a_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(release("1.0.0"))
    for _ in range(70):
        bench.turn(1.0)
    assert causes_of_ends(bench, 4) == ["crash", "crash", "crash", "crash_loop"]
    assert told(bench)[-1].figures["quick_ends"] == 3.0


def test_a_trial_that_the_keeper_did_not_see_the_end_of_is_on_record_at_its_next_start(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(release("1.0.0"))
    made = release("2.0.0")
    bench.install(made)
    bench.starter.on_start = None
    bench.keeper.activate(bench.releases.trusted(made.digest))
    bench.turn(0.1, times=3)
    again = Bench(tmp_path)
    (one,) = told(again)
    assert (one.kind, one.version) == ("rolled_back", "2.0.0")
    assert cause_of_last(again) == "power"


def test_what_is_refused_is_on_record_with_who_it_was_for(tmp_path: Path) -> None:
    people = three_people(tmp_path)
    bench = board_of_gates(tmp_path / "board", people)
    hands = Hands(bench)
    strange = release_of(people.eve)
    payload = strange.manifest_json + strange.signature
    with pytest.raises(TrustError):
        hands.ask("offer", payload, signature_bytes=len(strange.signature), application="sorter")
    *_, one = told(bench)
    assert (one.kind, one.application, one.cause) == ("refused", "sorter", "signature")
    assert "is not trusted here" in one.reason and one.hint


def test_a_key_that_grew_old_by_a_jump_of_the_clock_is_told_as_the_clocks_fault(tmp_path: Path) -> None:
    people = three_people(tmp_path)
    bench = board_of_gates(tmp_path / "board", people)
    hands = Hands(bench)
    good = release_of(people.ann)
    hands.deploy(good, stated_by(good, people.ann))
    (corrected,) = told(bench)
    assert corrected.figures["before_s"] < corrected.figures["signed_s"], "it was lost, and was put right"
    bench.wall_s += 3000 * DAY_S
    with pytest.raises(TrustError):
        hands.offer(release_of(people.ann, version="1.1.0"))
    assert cause_of_last(bench) == "clock_jump"
    assert [one.kind for one in told(bench)] == ["clock", "clock", "refused"]


def test_what_is_no_refusal_is_not_on_record(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    hands = Hands(bench)
    made = release("1.0.0")
    with pytest.raises(InputError):  # a patch without its base: the manifest is sent whole then
        hands.ask("offer", b"x" * 90, signature_bytes=10, size_bytes=500, base="0" * 64)
    with pytest.raises(NothingSelected):
        hands.ask("install", digest=made.digest)
    services = bench.services()
    services.locks.take("sorter", object(), "ann")
    with pytest.raises(LockHeld):
        other = Hands(bench, services.locks)
        other.deploy(made)
    assert told(bench) == ()


def test_a_trial_that_failed_is_no_refusal_as_well(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    hands = Hands(bench)

    def fails(child: FakeChild) -> None:
        child.report(FAILED)
        child.end(3)

    bench.starter.on_start = fails
    with pytest.raises(RolloutError):
        hands.deploy(release("1.0.0"))
    assert [one.kind for one in told(bench)] == ["rolled_back"]


def test_the_verb_tells_the_record_and_who_is_not_healthy_now(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    hands = Hands(bench)
    bench.commit(release("1.0.0"))
    with pytest.raises(NothingSelected):
        hands.ask("why", application="nobody")
    with pytest.raises(NothingSelected):
        hands.ask("why", application="../state")
    answer = from_message_data(Incidents, hands.ask("why"), "why")
    assert (answer.applications, answer.incidents, answer.now) == (("sorter",), (), ())
    bench.child().pulse = replace(HEALTHY, fps=0.0, streams=(AWAY,))
    bench.turn(0.1, times=3)
    answer = from_message_data(Incidents, hands.ask("why", application="sorter"), "why")
    (now,) = answer.now
    assert explain(now, ()).cause == "camera_gone"


def test_a_removed_application_is_nothing_to_tell_of(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    hands = Hands(bench)
    bench.commit(release("1.0.0"))
    bench.child().end(-11)
    bench.turn(0.1, times=2)
    assert told(bench, "sorter")
    bench.starter.on_start = pulse
    hands.ask("remove", application="sorter")
    assert told(bench) == ()
