"""Shipped targets, whole: what tests change a little for a target of their own."""

from __future__ import annotations

from pathlib import Path

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import settings_from
from edgekit.host.toml_text import to_toml
from edgekit.schema.target import Target


def shipped_target(name: str) -> Target:
    """A shipped target, whatever lies in the working directory."""
    return find_target(name, settings_from({}, Path(edgekit.__file__).parent), own=Path("none"))


def target_text(name: str) -> str:
    """The same as one file, with nothing left to parts."""
    return to_toml(shipped_target(name))
