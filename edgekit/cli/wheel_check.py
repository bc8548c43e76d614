"""`edgekit wheel check`: whether a target can load wheels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted

if TYPE_CHECKING:
    from edgekit.errors import WheelError
    from edgekit.host.wheel.check.audit import WheelReport

_ASKED = ("GLIBC", "GLIBCXX", "CXXABI")


@examples("edgekit wheel check wheelhouse/lap.whl --target rk3588-debian12")
def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Wheels; what one of them brings counts for the others.")
    ],
    target: TargetOption,
    as_json: JsonFlag = False,
) -> None:
    """Read every compiled file of wheels and say what a target could not load, and why. Faults end in exit code 4."""
    from edgekit.cli.output import Output
    from edgekit.host.workflow.wheel_cache import check_files

    reports = check_files(files, target, settings_of(ctx))
    text = "\n".join(line for report in reports for line in describe(report))
    output_for(as_json).result({"target": target, "wheels": reports}, text)
    if error := summary(reports):
        Output(as_json=False).error(error)  # on stderr alone: stdout has its one object
        raise typer.Exit(error.exit_code)


def describe(report: WheelReport) -> list[str]:
    """A report for people."""
    asks = [f"{family} {version}" for family, version in report.versions.items() if family in _ASKED]
    files = counted(report.elf_files, "compiled file") if report.elf_files else "nothing compiled"
    lines = [f"{report.file}: {', '.join([report.true_platform, files, *asks])}"]
    for fault in report.faults:
        spared = " (loads all the same)" if fault.severity == "warn" else ""
        lines += [f"  {fault.code}: {fault.file} {fault.message}{spared}", f"    {fault.hint}"]
    lines += [f"  not for the target: {note.file} {note.message}" for note in report.notes]
    return lines


def summary(reports: tuple[WheelReport, ...]) -> WheelError | None:
    """One sentence for all faults, if there are any; the first that stops a wheel is named."""
    from edgekit.errors import WheelError

    faults = sorted((fault for report in reports for fault in report.faults), key=lambda fault: fault.severity)
    if not faults:
        return None
    bad = sum(bool(report.faults) for report in reports)
    more = f" ({len(faults)} faults in {bad} of {counted(len(reports), 'wheel')})" if len(faults) > 1 else ""
    return WheelError(f"{faults[0]}{more}", hint=faults[0].hint)
