"""Keeps the account that decisions rest on: who was served when, who had how much, what work costs.

It has no clock and no threads: whoever uses a scheduler holds a lock around it, and tells it the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from typing import NamedTuple

from edgekit.device.runtime.schedule.costs import CostState, RecentCosts
from edgekit.device.runtime.schedule.decide import Act, Asking, Guard, Situation, StreamRule, Waiting, decide
from edgekit.device.runtime.schedule.recorder import Recorder

_COMES_S = 1.0
"""A stream that nothing came of for so long needs no place kept."""
_NO_RULE = StreamRule()


class SchedulerState(NamedTuple):
    """All that a scheduler remembers."""

    free: int
    costs: Mapping[str, CostState]
    served_s: Mapping[str, float]
    came_s: Mapping[str, float]
    share_s: Mapping[str, float]
    level_s: Mapping[int, float]


class Scheduler:
    """Decides for one lane, or for one accelerator."""

    def __init__(
        self,
        rules: Mapping[str, StreamRule] | None = None,
        places: int = 1,
        *,
        rest: Callable[[str, float], float] = lambda _stream, _now_s: 0.0,
        name: str = "",
    ) -> None:
        """Begin with all places free.

        Args:
            rules: by stream; others have the usual one.
            places: how many there are.
            rest: how long a stream's frame takes from here on to the last sink, at a time.
            name: whose it is, for records.
        """
        self.rules: dict[str, StreamRule] = dict(rules or {})
        self.places = self.free = places
        self.rest = rest
        self.recorder: Recorder | None = None
        """Is told what comes and what is decided, while there is one."""
        self.name = name
        self.is_plain = places == 1 and all(rule.deadline_s == inf for rule in self.rules.values())
        """Whether one that waits alone can be served without a question."""
        self._told: list[tuple[str, float]] = []
        """What `rest` said for the decision that is being made, while somebody records it."""
        self._costs: dict[str, RecentCosts] = {}
        self._served_s: dict[str, float] = {}
        self._came_s: dict[str, float] = {}
        self._share: dict[str, float] = {}
        """Where each stream stands on its priority's scale of service, in seconds of weight 1."""
        self._level: dict[int, float] = {}
        """Where the one stood that had had least of those who waited last, by priority. Who comes back after a while
        begins there: nobody saves up what he did not ask for."""

    def decide(self, asking: Sequence[Asking], now_s: float) -> Act | None:
        """What to do next; see `decide.decide`. A start takes its places until `end`, a drop leaves no trace."""
        self._told.clear()
        self._rise(asking)
        waiting = tuple(self._waiting(one, now_s) for one in asking)
        act = decide(Situation(now_s, self.free, self.places, waiting, self._guards(now_s)))
        if act is not None and not act.cause:
            chosen = next(one for one in waiting if one.stream == act.stream)
            self._charge(chosen)
            self._begin(act.stream, now_s, chosen.places)
        if self.recorder is not None:
            self.recorder.decided(now_s, self.name, asking, self._told, act)
        return act

    def begin(self, stream: str, now_s: float, places: int = 1) -> None:
        """A stream is served: places are taken for it. Where it waits alone nothing need be decided, or charged."""
        self._begin(stream, now_s, places)
        if self.recorder is not None:
            self.recorder.began(now_s, self.name, stream, places)

    def _begin(self, stream: str, now_s: float, places: int) -> None:
        self.free -= places
        self._served_s[stream] = self._came_s[stream] = now_s

    def end(self, stream: str, took_s: float, now_s: float, places: int = 1) -> None:
        """It has been; this is what it took."""
        self.free += places
        costs = self._costs.get(stream)
        if costs is None:
            costs = self._costs[stream] = RecentCosts()
        costs.add(took_s, now_s)
        if self.recorder is not None:
            self.recorder.ended(now_s, self.name, stream, places, took_s)

    def move(self, places: int) -> None:
        """So many places are free again, or taken where it is less than none, by what is no frame and costs nothing."""
        self.free += places
        if self.recorder is not None:
            self.recorder.moved(self.name, places)

    def state(self) -> SchedulerState:
        """The account, to be gone on with by another."""
        return SchedulerState(
            free=self.free,
            costs={stream: costs.state() for stream, costs in self._costs.items()},
            served_s=dict(self._served_s),
            came_s=dict(self._came_s),
            share_s=dict(self._share),
            level_s=dict(self._level),
        )

    def restore(self, state: SchedulerState) -> None:
        """Go on with this account."""
        self.free = state.free
        self._costs = {stream: RecentCosts() for stream in state.costs}
        for stream, costs in state.costs.items():
            self._costs[stream].restore(costs)
        self._served_s, self._came_s = dict(state.served_s), dict(state.came_s)
        self._share, self._level = dict(state.share_s), dict(state.level_s)

    def left_s(self, stream: str, now_s: float) -> float:
        """How long a frame of a stream takes from here on to the last sink; 0 where nothing is known."""
        return self.cost_s(stream, now_s) + self.rest(stream, now_s)

    def cost_s(self, stream: str, now_s: float) -> float:
        """How long a frame of a stream takes its places here; 0 where nothing is known."""
        costs = self._costs.get(stream)
        return costs.bound_s(now_s) if costs is not None else 0.0

    def _waiting(self, one: Asking, now_s: float) -> Waiting:
        stream = one.stream
        rule = self._rule(stream)
        cost_s = self.cost_s(stream, now_s)
        self._came_s[stream] = now_s
        return Waiting(
            stream=stream,
            rule=rule,
            arrival=one.arrival,
            captured_s=one.captured_s,
            newest_s=one.newest_s,
            since_s=max(one.since_s, self._served_s.get(stream, -inf)),
            ahead_s=max(0.0, self._share.get(stream, 0.0) - self._level.get(rule.priority, 0.0)),
            cost_s=cost_s,
            left_s=cost_s + self._rest_s(stream, now_s) if rule.deadline_s < inf else cost_s,
            places=one.places,
        )

    def _guards(self, now_s: float) -> tuple[Guard, ...]:
        if self.places == 1:
            return ()
        found = []
        for stream, rule in self.rules.items():
            if now_s - self._came_s.get(stream, -inf) >= _COMES_S:
                continue
            if rule.deadline_s < inf:
                slack_s = rule.deadline_s - self.cost_s(stream, now_s) - self._rest_s(stream, now_s)
                found.append(Guard(stream, rule.priority, slack_s))
            elif rule.patience and (cost_s := self.cost_s(stream, now_s)):
                found.append(Guard(stream, rule.priority, rule.patience * cost_s))
        return tuple(found)

    def _rest_s(self, stream: str, now_s: float) -> float:
        """See `rest`; asked for a decision."""
        rest_s = self.rest(stream, now_s)
        if self.recorder is not None:
            self._told.append((stream, rest_s))
        return rest_s

    def _rise(self, asking: Iterable[Asking]) -> None:
        """Each priority's level is that of who waits and has had least."""
        least: dict[int, float] = {}
        for one in asking:
            priority = self._rule(one.stream).priority
            share = max(self._share.get(one.stream, 0.0), self._level.get(priority, 0.0))
            least[priority] = min(share, least.get(priority, inf))
        self._level |= least

    def _charge(self, one: Waiting) -> None:
        """Put what it costs on its account."""
        level = self._level.get(one.rule.priority, 0.0)
        self._share[one.stream] = level + one.ahead_s + one.cost_s / one.rule.weight

    def _rule(self, stream: str) -> StreamRule:
        return self.rules.get(stream, _NO_RULE)
