"""`edgekit start`, `stop` and `remove`: one application on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgekit.cli.keeper_session import ActivationOutput, DeviceArgument, NamedApplication, keeper_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.schema.control import Verb


@examples("edgekit start gate-7 sorting-line")
def start(ctx: typer.Context, device: DeviceArgument, application: NamedApplication, as_json: JsonFlag = False) -> None:
    """Run a stopped application again, and wait until it is healthy."""
    _ask(ctx, device, "start", application, as_json=as_json, outcome="runs, and is healthy")


@examples("edgekit stop gate-7 sorting-line")
def stop(ctx: typer.Context, device: DeviceArgument, application: NamedApplication, as_json: JsonFlag = False) -> None:
    """Stop an application until it is started or deployed again; a reboot does not start it. Others run on."""
    _ask(ctx, device, "stop", application, as_json=as_json, outcome="is stopped")


@examples("edgekit remove gate-7 sorting-line")
def remove(
    ctx: typer.Context, device: DeviceArgument, application: NamedApplication, as_json: JsonFlag = False
) -> None:
    """Stop an application and delete it from a device: releases, state and its own files. Others run on."""
    _ask(ctx, device, "remove", application, as_json=as_json, outcome="is removed")


def _ask(ctx: typer.Context, device: str, verb: Verb, application: str, *, as_json: bool, outcome: str) -> None:
    out = output_for(as_json)
    with keeper_of(ctx, device) as keeper:
        keeper.change(verb, application, ActivationOutput(device, out))
    out.result({"device": device, "application": application}, f"{device}: {application} {outcome}")
