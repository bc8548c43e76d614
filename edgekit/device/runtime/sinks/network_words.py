"""Why a server on the network cannot be had, in few words that stay the same from try to try."""

from __future__ import annotations

import ssl


def network_words(error: BaseException | None) -> str:
    """An error's reason, without addresses and whatever else may stand in its text."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"nobody whom the board trusts has signed its certificate ({error.verify_message})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
