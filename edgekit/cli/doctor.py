"""`edgekit doctor`: what is missing on a device, each with its cure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, access_of
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.host.fit.engine_fit import EngineVerdict
    from edgekit.host.fit.finding import Finding
    from edgekit.host.workflow.doctor import Diagnosis
    from edgekit.schema.worker_status import Confinement


@examples(
    "edgekit doctor gate-7", "edgekit doctor gate-7 out/line", "edgekit doctor gate-7 --profile gate-7.profile.json"
)
def doctor(
    ctx: typer.Context,
    device: DeviceArgument,
    release: Annotated[Path | None, typer.Argument(help="A release's folder: also what it needs there.")] = None,
    profile: Annotated[
        Path | None,
        typer.Option(help="What `edgekit profile` has written: is the board in that state. Else the release's own."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what is missing on a device for edgekit and for a release, or unhealthy there; exit code 8 if anything is."""
    from edgekit.host.workflow.doctor import diagnose

    output = output_for(as_json)
    found = diagnose(device, release, access_of(ctx), workstation_of(ctx, output), profile)
    result = {
        "device": device,
        "target": found.target,
        "findings": found.findings,
        "engines": found.engines,
        "rga": found.rga,
        "confinement": found.confinement,
        "warnings": found.warnings,
        "not_taken": found.not_taken,
    }
    output.result(result, "\n".join(_lines(found)))
    if found.refused:
        raise typer.Exit(8)


def finding_line(finding: Finding) -> str:
    """A finding for people."""
    return f"{'' if finding.severity == 'refuse' else 'warning: '}{finding}"


def confinement_line(found: Confinement) -> str:
    """What workers there are kept from, for people."""
    if found.lacks:
        what = f", but for {'; '.join(found.lacks)}"
    else:
        what = ": limits and devices by cgroup v2, a user, files, /tmp and /dev/shm of its own, system calls taken away"
    kept = "watching it, and by the disk where that has project quotas"
    return f"each worker is confined{what}; its folder is kept within work_max by {kept}"


def _lines(found: Diagnosis) -> list[str]:
    by_engine = {item for verdict in found.engines for item in verdict.findings}
    return [
        f"{found.device}: {found.title}, target {found.target or 'unknown'}",
        *(f"  {finding_line(item)}" for item in found.findings if item not in by_engine),
        *([f"  RGA can convert frames: {found.rga}"] if found.rga else []),
        *([f"  {confinement_line(found.confinement)}"] if found.confinement else []),
        *(line for verdict in found.engines for line in _engine_lines(verdict)),
        *([f"  the release is not taken: {found.not_taken}"] if found.not_taken else []),
        *(f"  warning: {text}" for text in found.warnings),
        *([] if found.findings or found.not_taken else ["  nothing is missing"]),
    ]


def _engine_lines(verdict: EngineVerdict) -> list[str]:
    """Whether an engine fits, and a line for each reason why not."""
    word = "fits" if verdict.fits else "does not fit"
    return [
        f"  engine {verdict.name} for {verdict.runner}: {word}",
        *(f"    {finding_line(one)}" for one in verdict.findings),
    ]
