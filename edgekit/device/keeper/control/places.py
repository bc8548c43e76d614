"""Places for clients: a bounded number, some of them kept for what must not wait.

Where all are taken, a new client gets the place of one that only waits: it may be asleep, half open, or ill-meaning.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

MAX_CONNECTIONS = 16
KEPT_CONNECTIONS = 4
"""More, for what must not wait: clients that deploy, follow logs or sleep cannot shut out who stops or rolls back."""
IDLE_S, URGENT_IDLE_S = 60.0, 0.5
"""After so long a place, or a kept one, may be given to somebody else."""


class ClientPlace:
    """One client's, from `Places.take` to `Places.give_back`."""

    def __init__(self, connection: socket.socket, *, urgent: bool) -> None:
        self.connection = connection
        self.urgent = urgent
        """Whether it is a kept one."""
        self.idle_since_s: float | None = None
        """Since when the client asks for nothing and holds nothing; None: it does."""

    def shut(self) -> None:
        """End its client's connection; whoever reads there finds its end."""
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Places:
    """All of one socket's; any thread may use them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with all of them free. `clock` gives monotonic seconds."""
        self._clock = clock
        self._guard = threading.Lock()
        self._taken: list[ClientPlace] = []

    def take(self, connection: socket.socket) -> ClientPlace | None:
        """A place for a new client; None where there is none to be had."""
        with self._guard:
            for urgent, most in ((False, MAX_CONNECTIONS), (True, KEPT_CONNECTIONS)):
                if sum(place.urgent is urgent for place in self._taken) < most:
                    return self._add(connection, urgent)
            for urgent, idle_s in ((False, IDLE_S), (True, URGENT_IDLE_S)):
                if left := self._longest_idle(urgent, idle_s):
                    left.shut()
                    self._taken.remove(left)
                    return self._add(connection, urgent)
        return None

    def give_back(self, place: ClientPlace) -> None:
        """A client has gone."""
        with self._guard, contextlib.suppress(ValueError):  # it was given to somebody else
            self._taken.remove(place)

    def waits(self, place: ClientPlace) -> None:
        """Its client asks for nothing at the moment and holds nothing."""
        place.idle_since_s = self._clock()

    def _add(self, connection: socket.socket, urgent: bool) -> ClientPlace:
        place = ClientPlace(connection, urgent=urgent)
        place.idle_since_s = self._clock()
        self._taken.append(place)
        return place

    def _longest_idle(self, urgent: bool, idle_s: float) -> ClientPlace | None:
        until_s = self._clock() - idle_s
        idle = [
            (place.idle_since_s, number)
            for number, place in enumerate(self._taken)
            if place.urgent is urgent and place.idle_since_s is not None and place.idle_since_s <= until_s
        ]
        return self._taken[min(idle)[1]] if idle else None
