"""What a recipe says of a stream, as the scheduler takes it."""

from __future__ import annotations

from math import inf

from edgekit.device.runtime.schedule.decide import StreamRule
from edgekit.schema.source import RecipeSource


def rule_of(source: RecipeSource) -> StreamRule:
    """The rule of a source's stream."""
    return StreamRule(
        priority=source.priority,
        weight=source.weight,
        deadline_s=inf if source.deadline_ms is None else source.deadline_ms / 1000,
        max_wait_s=inf if source.max_wait_s == "never" else source.max_wait_s,
    )
