"""`edgekit start`, `stop` and `remove`: one application on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from edgekit.cli.keeper_session import ActivationOutput, BreakLock, DeviceArgument, NamedApplication, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.schema.control import Verb


@examples("edgekit start gate-7 sorting-line")
def start(
    ctx: typer.Context,
    device: DeviceArgument,
    application: NamedApplication,
    break_lock: BreakLock = False,
    as_json: JsonFlag = False,
) -> None:
    """Run a stopped application again, and wait until it is healthy."""
    _ask(ctx, device, _Change("start", application, "runs, and is healthy", break_lock), as_json=as_json)


@examples("edgekit stop gate-7 sorting-line")
def stop(
    ctx: typer.Context,
    device: DeviceArgument,
    application: NamedApplication,
    break_lock: BreakLock = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop an application until it is started or deployed again; a reboot does not start it. Others run on."""
    _ask(ctx, device, _Change("stop", application, "is stopped", break_lock), as_json=as_json)


@examples("edgekit remove gate-7 sorting-line")
def remove(
    ctx: typer.Context,
    device: DeviceArgument,
    application: NamedApplication,
    break_lock: BreakLock = False,
    as_json: JsonFlag = False,
) -> None:
    """Stop an application and delete it from a device: releases, state and its own files. Others run on."""
    _ask(ctx, device, _Change("remove", application, "is removed", break_lock), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Change:
    verb: Verb
    application: str
    outcome: str
    break_lock: bool


def _ask(ctx: typer.Context, device: str, wanted: _Change, *, as_json: bool) -> None:
    out = output_for(as_json)
    with keeper_of(ctx, device) as keeper:
        watch = ActivationOutput(device, out)
        keeper.change(wanted.verb, wanted.application, watch, break_lock=wanted.break_lock)
    told = {"device": device, "application": wanted.application}
    out.result(told, f"{device}: {wanted.application} {wanted.outcome}")
