"""What `edgekit deploy --plan` shows: for each device yes, or no and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgekit.cli.doctor import finding_line

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.fitting import DeviceFit, FleetFit


def show_fit(found: FleetFit, output: Output) -> None:
    """Show which devices could run a release. Exit code 8 where one cannot, 7 where one does not answer."""
    output.result(found, "\n".join(line for one in found.devices for line in _lines(one)))
    if found.refused:
        raise typer.Exit(8)
    if found.unknown:
        raise typer.Exit(7)


def _lines(found: DeviceFit) -> list[str]:
    """One line, and one for each reason."""
    if found.unreachable:
        return [f"{found.device}: not known: {found.unreachable}"]
    if found.fault:
        return [f"{found.device}: no: {found.fault}"]
    word = "no" if not found.fits else "yes, with warnings" if found.findings else "yes"
    return [f"{found.device}: {word}", *(f"  {finding_line(item)}" for item in found.findings)]
