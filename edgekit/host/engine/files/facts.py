"""What a file says of itself, whatever it is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a file says of itself."""

    kind: str
    """`rknn`, `tensorrt`, `onnx`; empty where it is none of them."""
    facts: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    """Why it cannot be read; empty where it can."""
