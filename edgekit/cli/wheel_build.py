"""`edgekit wheel build`: wheels of single packages, for a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.host.wheel.collect import Collected


@examples(
    "edgekit wheel build lap==0.5.13 --target jetson-orin-nano-jp62 --no-binary",
    "edgekit wheel build ./my-extension --target rk3588-debian12 --out wheels",
)
def build(
    ctx: typer.Context,
    target: TargetOption,
    requirements: Annotated[
        list[str] | None,
        typer.Argument(metavar="REQUIREMENT...", help="As pip reads it, or a wheel, a source package or a folder."),
    ] = None,
    lists: Annotated[
        list[str] | None, typer.Option("-r", "--requirement", metavar="FILE", help="A list of requirements.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the wheels.")] = Path("wheelhouse"),
    no_binary: Annotated[bool, typer.Option("--no-binary", help="Build even where an index has a wheel.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Build what the cache has too; other bytes: error.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Get wheels that a target can load: an index's where one fits, else cross-built. What they need is left out."""
    from edgekit.host.workflow.wheel_jobs import WheelChoice, build_wheels

    output = output_for(as_json)
    asked = [*(requirements or ()), *(f"-r {file}" for file in lists or ())]
    choice = WheelChoice(out=out, binary=not no_binary, again=again)
    made = build_wheels(asked, target, choice, workstation_of(ctx, output))
    wheels = [{"path": str(one.path), "seconds": one.seconds, **describe(one.wheel)} for one in made]
    output.result(
        {"target": target, "wheels": wheels}, "\n".join(f"{wheel['path']}  {wheel['how']}" for wheel in wheels)
    )


def describe(collected: Collected) -> dict[str, Any]:
    """A wheel for people and scripts."""
    record = collected.record
    how = "downloaded"
    if record is not None:
        how = (
            "from the cache" if collected.from_cache else f"built in {record.seconds:.1f} s with {record.made.compiler}"
        )
    return {
        "name": collected.name,
        "version": collected.version,
        "sha256": collected.sha256,
        "source": "cross-built" if record else "downloaded",
        "from_cache": collected.from_cache,
        "how": how,
        "built": record,
    }
