"""The Grafana dashboard of what `edgekit metrics` gives: a file beside this one, imported into Grafana as it is."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def dashboard() -> dict[str, Any]:
    """The dashboard, in Grafana's JSON model. It asks for a Prometheus data source when it is imported."""
    text = resources.files("edgekit.host.workflow").joinpath("dashboard.json").read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    return made
