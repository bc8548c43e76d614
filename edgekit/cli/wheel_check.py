"""`edgekit wheel check`: whether a target can load wheels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.session import JsonFlag, settings_of, voice


def check(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Wheels.")],
    target: Annotated[str, typer.Option("--target", "-t", help="A target's name: edgekit target list.")],
    as_json: JsonFlag = False,
) -> None:
    """Read every compiled file of wheels and say what a target could not load, and why. Faults end in exit code 4."""
    from edgekit.errors import WheelError
    from edgekit.host.catalogue import find_target
    from edgekit.host.wheel.check.audit import check_wheel
    from edgekit.host.wheel.check.loads import loads_of

    settings = settings_of(ctx)
    found = find_target(target, settings)
    loads = loads_of(found, settings.data_dir / "cross")
    reports = [check_wheel(file, loads) for file in files]
    lines = []
    for report in reports:
        asks = ", ".join(f"{family} {version}" for family, version in report.versions.items())
        lines.append(f"{report.file}: {report.true_platform}, {report.elf_files} compiled files{asks and ', ' + asks}")
        lines += [f"  {fault.code}: {fault.file} {fault.message}\n    {fault.hint}" for fault in report.faults]
    voice(as_json).result({"target": found.name, "wheels": reports}, "\n".join(lines))
    faults = [fault for report in reports for fault in report.faults]
    if faults:
        bad = sum(bool(report.faults) for report in reports)
        more = f" ({len(faults)} faults in {bad} of {len(reports)} wheels)" if len(faults) > 1 else ""
        raise WheelError(f"{faults[0]}{more}", hint=faults[0].hint)
