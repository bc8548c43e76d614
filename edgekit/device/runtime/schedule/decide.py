"""What is done next where several streams wait for a few places. Pure: no clock, no threads, no memory of its own.

A place is a lane's thread, or a slot of an accelerator. The rules, in their order:

1. A frame that cannot be through in time is dropped before it costs anything; an older one of a stream is dropped
   where working on it would make that stream's newest one late. Who has waited too long is spared: late rather than
   never.
2. Who has waited longer than its `max_wait_s` comes first, the longest first. Places that it needs are kept for it.
3. Then the highest priority. Among equals the earliest deadline, moved back for who has had more than its weight's
   share: deadlines count from frame to frame, weights in the long run.
4. The first that fits is started: what does not fit stops nobody behind it.
5. What takes so long that a stream of the same or a higher priority would miss its deadline behind it leaves a place
   free; so does what nobody has measured.

Source: Liu and Layland, Scheduling Algorithms for Multiprogramming (1973), earliest deadline first; Goyal, Vin and
Cheng, Start-time Fair Queuing (1996), for the shares.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

LATE, SUPERSEDED = "deadline", "superseded"
"""Why frames are dropped here: too late themselves, or in the way of a newer one of their stream."""
USUAL_DEADLINE_S = 1.0
"""Where a stream has no deadline, its frames stand among those that have one as if it were this."""


class StreamRule(NamedTuple):
    """What a recipe says of one stream."""

    priority: int = 0
    weight: float = 1.0
    deadline_s: float = inf
    """From capture to the last sink."""
    max_wait_s: float = inf
    patience: float = 0.0
    """Without a deadline: how many times what it takes itself it may wait behind longer work; 0: any."""


class Asking(NamedTuple):
    """A stream that waits, as whoever keeps its line knows it; see `Waiting`."""

    stream: str
    arrival: int
    captured_s: float
    newest_s: float
    since_s: float
    """When it began to wait; being served is the scheduler's to know."""
    places: int = 1


class Waiting(NamedTuple):
    """A stream that waits, now."""

    stream: str
    rule: StreamRule
    arrival: int
    """Of its first frame: a number that rises with everything that comes."""
    captured_s: float
    """Of its first frame."""
    newest_s: float
    """When its newest frame was captured; the same where only one waits."""
    since_s: float
    """Since when it has waited without being served."""
    ahead_s: float = 0.0
    """How much more than its share it has had, in seconds of a stream of weight 1."""
    cost_s: float = 0.0
    """How long its frame takes its places; 0 where nobody knows."""
    left_s: float = 0.0
    """How long its frame takes from here to the last sink; at least `cost_s`. Asked of streams with deadlines alone."""
    places: int = 1
    """How many it needs at once."""

    def is_overdue(self, now_s: float) -> bool:
        """Whether it has waited too long."""
        return now_s - self.since_s >= self.rule.max_wait_s


class Guard(NamedTuple):
    """A stream whose frames come often, and may not have to wait for long ones."""

    stream: str
    priority: int
    slack_s: float
    """How long its frames may wait."""


class Situation(NamedTuple):
    """Everything that a decision rests on."""

    now_s: float
    free: int
    """Places that nobody has."""
    places: int
    """All of them."""
    waiting: tuple[Waiting, ...]
    """Streams whose first frame could go on."""
    guards: tuple[Guard, ...] = ()


class Act(NamedTuple):
    """Start a stream's first frame, or drop it."""

    stream: str
    cause: str = ""
    """Why it is dropped; empty: it is started."""


def decide(situation: Situation) -> Act | None:
    """The next thing to do; None: nothing that waits can be started now."""
    now_s, free = situation.now_s, situation.free
    for one in situation.waiting:
        if cause := _hopeless(now_s, one):
            return Act(one.stream, cause)
    for one in sorted(situation.waiting, key=lambda one: _rank(now_s, one)):
        if one.places <= free and not _is_in_the_way(situation, one):
            return Act(one.stream)
        if one.is_overdue(now_s) and one.places <= situation.places:
            free -= one.places
    return None


def _hopeless(now_s: float, one: Waiting) -> str:
    """Why a stream's first frame need not be worked on; empty where it is worth it."""
    deadline_s = one.rule.deadline_s
    if deadline_s == inf:
        return ""
    newest = one.newest_s <= one.captured_s
    if now_s + one.left_s > one.captured_s + deadline_s and not (newest and one.is_overdue(now_s)):
        return LATE
    if not newest and now_s + one.cost_s + one.left_s > one.newest_s + deadline_s:
        return SUPERSEDED
    return ""


def _rank(now_s: float, one: Waiting) -> tuple[int, float, float, int]:
    if one.is_overdue(now_s):
        return (0, one.since_s, 0.0, one.arrival)
    due_s = one.captured_s + min(one.rule.deadline_s, USUAL_DEADLINE_S) + one.ahead_s
    return (1, -one.rule.priority, due_s, one.arrival)


def _is_in_the_way(situation: Situation, one: Waiting) -> bool:
    """Whether others would miss their deadlines behind this one: it may not take the last place, unless that is all."""
    if situation.free - one.places >= 1 or one.places >= situation.places:
        return False
    return any(_waits_in_vain(guard, one) for guard in situation.guards)


def _waits_in_vain(guard: Guard, one: Waiting) -> bool:
    others = guard.stream != one.stream and guard.priority >= one.rule.priority
    return others and (one.cost_s == 0 or one.cost_s > guard.slack_s)
