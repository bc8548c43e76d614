"""What the agent on a builder device answers (`edgekit/sent/builder_agent.py` has the requests): one line each.

The agent is sent by whoever asks it, so both sides are of one version; but the device is not trusted: what it says is
read as these types, in their bounds, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from edgekit.schema.bounds import Between, Matches
from edgekit.schema.message import Message

_MAX_BYTES = 1 << 50
_MAX_S = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRefusal(Message):
    """Instead of any other answer: what cannot be done, and what helps."""

    error: str
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHolder:
    """Who has reserved the device."""

    holder: str
    what: str
    """That they compile."""
    for_s: Annotated[float, Between(0, _MAX_S)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveAnswer(Message):
    """To `reserve`: nothing, or who was quicker."""

    held: LockHolder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HaveAnswer(Message):
    """To `have`."""

    missing: dict[str, Annotated[int, Between(0, _MAX_BYTES)]]
    """Bytes that are there already of each file that is not there whole, by SHA-256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayAnswer(Message):
    """To `lay`."""

    path: Annotated[str, Matches("/[^\0\n]{1,4000}", "an absolute path")]
    """Of the folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnswer(Message):
    """To `run`, several: progress and signs of life, and at last a return code."""

    progress: str = ""
    beat: bool = False
    returncode: Annotated[int, Between(-255, 255)] | None = None
    output: str = ""
    """The last that the program printed."""
    ended_by: str = ""
    """`deadline` or `cancel`, where the agent ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchAnswer(Message):
    """To `fetch`: the file's bytes come behind the line."""

    missing: bool = False
    payload_bytes: Annotated[int, Between(0, _MAX_BYTES)] | None = None
    sha256: Annotated[str, Matches("[0-9a-f]{64}", "a SHA-256 digest")] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeAnswer(Message):
    """To `wipe` and `clean`."""

    bytes: Annotated[int, Between(0, _MAX_BYTES)]
    """That were freed."""
