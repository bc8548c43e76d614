"""How an application's models are reached from outside, as written in recipe.toml under `[serve]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from edgekit.schema.bounds import Between
from edgekit.schema.names import HostName, OneLine, TableName

MIN_TOKEN = 16
"""Characters."""
_LOOPBACK = re.compile(r"127(?:\.[0-9]{1,3}){3}|::1|localhost", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """Models with `serve = true` answer requests of the Open Inference Protocol, version 2, over HTTP.

    The requests of each model are a stream of their own in front of the lane that runs it: they wait in line with the
    frames of cameras, under the same rules.
    """

    port: Annotated[int, Between(0, 65_535)] = 8000
    """TCP port of the board, 1024 or higher. 0: the keeper's socket alone, `/run/edgekit/serve/APPLICATION.sock`."""
    address: HostName = "127.0.0.1"
    """Where the port is opened. Off the board's own loopback it takes a `token`, and that travels unencrypted."""
    token: OneLine | None = None
    """A secret setting: `{ setting = "NAME" }`. 16 characters or more; who comes to the port shows it."""
    requests: Annotated[int, Between(1, 256)] = 8
    """How many are under way at once, of all models; more are turned away with 503 and `Retry-After`."""
    priority: Annotated[int, Between(0, 100)] = 0
    """As of a source: lanes take the highest first."""
    weight: Annotated[float, Between(0.01, 100)] = 1.0
    """As of a source: each model's share of its lane's time, among streams of the same priority."""
    max_wait_s: Annotated[float, Between(above=0, maximum=3600)] | Literal["never"] = 2.0
    """As of a source: after so long a model's requests come before every priority."""
    lane: TableName | None = None
    """Runs served models that no stage runs; the others run where their first stage does."""


def is_loopback(address: str) -> bool:
    """Whether only the board itself reaches an address: no token is asked for there unless there is one."""
    return _LOOPBACK.fullmatch(address) is not None
