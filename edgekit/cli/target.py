"""`edgekit target`: which board types there are, what one is, and what a board is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument
from edgekit.cli.session import JsonFlag, output_for, settings_of, workstation_of
from edgekit.cli.verbs import Verbs, examples
from edgekit.schema.units import format_bytes, format_cpus

if TYPE_CHECKING:
    from edgekit.host.workflow.probe import ProbedBoard
    from edgekit.host.workflow.target_list import OfferedTarget
    from edgekit.schema.facts import DeviceFacts
    from edgekit.schema.target import Accelerator

app = Verbs("Show board types, and probe boards for theirs.")


@app.command("list")
@examples("edgekit target list")
def list_(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """List the targets: what each offers, its engines and limits, and how well such boards are known."""
    from edgekit.host.workflow.target_list import offered_targets

    targets = list(offered_targets(settings_of(ctx)))
    width = max((len(target.name) for target in targets), default=0)
    lines = [line for target in targets for line in _listed(target, width)]
    output_for(as_json).result({"targets": targets}, "\n".join(lines))


def _listed(target: OfferedTarget, width: int) -> list[str]:
    """A target for people."""
    offer = target.offer
    known = f"; known from: {target.known_from}" if target.known_from else ""
    offers = f"wheels: {offer.wheels}; engines: {offer.engines}; limits: {offer.limits}{known}"
    return [f"{target.name:{width}}  {target.title}", f"{'':{width}}  {offers}"]


@app.command()
@examples("edgekit target show rk3588-debian12")
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="A target's name: edgekit target list.")],
    as_json: JsonFlag = False,
) -> None:
    """Show a target whole, as its file would say it; of `host`, what a probe of this machine finds."""
    from edgekit.host.catalogue.targets import find_target
    from edgekit.host.toml_text import to_toml

    target = find_target(name, settings_of(ctx))
    output_for(as_json).result(target, to_toml(target).rstrip())


@app.command()
@examples("edgekit target probe root@10.0.0.7", "edgekit target probe gate-7 --out targets/gate.toml")
def probe(
    ctx: typer.Context,
    device: DeviceArgument,
    name: Annotated[str, typer.Option(help="The target's name; by default the board's and its system's.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write; by default targets/NAME.toml.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that says something else.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Read what a board is, say which known target it is, and write a target file that describes it."""
    from edgekit.host.workflow.probe import TargetChoice, probe_board

    output = output_for(as_json)
    board = probe_board(device, TargetChoice(name=name, out=out, force=force), workstation_of(ctx, output))
    lines = [*describe(board.facts), *[f"  warning   {text}" for text in board.facts.warnings]]
    known = board.identity.match
    result = {"target": known.target, "reasons": known.reasons, "file": str(board.file)}
    identity = {"stranger": board.identity.stranger, "advice": board.identity.advice}
    output.result(result | identity | {"facts": board.facts}, "\n".join([*lines, *_conclusion(board)]))


def _conclusion(board: ProbedBoard) -> list[str]:
    """What a probed board is, and what to do with it next."""
    known, name = board.identity.match.target, board.target.name
    if known:
        lines = [f"It is a {known}; {board.file} describes it as it is now."]
    elif board.identity.stranger:
        lines = [f"It is {board.identity.stranger}, which edgekit has no target for; {board.file} describes it."]
        lines.append(f"What can be done with it: {board.identity.advice}")
    else:
        lines = [f"No known target is like it; {board.file} describes it."]
    if board.runs_releases:
        return [*lines, f"edgekit build RECIPE --target {known or name}"]
    if not board.identity.stranger:
        lines.append(f"Its Python is too old for keeper and workers: {board.identity.newer_python}")
    return lines


def describe(facts: DeviceFacts) -> list[str]:
    """Facts for people."""
    system = f"{facts.os_title}, kernel {facts.kernel}"
    if facts.l4t:
        system += f", L4T {facts.l4t}"
    groups = [f"{group.name} {format_cpus(group.cpus)} (capacity {group.capacity})" for group in facts.clusters]
    cgroup = f"version {facts.cgroup_version}: {' '.join(facts.cgroup_controllers)}" if facts.cgroup_version else "none"
    return [
        facts.model or facts.os_title,
        f"  system    {system}",
        f"  libc      {facts.libc or 'unknown'} {facts.libc_version}",
        f"  python    {facts.python.version} ({facts.python.path})",
        f"  cpus      {', '.join(groups)}",
        f"  memory    {format_bytes(facts.memory_bytes)}, page {format_bytes(facts.page_bytes)}",
        f"  cgroup    {cgroup}{', with PSI' if facts.psi else ''}",
        *[f"  engines   {engine(accelerator)}" for accelerator in facts.accelerators],
    ]


def engine(accelerator: Accelerator) -> str:
    """An accelerator in a line."""
    parts = [
        f"{accelerator.kind} {accelerator.runtime_version or 'without its runtime'} on {accelerator.soc}",
        f"driver {accelerator.driver_version}" if accelerator.driver_version else "",
        f"CUDA {accelerator.cuda}" if accelerator.cuda else "",
        f"{accelerator.sm_count} SMs of {accelerator.sm}" if accelerator.sm_count else "",
        f"{accelerator.npu_cores} NPU cores" if accelerator.npu_cores else "",
        f"{accelerator.dla_cores} DLA cores" if accelerator.dla_cores else "",
        f"power mode {accelerator.power_mode}" if accelerator.power_mode else "",
    ]
    return ", ".join(filter(None, parts))
