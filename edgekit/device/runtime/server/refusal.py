"""Why a request is not answered as its client would like."""

from __future__ import annotations

BUSY_RETRY_S = 1
"""What a client that is turned away is asked to wait."""


class Refusal(Exception):
    """Told to the client with a status of HTTP, in one sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def unusable(message: str) -> Refusal:
    """The request is wrong: sent again, it would be as wrong."""
    return Refusal(400, message)


def busy(message: str) -> Refusal:
    """Not now."""
    return Refusal(503, message)
