"""What the verbs that talk to one keeper share: the device's name, a conversation, and what the keeper reports."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import device_names
from edgekit.cli.session import settings_of
from edgekit.schema.units import counted, format_rate

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.link.client import KeeperClient
    from edgekit.host.workflow.devices import DeviceAccess
    from edgekit.schema.control import Event

DeviceArgument = Annotated[
    str,
    typer.Argument(help="A name from fleet.toml, a running board, or USER@HOST[:PORT].", autocompletion=device_names),
]
OneApplication = Annotated[str, typer.Argument(help="Which application; the only one needs no name.")]
BreakLock = Annotated[
    bool, typer.Option("--break-lock", help="Take the deployment lock from whoever has it; both are told, and the log.")
]
NamedApplication = Annotated[str, typer.Argument(help="Which application: `edgekit status` lists them.")]
_FIGURES_EVERY_S = 2.0


def access_of(ctx: typer.Context) -> DeviceAccess:
    """The user's devices and the way to them."""
    from edgekit.host.workflow.devices import device_access

    return device_access(settings_of(ctx))


def keeper_of(ctx: typer.Context, device: str) -> AbstractContextManager[KeeperClient]:
    """A conversation with the device's keeper."""
    return access_of(ctx).keeper(device)


class ActivationOutput:
    """Shows what a keeper reports while a release starts: each phase once, figures every few seconds."""

    def __init__(self, device: str, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self._device = device
        self._output = output
        self._clock = clock
        self._last = ""
        self._shown_s = -_FIGURES_EVERY_S

    def __call__(self, event: Event) -> None:
        """Show one event of the keeper."""
        if event.kind in ("state", "progress") and event.message and event.message != self._last:
            self._last = event.message
            self._output.note(f"{self._device}: {event.message}")
        elif event.report is not None and self._clock() - self._shown_s > _FIGURES_EVERY_S:
            self._shown_s = self._clock()
            report = event.report
            figures = f"{format_rate(report.fps)} fps, p99 {report.p99_ms:.0f} ms, {counted(report.frames, 'frame')}"
            self._output.note(f"{self._device}:   {report.phase} {report.message or figures}")
