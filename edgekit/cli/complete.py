"""What the shell offers for names: of targets, and of devices. Called by typer's shell completion."""

from __future__ import annotations

from typing import Annotated

import typer

from edgekit.cli.session import settings_of


def target_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of targets; an empty list where they cannot be read, because completion has nowhere to show an error."""
    from edgekit.host.catalogue.targets import target_files

    try:
        return [name for name in target_files(settings_of(ctx)) if name.startswith(incomplete)]
    except Exception:
        return []


def device_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of running boards and of the fleet's devices."""
    from edgekit.host.link.inventory import known_devices

    try:
        return [name for name in known_devices(settings_of(ctx)) if name.startswith(incomplete)]
    except Exception:
        return []


TargetOption = Annotated[
    str, typer.Option("--target", "-t", help="A target's name: edgekit target list.", autocompletion=target_names)
]
