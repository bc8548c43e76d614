"""Gives a scheduler what another was told, and sees whether it decides the same. Pure.

Also a program, as the host never imports what runs on a board: `python -m edgekit.device.runtime.schedule.replay FILE`
prints a `schema.trace.ReplayReply`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import inf
from pathlib import Path

from edgekit.device.runtime.schedule.costs import CostState
from edgekit.device.runtime.schedule.decide import Act, Asking, StreamRule
from edgekit.device.runtime.schedule.scheduler import Scheduler, SchedulerState
from edgekit.errors import EdgekitError, InputError
from edgekit.schema.message import to_line
from edgekit.schema.trace import (
    MAX_RECORD_BYTES,
    ReplayDifference,
    ReplayReply,
    TracedLane,
    TracedStream,
    TraceKind,
    TraceRecord,
    unpack_record,
)

_MOST_DIFFERENCES = 20
_HINT = "record it again: edgekit trace DEVICE"
Entry = tuple[TraceKind, tuple[float, ...]]


def traced_lane(scheduler: Scheduler, state: SchedulerState) -> TracedLane:
    """A scheduler's account, as a record has it."""
    names = {*scheduler.rules, *state.costs, *state.served_s, *state.came_s, *state.share_s}
    return TracedLane(
        name=scheduler.name,
        places=scheduler.places,
        free=state.free,
        streams=tuple(
            _traced_stream(name, scheduler, state) for name in (*scheduler.rules, *sorted(names - {*scheduler.rules}))
        ),
        levels_s={str(priority): level_s for priority, level_s in state.level_s.items()},
    )


def _traced_stream(name: str, scheduler: Scheduler, state: SchedulerState) -> TracedStream:
    rule, costs = scheduler.rules.get(name), state.costs.get(name, CostState())
    known = rule or StreamRule()
    return TracedStream(
        name=name,
        ruled=rule is not None,
        priority=known.priority,
        weight=known.weight,
        deadline_s=_finite(known.deadline_s),
        max_wait_s=_finite(known.max_wait_s),
        patience=known.patience,
        costs_s=costs.samples,
        cost_at_s=_finite(costs.at_s),
        cost_bound_s=costs.bound_s,
        costs_total=costs.total,
        served_s=state.served_s.get(name),
        came_s=state.came_s.get(name),
        share_s=state.share_s.get(name),
    )


def _finite(number: float) -> float | None:
    return None if number in (inf, -inf) else number


class _AsksAnew(Exception):
    """A scheduler wants to know what nobody asked when the record was made."""


class LaneReplay:
    """One lane's scheduler, told the same again."""

    def __init__(self, lane: TracedLane) -> None:
        rules = {one.name: _rule(one) for one in lane.streams if one.ruled}
        self.scheduler = Scheduler(rules, lane.places, rest=self._rest_s, name=lane.name)
        self.scheduler.restore(
            SchedulerState(
                free=lane.free,
                costs={one.name: _costs(one) for one in lane.streams if one.costs_s},
                served_s={one.name: one.served_s for one in lane.streams if one.served_s is not None},
                came_s={one.name: one.came_s for one in lane.streams if one.came_s is not None},
                share_s={one.name: one.share_s for one in lane.streams if one.share_s is not None},
                level_s={int(priority): level_s for priority, level_s in lane.levels_s.items()},
            )
        )
        self.decisions = 0
        self._following: list[tuple[str, float]] = []

    def decide(self, asking: list[Asking], following: list[tuple[str, float]], at_s: float) -> str:
        """The decision in words, with what followed behind the lane then."""
        self._following = following[::-1]
        self.decisions += 1
        try:
            act = self.scheduler.decide(asking, at_s)
        except _AsksAnew as error:
            return f"ask what follows of {error}"
        return f"not ask what follows of {self._following[-1][0]}" if self._following else _words(act)

    def _rest_s(self, stream: str, _now_s: float) -> float:
        if not self._following or self._following[-1][0] != stream:
            raise _AsksAnew(stream)
        return self._following.pop()[1]


