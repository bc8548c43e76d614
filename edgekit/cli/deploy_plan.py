"""What `edgekit deploy --plan` shows: for each device yes, or no and why, and what it would be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgekit.cli.doctor import finding_line
from edgekit.schema.units import counted, format_bytes

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.deploy_plan import DeployPlan, TransferFigures
    from edgekit.host.workflow.fitting import DeviceFit


def show_plan(found: DeployPlan, output: Output) -> None:
    """Show which devices could run a release. Exit code 8 where one cannot, 7 where one does not answer."""
    pairs = zip(found.devices, found.transfers, strict=True)
    output.result(found, "\n".join(line for fit, transfer in pairs for line in _lines(fit, transfer)))
    if found.refused:
        raise typer.Exit(8)
    if found.unknown:
        raise typer.Exit(7)


def _lines(found: DeviceFit, transfer: TransferFigures) -> list[str]:
    """One line, one for each reason, and one for what would be sent."""
    if found.unreachable:
        return [f"{found.device}: not known: {found.unreachable}"]
    if found.fault:
        return [f"{found.device}: no: {found.fault}"]
    word = "no" if not found.fits else "yes, with warnings" if found.findings else "yes"
    lines = [f"{found.device}: {word}", *(f"  {finding_line(item)}" for item in found.findings)]
    return [*lines, f"  {_transfer_line(transfer)}"] if found.fits else lines


def _transfer_line(found: TransferFigures) -> str:
    if found.unknown:
        return f"what would be sent is not known: {found.unknown}"
    if not found.files:
        return f"would be sent: {found.send_bytes} bytes; every file is there"
    patches = f", {found.patches} as patches" if found.patches else ""
    what = f"{counted(found.files, 'file')} of {format_bytes(found.file_bytes)}{patches}"
    return f"would be sent: {found.send_bytes} bytes ({format_bytes(found.send_bytes)}): {what}"
