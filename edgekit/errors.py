"""Every error that edgekit raises on purpose, and the exit code that each one ends in.

A class exists because its reader acts differently on it. `message` names the thing and what happened, `hint` is a
command or an edit that helps, `details` is another program's output, whole. Only `cli/main.py` and
`device/keeper/daemon.py` turn these into text and exit codes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Cause = Literal[
    "",
    "accelerator",
    "bad_model",
    "camera_gone",
    "colour_mismatch",
    "damaged",
    "disk_full",
    "engine_version",
    "golden",
    "key_age",
    "missing_library",
    "out_of_memory",
    "port_taken",
    "signature",
    "unhealthy",
    "wrong_board",
]
"""What lies behind an error, where whoever raises it knows: `edgekit why` names it. Empty: the message says it all."""


class EdgekitError(Exception):
    """An error that edgekit expected: one sentence, a hint, and an exit code."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str, details: str = "", cause: Cause = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details
        self.cause: Cause = cause


class InputError(EdgekitError):
    """A file or an argument is wrong: the user edits it and tries again."""

    exit_code = 2


class NothingSelected(EdgekitError):
    """A selection matched no device, release or target."""

    exit_code = 3


class WheelError(EdgekitError):
    """A Python requirement cannot be had or built for the target."""

    exit_code = 4


class EngineError(EdgekitError):
    """A model cannot be compiled, or does not answer as it must."""

    exit_code = 5


class TrustError(EdgekitError):
    """Signature, digest or host key is not what it must be. Never retried."""

    exit_code = 6


class Unreachable(EdgekitError):
    """A device does not answer, or the link to it broke."""

    exit_code = 7


class RolloutError(EdgekitError):
    """A release did not become the running one; the device runs what it ran before."""

    exit_code = 8


class LockHeld(EdgekitError):
    """Somebody else is working on the same thing."""

    exit_code = 9

    def __init__(self, message: str, *, hint: str, details: str = "", holder: str = "") -> None:
        super().__init__(message, hint=hint, details=details)
        self.holder = holder
        """Who, as they named themselves; empty where nobody knows."""


class Interrupted(EdgekitError):
    """The user stopped the command."""

    exit_code = 130


class FrameReleased(EdgekitError):
    """A stage asks for the picture of a frame whose way has ended: its memory is another frame's by now."""


class PicturesFull(EdgekitError):
    """There is no room for one more picture that outlives its frame: who asks may go on without it."""


BY_EXIT_CODE: dict[int, type[EdgekitError]] = {
    cls.exit_code: cls
    for cls in (
        EdgekitError,
        InputError,
        NothingSelected,
        WheelError,
        EngineError,
        TrustError,
        Unreachable,
        RolloutError,
        LockHeld,
        Interrupted,
    )
}
