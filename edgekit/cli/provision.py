"""`edgekit provision`: the keeper onto a device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, access_of
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted


@examples(
    "edgekit provision gate-7 --plan",
    "edgekit provision gate-7",
    "edgekit provision root@10.0.0.7 --allowed-signers signers",
)
def provision(
    ctx: typer.Context,
    device: DeviceArgument,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")] = False,
    allowed_signers: Annotated[
        Path | None, typer.Option(help="Who may sign releases (OpenSSH's format); by default you alone.")
    ] = None,
    without_me: Annotated[
        bool, typer.Option("--without-me", help="Others sign for the device: your own key need not be among theirs.")
    ] = False,
    replace_trust: Annotated[
        bool,
        typer.Option("--replace-trust", help="Put your trust file in place of the device's, whatever its version."),
    ] = False,
    drop_signers: Annotated[
        bool,
        typer.Option("--drop-signers", help="Let those sign no more whom the device trusts and you do not name."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Install the keeper on a device. Run twice, it changes nothing."""
    from edgekit.host.workflow.provision import ProvisionOptions, provision_device

    output = output_for(as_json)
    options = ProvisionOptions(
        plan=plan,
        allowed_signers=allowed_signers,
        without_me=without_me,
        replace_trust=replace_trust,
        drop_signers=drop_signers,
    )
    done = provision_device(device, options, access_of(ctx), workstation_of(ctx, output))
    number = f"{counted(len(done.changes), 'change')} {'done' if done.applied else 'planned'}"
    output.result(done, f"{device}: {number if done.changes else 'nothing to change'}")
