"""`edgekit doctor`: what is missing on a device, each with its cure."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument
from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.executor import Executor
    from edgekit.host.fit.engine_fit import EngineVerdict
    from edgekit.host.fit.finding import Finding
    from edgekit.schema.facts import DeviceFacts
    from edgekit.schema.fleet import Device
    from edgekit.schema.manifest import Manifest


@examples("edgekit doctor gate-7", "edgekit doctor gate-7 out/line")
def doctor(
    ctx: typer.Context,
    device: DeviceArgument,
    release: Annotated[Path | None, typer.Argument(help="A release's folder: also what it needs there.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what is missing on a device for edgekit, and for a release; exit code 8 when something is."""
    from edgekit.host.catalogue.detect import match_target
    from edgekit.host.catalogue.targets import list_targets
    from edgekit.host.fit.engine_fit import judge_each
    from edgekit.host.fit.negotiate import judge_all, judge_board, judge_keeper, judge_login
    from edgekit.host.link.connection import connect
    from edgekit.host.link.inventory import find_device
    from edgekit.host.release.folder import open_release

    settings, out = settings_of(ctx), output_for(as_json)
    manifest = open_release(release).manifest if release else None
    found = find_device(device, settings)
    executor = connect(found)
    try:
        with out.step(f"{device}: reading its facts"):
            facts = device_facts(found, executor, manifest)
    finally:
        executor.close()
    systemd, now_s = found.service == "systemd", time.time()
    targets = list_targets(settings)
    match = match_target(facts, targets).target
    if manifest:
        findings = judge_all(manifest, facts, found, clock_s=now_s)
        for target in targets:
            if target.name == manifest.target:
                findings += judge_board(target, recognised=match)
    else:
        findings = judge_keeper(facts, systemd=systemd, clock_s=now_s)
    findings += judge_login(facts, systemd=systemd)
    lines = [f"{device}: {facts.model or facts.os_title}, target {match or 'unknown'}"]
    engines = judge_each(manifest.engines, manifest.wheels, facts) if manifest else ()
    by_engine = {item for verdict in engines for item in verdict.findings}
    lines += [f"  {worded(item)}" for item in findings if item not in by_engine]
    lines += [line for verdict in engines for line in engine_lines(verdict)]
    lines += [f"  warning: {text}" for text in facts.warnings]
    lines += [] if findings else ["  nothing is missing"]
    told = {"device": device, "target": match, "findings": findings, "engines": engines, "warnings": facts.warnings}
    out.result(told, "\n".join(lines))
    if any(item.severity == "refuse" for item in findings):
        raise typer.Exit(8)


def worded(finding: Finding) -> str:
    """A finding for people."""
    return f"{'' if finding.severity == 'refuse' else 'warning: '}{finding}"


def engine_lines(verdict: EngineVerdict) -> list[str]:
    """Whether an engine fits, and a line for each reason why not."""
    word = "fits" if verdict.fits else "does not fit"
    return [
        f"  engine {verdict.name} for {verdict.runner}: {word}",
        *(f"    {worded(one)}" for one in verdict.findings),
    ]


def device_facts(device: Device, executor: Executor, manifest: Manifest | None) -> DeviceFacts:
    """Read a device's facts as a release's worker would meet them."""
    from edgekit.host.probe import read_facts
    from edgekit.schema.board import BoardPaths

    interpreter = (manifest.requires.python_path if manifest else "") or "python3"
    state_dir = BoardPaths(prefix=device.prefix).state_dir
    return read_facts(executor, interpreter=interpreter, state_dir=state_dir)
