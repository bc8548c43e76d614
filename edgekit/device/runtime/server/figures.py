"""What was asked of served models, and how it went. Written by the server's thread alone; others read."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.device.runtime.figures import Histogram


class ServedFigures:
    """One model."""

    def __init__(self) -> None:
        self.latency = Histogram()
        """Of requests that were answered well: from their first byte until their answer was handed on."""
        self.statuses: dict[int, int] = {}
        """Requests for inference, by the HTTP status of their answer."""


class ServingFigures:
    """All models, and the way to them."""

    def __init__(self, models: Iterable[str]) -> None:
        self.models = {name: ServedFigures() for name in models}
        self.addresses: tuple[str, ...] = ()
        """Where it can be reached now."""
        self.trouble = ""
        """What keeps clients away; empty where all is well."""
        self.under_way = 0

    def ended(self, model: str, status: int, seconds: float) -> None:
        """A request for inference has its answer."""
        figures = self.models.get(model)
        if figures is not None:
            figures.statuses[status] = figures.statuses.get(status, 0) + 1
            if status == 200:
                figures.latency.add(seconds)

    @property
    def answered(self) -> int:
        """Requests that were answered well."""
        return sum(one.statuses.get(200, 0) for one in self.models.values())

    @property
    def turned_away(self) -> int:
        """Requests that came at a bad time, 503: the same one may be answered later."""
        return sum(one.statuses.get(503, 0) for one in self.models.values())
