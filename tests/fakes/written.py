"""What a written recipe must have, for tests that look at its models alone."""

from __future__ import annotations

from typing import Any

PIPELINE: dict[str, Any] = {
    "sources": {"clip": {"kind": "file", "path": "clip.mp4", "lane": "all"}},
    "stages": {},
    "sinks": {"log": {"kind": "jsonl", "path": "-", "lane": "all"}},
    "lanes": {"all": {}},
}
