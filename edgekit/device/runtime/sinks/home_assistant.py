"""Home Assistant's MQTT discovery: streams, counts and events show up there without a line of configuration. Pure.

Source: Home Assistant, "MQTT", sections "MQTT Discovery" and "Discovery messages".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from edgekit.schema.plan import WorkerPlan
from edgekit.schema.report import StreamState
from edgekit.schema.result import EventKind

_MOST = 256
"""Entities of one stream: an application's own code may count under any number of names."""


class Discovery:
    """Says once of each thing that there is how Home Assistant shall show it."""

    def __init__(self, prefix: str, base: str, plan: WorkerPlan) -> None:
        """Nothing is known yet.

        Args:
            prefix: the topic under which Home Assistant listens.
            base: the topic under which the application sends.
            plan: the application's.
        """
        self._prefix, self._base = prefix, base
        self._node = _short(base)
        self._known: dict[str, set[str]] = {}
        self._device = {
            "identifiers": [f"edgekit_{self._node}"],
            "name": base.replace("/", " "),
            "manufacturer": "edgekit",
            "model": plan.application,
            "sw_version": plan.version,
        }

    def new(self, stream: str, counts: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Topics and what they hold, retained, of what was not there before."""
        known = self._known.setdefault(stream, set())
        if not known:
            known.add("")
            yield self._entity("sensor", f"{stream} state", f"{self._base}/{stream}/state", **_STATE)
            yield self._entity("event", f"{stream} event", f"{self._base}/{stream}/events", **_EVENT)
        for name in counts:
            if name not in known and len(known) < _MOST:
                known.add(name)
                value = f"{{{{ value_json.counts.get({name!r}, 0) }}}}"
                more = {"value_template": value, "state_class": "total"}
                yield self._entity("sensor", f"{stream} {name}", f"{self._base}/{stream}/counts", **more)

    def _entity(self, component: str, name: str, topic: str, **more: Any) -> tuple[str, dict[str, Any]]:
        own = f"edgekit_{_short(f'{self._base}/{component}/{name}')}"
        config = {
            "name": name,
            "unique_id": own,
            "state_topic": topic,
            "availability_topic": f"{self._base}/online",
            "payload_available": "true",
            "payload_not_available": "false",
            "device": self._device,
            "origin": {"name": "edgekit"},
            **more,
        }
        return f"{self._prefix}/{component}/edgekit_{self._node}/{own}/config", config


_STATE: dict[str, Any] = {
    "value_template": "{{ value_json.state }}",
    "device_class": "enum",
    "options": list(get_args(StreamState)),
}
_EVENT: dict[str, Any] = {
    "event_types": list(get_args(EventKind)),
    "value_template": "{{ dict(value_json, event_type=value_json.kind) | to_json }}",
}


def _short(text: str) -> str:
    """Of any text, what a topic's part and an identifier may be; the same on every start."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]
