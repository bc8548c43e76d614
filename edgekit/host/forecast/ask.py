"""Asks the runtime's own forecast, which runs as a child: host and device never import each other."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from edgekit.errors import InputError
from edgekit.executor import Executor
from edgekit.schema.forecast import ForecastReply, ForecastRequest, ModelsReply, ModelsRequest
from edgekit.schema.message import from_message, to_message

_CHILD = "edgekit.device.runtime.forecast"
_MODELS = "edgekit.device.runtime.profiling.models"
_TIMEOUT_S = 600.0


def ask_forecast(request: ForecastRequest, executor: Executor) -> ForecastReply:
    """Foretell how a plan runs.

    Raises:
        InputError: the profile does not fit what is asked.
    """
    argv = [sys.executable, "-I", "-m", _CHILD]
    done = executor.run(argv, timeout_s=_TIMEOUT_S, stdin=to_message(request))
    if done.returncode:
        raise InputError(
            "the forecast failed on this plan and profile",
            hint="measure the release again: edgekit profile DEVICE RELEASE",
            details=done.errors,
        )
    reply = from_message(ForecastReply, done.stdout, "the forecast")
    if reply.failure:
        raise InputError(reply.failure, hint=reply.hint)
    return reply


def ask_models(request: ModelsRequest, executor: Executor) -> Mapping[str, int]:
    """What models take on this machine's CPU, in bytes; those that cannot be loaded here are not among them."""
    done = executor.run([sys.executable, "-I", "-m", _MODELS], timeout_s=_TIMEOUT_S, stdin=to_message(request))
    if done.returncode:
        return {}
    return from_message(ModelsReply, done.stdout, "the models' memory").memory_bytes
