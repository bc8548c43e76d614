"""What every verb gets: the user's settings and a voice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.host.settings import Settings

if TYPE_CHECKING:
    from edgekit.cli.output import Output

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def settings_of(ctx: typer.Context) -> Settings:
    """The settings that `main` read from the environment."""
    settings = ctx.find_root().obj
    assert isinstance(settings, Settings)
    return settings


def voice(as_json: bool) -> Output:
    """The verb's output."""
    from edgekit.cli.output import Output

    return Output(as_json=as_json)
