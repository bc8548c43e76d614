"""Foretells: a `ForecastRequest` on standard input, the reply on standard output."""

from __future__ import annotations

import sys

from edgekit.device.runtime.forecast.foretell import foretell
from edgekit.errors import EdgekitError
from edgekit.schema.forecast import ForecastReply, ForecastRequest
from edgekit.schema.message import from_message, to_message


def main() -> None:
    """Answer one request."""
    request = from_message(ForecastRequest, sys.stdin.buffer.read(), "the request")
    try:
        reply = foretell(request)
    except EdgekitError as error:
        reply = ForecastReply(failure=error.message, hint=error.hint)
    sys.stdout.buffer.write(to_message(reply))


if __name__ == "__main__":
    main()
