"""Which stream a lane serves next."""

from __future__ import annotations

from edgekit.device.runtime.schedule.choice import Waiting, by_priority

CHOOSE = by_priority({"gate": 10, "yard": 0, "door": 0})


def test_the_highest_goes_first_and_among_equals_who_came_first() -> None:
    waiting = [Waiting("yard", 3), Waiting("door", 2), Waiting("gate", 9)]
    assert CHOOSE(waiting) == "gate"
    assert CHOOSE(waiting[:2]) == "door"
    assert CHOOSE([Waiting("yard", 3), Waiting("unheard-of", 1)]) == "unheard-of", "one without a word has 0"
