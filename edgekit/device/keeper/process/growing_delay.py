"""Growing delays between tries of what does not work now."""

from __future__ import annotations

_FIRST_DELAY_S, _LAST_DELAY_S = 1.0, 60.0
_MOST_DOUBLINGS = 6


class GrowingDelay:
    """The delay before the next try: twice as long each time, up to a minute."""

    def __init__(self) -> None:
        self.tries = 0
        """How many came to nothing, one after the other."""

    def next_s(self) -> float:
        """How long to wait now that a try came to nothing."""
        delay_s = min(_FIRST_DELAY_S * (1 << min(self.tries, _MOST_DOUBLINGS)), _LAST_DELAY_S)
        self.tries += 1
        return delay_s

    def reset(self) -> None:
        """It works, or is asked for anew."""
        self.tries = 0
