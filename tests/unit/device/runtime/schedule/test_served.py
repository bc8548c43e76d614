"""Requests in line with frames: neither starves the other, none is lost without a word, none goes on to other lanes."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf

import pytest

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.device.runtime.schedule.rules import rule_of_requests
from edgekit.device.runtime.schedule.served import ServedRequest
from edgekit.schema.plan import LanePlan
from edgekit.schema.recipe import DropPolicy
from edgekit.schema.serve import Serve
from edgekit.stage import Frame
from tests.fakes.clock import Clock
from tests.fakes.frames import frame

SERVED = "serve/net"


@dataclass
class CostlyStep:
    """Takes its time for each frame."""

    clock: Clock
    cost_s: float
    name: str = "infer"
    done: list[float] = field(default_factory=list)

    def frame(self, one: Frame) -> Frame:
        self.clock.advance(self.cost_s)
        self.done.append(self.clock())
        return one

    def event(self, event: object) -> None: ...

    def close(self) -> None: ...


class ServedLane:
    """A lane with one camera and one served model, on a virtual clock."""

    def __init__(
        self,
        rule: StreamRule,
        camera: StreamRule = StreamRule(max_wait_s=2.0),  # noqa: B008  a frozen value
        *,
        drop: DropPolicy = "drop_oldest",
        threads: int = 1,
        cost_s: float = 0.05,
    ) -> None:
        self.clock, self.cost_s = Clock(), cost_s
        self.step = CostlyStep(self.clock, cost_s)
        crews = tuple(Crew(steps=(self.step,), figures=LaneFigures(f"npu.{n}", self.clock)) for n in range(threads))
        self.lane = Lane(
            name="npu",
            plan=LanePlan(cpus=(), queue=2, drop=drop, threads=threads),
            streams=frozenset(["gate"]),
            crews=crews,
            rules={"gate": camera},
            served={SERVED: rule},
            live=frozenset(["gate"]),
            clock=self.clock,
        )
        self.frames = self.requests = 0
        self.answered: list[float] = []
        self.refused: list[str] = []

    def see(self) -> None:
        self.lane.queues.put(frame(self.frames, "gate", captured_s=self.clock()))
        self.frames += 1

    def ask(self) -> None:
        def work() -> None:
            self.clock.advance(self.cost_s)
            self.answered.append(self.clock())

        self.requests += 1
        self.lane.queues.put(
            ServedRequest(
                stream=SERVED,
                sequence=self.requests,
                captured_s=self.clock(),
                work=work,
                refuse=self.refused.append,
            )
        )

    def flood(self, seconds: float, *, asking: int = 8, fps: float = 30.0) -> None:
        """So many clients that ask anew once they are answered, beside a camera: more than the lane can do."""
        end_s, next_s = self.clock() + seconds, self.clock()
        while self.clock() < end_s:
            while self.clock() >= next_s:
                self.see()
                next_s += 1 / fps
            while self.requests - len(self.answered) < asking:
                self.ask()
            assert self.lane.turn()


def longest_gap(times: list[float], until_s: float) -> float:
    return max(after - before for before, after in zip([1000.0, *times], [*times, until_s], strict=True))


def test_clients_that_ask_without_end_leave_a_camera_its_share() -> None:
    site = ServedLane(rule_of_requests(Serve()))
    site.flood(20.0)
    assert 0.8 < len(site.step.done) / len(site.answered) < 1.25, "equal weights"
    assert longest_gap(site.step.done, site.clock()) < 0.5


def test_a_weight_is_a_share() -> None:
    site = ServedLane(rule_of_requests(Serve(weight=0.25)))
    site.flood(20.0)
    assert 3.0 < len(site.step.done) / len(site.answered) < 5.0


def test_cameras_of_a_higher_priority_do_not_starve_requests_for_ever() -> None:
    site = ServedLane(rule_of_requests(Serve(max_wait_s=1.5)), StreamRule(priority=5, max_wait_s=2.0))
    site.flood(30.0)
    assert longest_gap(site.answered, site.clock()) < 1.5 + 2 * site.cost_s + 1e-6
    assert len(site.step.done) > 10 * len(site.answered)


def test_requests_of_a_higher_priority_do_not_starve_cameras_for_ever() -> None:
    site = ServedLane(rule_of_requests(Serve(priority=9)))
    site.flood(30.0)
    assert longest_gap(site.step.done, site.clock()) < 2.0 + 2 * site.cost_s + 1e-6


def test_requests_that_may_wait_for_ever_get_what_is_left() -> None:
    rule = rule_of_requests(Serve(max_wait_s="never"))
    assert rule.max_wait_s == inf
    site = ServedLane(rule, StreamRule(priority=5))
    site.flood(10.0)
    assert not site.answered


@pytest.mark.parametrize("drop", ["block", "drop_oldest", "drop_newest"])
def test_no_request_is_dropped_for_want_of_room(drop: DropPolicy) -> None:
    site = ServedLane(StreamRule(), drop=drop)
    for _ in range(20):
        site.ask()
    while site.lane.turn():
        pass
    assert (len(site.answered), site.refused) == (20, [])


def test_what_waits_at_the_end_and_what_comes_after_it_is_refused() -> None:
    site = ServedLane(StreamRule())
    site.ask()
    site.lane.queues.close()
    site.ask()
    assert site.refused == ["closing", "closing"]
    assert site.lane.queues.drops() == {(SERVED, "closing"): 2}


@pytest.mark.parametrize("threads", [1, 3])
def test_a_request_ends_in_its_lane_and_is_counted_there(threads: int) -> None:
    site = ServedLane(StreamRule(), threads=threads)
    behind = ServedLane(StreamRule())
    site.lane.lead_to(behind.lane)
    for _ in range(5):
        site.ask()
    site.see()
    while sum(site.lane.turn(crew) for crew in site.lane.crews):
        pass
    assert len(site.answered) == 5
    assert dict(behind.lane.queues.waiting()) == {"gate": 1}
    counted = [crew.figures.stages[SERVED].sum_s for crew in site.lane.crews]
    assert sum(counted) == pytest.approx(5 * site.cost_s)


def test_requests_wait_for_no_room_in_lanes_that_they_never_reach() -> None:
    site, behind = ServedLane(StreamRule(), threads=3), ServedLane(StreamRule())
    site.lane.lead_to(behind.lane)
    for _ in range(3):
        site.ask()
    taken = [site.lane.queues.poll(site.lane._may_go_on) for _ in range(3)]
    assert all(taken), "three threads, three requests, and a line of two behind"


def test_a_lane_ends_with_its_cameras_and_waits_for_no_client() -> None:
    assert ServedLane(StreamRule()).lane.left == {"gate"}
