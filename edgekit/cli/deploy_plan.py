"""What `edgekit deploy --plan` shows: for each device yes, or no and why, and what would be sent."""

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
    """Show which devices would take a release. Exit code 8 where one would not, 7 where one does not answer."""
    pairs = zip(found.devices, found.transfers, strict=True)
    output.result(found, "\n".join(line for fit, transfer in pairs for line in _lines(fit, transfer)))
    if found.refused or found.not_taken:
        raise typer.Exit(8)
    if found.unknown or found.not_asked:
        raise typer.Exit(7)


def _lines(found: DeviceFit, transfer: TransferFigures) -> list[str]:
    """One line, one for each reason, and one for what would be sent."""
    if found.unreachable:
        return [f"{found.device}: not known: {found.unreachable}"]
    if found.fault:
        return [f"{found.device}: no: {found.fault}"]
    lines = [f"{found.device}: {_word(found, transfer)}", *(f"  {finding_line(item)}" for item in found.findings)]
    return [*lines, *(f"  {line}" for line in _transfer_lines(transfer))] if found.fits else lines


def _word(found: DeviceFit, transfer: TransferFigures) -> str:
    if not found.fits or transfer.refused:
        return "no"
    if transfer.unknown:
        return "not known"
    return "yes, with warnings" if found.findings or transfer.warnings else "yes"


def _transfer_lines(found: TransferFigures) -> list[str]:
    if found.unknown:
        return [f"its keeper cannot be asked: {found.unknown}"]
    if found.runs:
        return ["runs already: nothing would be done"]
    lines = [found.refused] if found.refused else []
    lines += [finding_line(item) for item in found.warnings]
    if found.trust_first:
        lines.append("deploying brings it a later trust file first; this is what it says by the one it has")
    if not found.send_bytes:
        return lines
    patches = f", {found.patches} as patches" if found.patches else ""
    files = f"{counted(found.files, 'file')} of {format_bytes(found.file_bytes)}{patches}"
    what = files if found.files else "every file is there"
    return [*lines, f"would be sent: {found.send_bytes} bytes ({format_bytes(found.send_bytes)}): {what}"]
