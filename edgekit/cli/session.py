"""What every verb gets: the user's settings and an output."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.host.settings import Settings

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.executor.local import LocalExecutor
    from edgekit.host.workflow.workstation import Workstation


def _finite(value: float | None) -> float | None:
    """Refuse `nan`, which no range catches: it is neither below nor above anything."""
    if value is not None and math.isnan(value):
        raise typer.BadParameter("nan is no number of anything")
    return value


JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
OlderThan = Annotated[
    float | None,
    typer.Option(min=0, max=36500, callback=_finite, help="Throw away what nobody used for so many days; 0: all."),
]
SecondsOption = typer.Option(min=0, max=86400, callback=_finite, help="Show live figures for so many seconds first.")


def settings_of(ctx: typer.Context) -> Settings:
    """The settings that `main` read from the environment."""
    settings = ctx.find_root().obj
    assert isinstance(settings, Settings)
    return settings


def output_for(as_json: bool) -> Output:
    """The verb's output."""
    from edgekit.cli.output import Output

    return Output(as_json=as_json)


def workstation_of(ctx: typer.Context, output: Output) -> Workstation:
    """What a whole job of `host.workflow` works with."""
    from edgekit.host.sandbox.sandbox import Sandbox
    from edgekit.host.workflow.workstation import Workstation

    executor = local()
    sandbox = Sandbox(executor, output)
    return Workstation(settings=settings_of(ctx), executor=executor, progress=output, sandbox=sandbox)


def local() -> LocalExecutor:
    """What runs programs on this machine; each ends up in the run's log."""
    from edgekit.executor.local import LocalExecutor
    from edgekit.executor.record import record_program

    return LocalExecutor(record=record_program)
