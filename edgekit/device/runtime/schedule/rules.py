"""What a recipe says of a stream, as the scheduler takes it."""

from __future__ import annotations

from math import inf

from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.schema.serve import Serve
from edgekit.schema.source import StreamOptions


def rule_of(source: StreamOptions) -> StreamRule:
    """The rule of a source's stream."""
    return StreamRule(
        priority=source.priority,
        weight=source.weight,
        deadline_s=inf if source.deadline_ms is None else source.deadline_ms / 1000,
        max_wait_s=inf if source.max_wait_s == "never" else source.max_wait_s,
    )


def rule_of_requests(serve: Serve) -> StreamRule:
    """The rule of a served model's requests. None is dropped for being late: who asks waits for the answer."""
    return StreamRule(
        priority=serve.priority,
        weight=serve.weight,
        max_wait_s=inf if serve.max_wait_s == "never" else serve.max_wait_s,
    )
