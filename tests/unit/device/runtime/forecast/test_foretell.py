"""Forecasts of plans whose steps cost what a test says: latency, load, drops, and how many cameras fit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edgekit.device.runtime.forecast.foretell import foretell
from edgekit.errors import InputError
from edgekit.schema.forecast import ForecastReply, ForecastRequest
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.profile import DECODE, SHARES, Cost, Handoffs, Profile
from edgekit.schema.recipe import Health
from edgekit.schema.source import FileSource
from tests.fakes.profiles import camera, cost, profile, two_lanes

COSTS = {DECODE: cost(4.0), "see": cost(10.0), "follow": cost(2.0), "lines": cost(1.0)}


def ask(plan: WorkerPlan, measured: Profile, *counts: int, **more: object) -> ForecastReply:
    given: dict[str, object] = {"width_px": 640, "height_px": 360, "fps": 10.0, "seconds": 10.0, "seek_most": False}
    return foretell(ForecastRequest(plan=plan, profile=measured, counts=counts or (1,), **{**given, **more}))  # type: ignore[arg-type]


def test_one_camera_waits_for_nobody() -> None:
    handoffs = Handoffs(alone_ms=dict.fromkeys(("detect", "follow"), (0.5,) * len(SHARES)))
    (load,) = ask(two_lanes(), profile(COSTS, handoffs=handoffs)).loads
    assert load.p50_ms == pytest.approx(4 + 0.5 + 10 + 0.5 + 3, abs=0.01)
    assert load.p99_ms == pytest.approx(load.p50_ms, abs=0.01) == pytest.approx(load.together_p99_ms, abs=0.01)
    assert load.fps == pytest.approx(10, abs=0.11) and load.drops == {} and load.keeps_up and load.pictures == 1
    assert load.lanes == {"detect": pytest.approx(0.1, abs=0.01), "follow": pytest.approx(0.03, abs=0.01)}
    assert load.cpus == {
        "0": pytest.approx(0.04, abs=0.01),
        "1": pytest.approx(0.1, abs=0.01),
        "2": pytest.approx(0.03, abs=0.01),
    }


def test_a_thread_takes_longer_to_wake_up_while_others_are_at_work() -> None:
    handoffs = Handoffs(alone_ms={"detect": (0.5,) * len(SHARES)}, met_ms={"detect": (3.0,) * len(SHARES)})
    measured = profile(COSTS, handoffs=handoffs)
    assert ask(two_lanes(), measured).loads[0].p50_ms == pytest.approx(4 + 0.5 + 10 + 3, abs=0.01)
    (two,) = ask(two_lanes(), measured, 2, phases=(0.0, 0.02), runs=1).loads
    assert two.p50_ms == pytest.approx(7 + 3.0 + 10 + 3, abs=0.01), "both are decoded in turns until the 7th ms"


def test_cameras_that_come_together_wait_for_each_other() -> None:
    (load,) = ask(two_lanes(cpus=(0, 1, 2)), profile(COSTS), 3).loads
    decoded = 3 * 4 - 4 + 4  # in turns on one CPU, the last of three
    assert load.together_p99_ms >= decoded + 2 * 10 + 3 > load.p50_ms


def test_a_recording_is_decoded_before_its_pictures_are_due() -> None:
    clip = FileSource(kind="file", path="clip.mp4", lane="decode")
    (load,) = ask(two_lanes(sources={"belt": clip}), profile(COSTS)).loads
    assert load.p50_ms == pytest.approx(13, abs=0.01)


def test_the_largest_number_that_keeps_up_is_what_the_busiest_lane_has_time_for() -> None:
    reply = ask(two_lanes(), profile(COSTS), 1, seek_most=True)
    assert reply.most in (9, 10), "10 ms of 100 for each, and cameras that meet wait"
    assert ask(two_lanes(), profile({**COSTS, "see": cost(150.0)}), 1, seek_most=True).most == 0


def test_what_is_too_much_is_dropped_and_told_by_cause() -> None:
    (load,) = ask(two_lanes(), profile({**COSTS, "see": cost(50.0)}), 4).loads
    assert load.fps == pytest.approx(20 / 4, rel=0.1) and not load.keeps_up
    assert set(load.drops) == {"drop_oldest"} and load.dropped_ratio == pytest.approx(0.45, abs=0.1)
    assert load.pictures > 3, "queues are full"
    assert load.lanes["detect"] == pytest.approx(1.0, abs=0.02)


def test_slow_cameras_are_watched_until_their_queues_are_what_they_stay() -> None:
    slow = {"fps": 0.5, "seconds": 20.0}
    (kept,) = ask(two_lanes(), profile({**COSTS, "see": cost(1500.0)}), **slow).loads
    assert kept.fps == pytest.approx(0.5, rel=0.02), "one of ten that is under way at the end would be a tenth"
    few = two_lanes(sources={"north": camera(max_fps=0.5)})
    (kept,) = ask(few, profile({**COSTS, "see": cost(1500.0)}), seconds=20.0).loads
    assert kept.fps == pytest.approx(0.5, rel=0.02), "so is one that a recipe makes slow"
    (full,) = ask(two_lanes(), profile({**COSTS, "see": cost(1500.0)}), 4, **slow).loads
    assert full.fps == pytest.approx(1 / 1.5 / 4, rel=0.05) and full.dropped_ratio == pytest.approx(2 / 3, abs=0.05)
    assert full.p50_ms == pytest.approx(8000, rel=0.1), "of each camera four wait, and one comes each two seconds"


def test_a_camera_of_a_picture_in_eleven_days_is_answered_like_others() -> None:
    (load,) = ask(two_lanes(), profile(COSTS, beside_ms=1.0), fps=1e-6).loads
    assert load.fps <= 0.001 and load.drops == {}


def test_a_deadline_drops_what_cannot_be_through_in_time() -> None:
    sources = {"north": camera(deadline_ms=120.0)}
    (load,) = ask(two_lanes(sources=sources), profile({**COSTS, "see": cost(50.0)}), 4).loads
    assert {"deadline", "superseded"} & set(load.drops)
    assert load.p99_ms < 200, "with queues of four it would be 800 and more"


def test_more_places_of_an_accelerator_bear_more_cameras() -> None:
    costs = {DECODE: cost(0.5), "see": cost(0.5, wait_ms=40.0), "follow": cost(0.2), "lines": cost(0.1)}
    plan = two_lanes(threads=3, sources={"north": camera()})
    one, three = (ask(plan, profile(costs, slots=slots), 1, seek_most=True).most for slots in (1, 3))
    assert one == 2 and three >= 2.5 * one
    (load,) = ask(plan, profile(costs, slots=3), 2).loads
    assert load.accelerators == {"slots": pytest.approx(2 * 10 * 0.04 / 3, abs=0.02)}


def test_what_shares_a_cpu_makes_each_other_late() -> None:
    alone, sharing = (
        ask(two_lanes(cpus=cpus), profile({**COSTS, "see": cost(30.0)}), 3).loads[0] for cpus in ((0, 1, 2), (0, 0, 0))
    )
    assert sharing.p99_ms > 1.1 * alone.p99_ms
    assert sharing.cpus == {"0": pytest.approx(min(1.0, 3 * (0.04 + 0.3 + 0.03)), abs=0.03)}


def test_a_stage_that_lets_few_frames_go_on_spares_what_follows() -> None:
    costs = {DECODE: cost(1.0), "see": cost(10.0), "follow": cost(80.0, count=10), "lines": cost(1.0, count=10)}
    (load,) = ask(two_lanes(), profile(costs)).loads
    assert load.lanes["follow"] == pytest.approx(0.1, abs=0.08), "it would be 0.8"


def test_max_fps_drops_after_decoding() -> None:
    (load,) = ask(two_lanes(sources={"north": camera(max_fps=5.0)}), profile(COSTS)).loads
    assert load.fps == pytest.approx(5, abs=0.2) and load.keeps_up
    assert load.cpus["0"] == pytest.approx(0.04, abs=0.01), "all ten are decoded"


def test_the_recipe_s_own_limit_of_latency_counts() -> None:
    plan = replace(two_lanes(), health=Health(max_p99_ms=12.0))
    assert not ask(plan, profile(COSTS)).loads[0].keeps_up


def test_given_phases_are_taken_and_the_same_request_has_the_same_answer() -> None:
    apart = ask(two_lanes(), profile(COSTS), 2, phases=(0.0, 0.5))
    assert apart.loads[0].p99_ms == pytest.approx(17, abs=0.01)
    assert ask(two_lanes(), profile(COSTS), 3) == ask(two_lanes(), profile(COSTS), 3)


def test_key_pictures_that_come_together_make_each_other_later_than_others() -> None:
    gop = profile(COSTS, decode_ms=(20.0, *(1.0,) * 9))
    (together,) = ask(two_lanes(), gop, 2, phases=(0.0, 0.0)).loads
    (apart,) = ask(two_lanes(), gop, 2, phases=(0.0, 5.0)).loads
    assert together.p99_ms == pytest.approx(2 * 20 + 10 + 10 + 3, abs=3)
    assert together.together_p99_ms == pytest.approx(together.p99_ms, abs=0.1)
    assert apart.p99_ms == pytest.approx(20 + 1 + 13, abs=0.1), "a key picture waits for a small one at most"


def test_a_camera_s_first_pictures_are_those_before_its_key_picture() -> None:
    (load,) = ask(two_lanes(), profile(COSTS, decode_ms=(40.0, 1.0, 1.0, 1.0)), 2, phases=(0.25, 2.5)).loads
    assert load.p99_ms == pytest.approx(40 + 1 + 13, abs=0.1), (
        "the other one's key picture comes a quarter of a round later"
    )
    assert load.p50_ms == pytest.approx(1 + 13, abs=0.1)


def test_what_meets_others_takes_as_long_as_was_measured_of_such() -> None:
    met = profile(COSTS, met={"see": cost(16.0)})
    assert ask(two_lanes(), met, 1).loads[0].p99_ms == pytest.approx(17, abs=0.01), "it is alone"
    for apart in (0.0, 0.05):  # its neighbour begins before it, or while it is at work
        (load,) = ask(two_lanes(), met, 2, phases=(0.0, apart)).loads
        assert load.p99_ms == pytest.approx(17 + 6 + 16, abs=7)
        assert load.p50_ms > 17 + 5
    assert ask(two_lanes(), met, 2, phases=(0.0, 5.5)).loads[0].p99_ms == pytest.approx(17, abs=0.01)


def test_who_pauses_leaves_its_cpu_to_others() -> None:
    slow = replace(cost(10.0), pause_ms=(20.0,) * len(SHARES))
    (load,) = ask(two_lanes(cpus=(0, 0, 0)), profile({**COSTS, "see": slow})).loads
    assert load.p50_ms == pytest.approx(4 + 20 + 10 + 3, abs=0.01)
    assert load.cpus == {"0": pytest.approx(0.17, abs=0.01)} and load.lanes["detect"] == pytest.approx(0.3, abs=0.01)


def test_a_piece_of_the_run_can_be_drawn() -> None:
    spans = ask(two_lanes(), profile(COSTS), 1, 2).spans
    assert {span.thread for span in spans} == {"decode/north", "decode/north+1", "detect", "follow"}
    assert all(span.end_ms >= span.begin_ms for span in spans) and len(spans) >= 12


def test_pictures_of_a_size_that_nobody_has_measured_are_refused() -> None:
    with pytest.raises(InputError, match="pictures of 640x360, not of 1920x1080") as caught:
        ask(two_lanes(), profile(COSTS), width_px=1920, height_px=1080)
    assert "--size 1920x1080" in caught.value.hint


def test_costs_are_drawn_from_what_was_measured() -> None:
    wide = Cost(
        count=100,
        p50_ms=5.0,
        p95_ms=20.0,
        cpu_p50_ms=5.0,
        cpu_p95_ms=20.0,
        spread_ms=(1, 1, 2, 3, 4, 4, 5, 5, 6, 8, 10, 20, 25, 27, 30, 35, 40),
    )
    (load,) = ask(two_lanes(), profile({**COSTS, "see": wide}), 1, seconds=60.0).loads
    assert load.p50_ms == pytest.approx(7 + 4.5, abs=1.0) and load.p99_ms == pytest.approx(7 + 30, abs=5)