def _rule(one: TracedStream) -> StreamRule:
    return StreamRule(
        priority=one.priority,
        weight=one.weight,
        deadline_s=inf if one.deadline_s is None else one.deadline_s,
        max_wait_s=inf if one.max_wait_s is None else one.max_wait_s,
        patience=one.patience,
    )


def _costs(one: TracedStream) -> CostState:
    at_s = -inf if one.cost_at_s is None else one.cost_at_s
    return CostState(one.costs_s, at_s, one.cost_bound_s, one.costs_total)


def replay(record: TraceRecord) -> ReplayReply:
    """Decide everything in a record anew.

    Raises:
        InputError: it is damaged.
    """
    lanes = {lane.name: LaneReplay(lane) for lane in record.header.lanes}
    differences: list[ReplayDifference] = []
    entries = record.entries()
    for kind, numbers in entries:
        if kind is TraceKind.DECIDED:
            differences += _decided(record, lanes, numbers, entries)
            if len(differences) >= _MOST_DIFFERENCES:
                break
        else:
            _told(record, lanes, kind, numbers)
    decisions = sum(lane.decisions for lane in lanes.values())
    return ReplayReply(decisions=decisions, differences=tuple(differences))


def _told(record: TraceRecord, lanes: dict[str, LaneReplay], kind: TraceKind, numbers: tuple[float, ...]) -> None:
    match kind, numbers:
        case TraceKind.BEGAN, (at_s, lane, stream, places):
            _lane(record, lanes, lane).scheduler.begin(record.name(stream), at_s, int(places))
        case TraceKind.ENDED, (at_s, lane, stream, places, took_s):
            _lane(record, lanes, lane).scheduler.end(record.name(stream), took_s, at_s, int(places))
        case TraceKind.MOVED, (lane, places):
            _lane(record, lanes, lane).scheduler.move(int(places))


def _decided(
    record: TraceRecord, lanes: dict[str, LaneReplay], numbers: tuple[float, ...], entries: Iterator[Entry]
) -> list[ReplayDifference]:
    at_s, place, asked, followed = numbers
    lane = _lane(record, lanes, place)
    asking = [_asking(record, _next(entries, TraceKind.ASKING)) for _ in range(int(asked))]
    rests = [_next(entries, TraceKind.FOLLOWING) for _ in range(int(followed))]
    stream, cause = _next(entries, TraceKind.CHOSEN)
    was = _words(Act(record.name(stream), record.name(cause)) if stream != -1 else None)
    found = lane.decide(asking, [(record.name(name), rest_s) for name, rest_s in rests], at_s)
    if found == was:
        return []
    return [ReplayDifference(lane=lane.scheduler.name, at_s=at_s, recorded=was, found=found)]


def _asking(record: TraceRecord, numbers: tuple[float, ...]) -> Asking:
    stream, arrival, captured_s, newest_s, since_s, places = numbers
    return Asking(record.name(stream), int(arrival), captured_s, newest_s, since_s, int(places))


def _next(entries: Iterator[Entry], wanted: TraceKind) -> tuple[float, ...]:
    kind, numbers = next(entries, (None, ()))
    if kind is not wanted:
        raise InputError("a decision in the record is not whole", hint=_HINT)
    return numbers


def _lane(record: TraceRecord, lanes: dict[str, LaneReplay], place: float) -> LaneReplay:
    name = record.name(place)
    if name not in lanes:
        raise InputError(f"the record knows no lane {name!r}", hint=_HINT)
    return lanes[name]


def _words(act: Act | None) -> str:
    if act is None:
        return "nothing"
    return f"drop {act.stream}: {act.cause}" if act.cause else f"start {act.stream}"


def main(argv: list[str]) -> int:
    """Replay the record in a file; what is wrong with it stands in the reply."""
    try:
        with Path(argv[0]).open("rb") as file:
            reply = replay(unpack_record(file.read(MAX_RECORD_BYTES + 1)))
    except EdgekitError as error:
        reply = ReplayReply(decisions=0, failure=error.message)
    sys.stdout.buffer.write(to_line(reply))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
