"""`edgekit wheel build`: wheels of single packages, for a board."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, settings_of
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
    from edgekit.cli.wheel_kit import Kit
    from edgekit.errors import InputError
    from edgekit.host.cache import using
    from edgekit.host.catalogue.targets import find_target
    from edgekit.host.wheel.collect import How, collect
    from edgekit.host.wheel.given import lines_of
    from edgekit.host.wheel.needs import wanted_for

    settings, output = settings_of(ctx), output_for(as_json)
    ctx.with_resource(using(settings.cache_dir))
    found = find_target(target, settings)
    kit = Kit(settings, found, output)
    asked = lines_of([*(requirements or ()), *(f"-r {file}" for file in lists or ())], Path())
    if not asked:
        raise InputError("nothing was asked for", hint="name a requirement: edgekit wheel build NAME --target T")
    wanted = wanted_for(found, (), ()).only()
    builder = kit.builder(wanted)
    wheels, lines = [], []
    for requirement, base in asked:
        began = time.monotonic()
        how = How(binary=not no_binary, again=again, base=base)
        collected = collect(requirement, wanted, kit.uv, builder, how)
        path = copy_into(collected.path, out)
        told = {"path": str(path), "seconds": round(time.monotonic() - began, 2), **describe(collected)}
        wheels.append(told)
        lines.append(f"{path}  {told['how']}")
    output.result({"target": found.name, "wheels": wheels}, "\n".join(lines))


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


def copy_into(wheel: Path, folder: Path) -> Path:
    """Copy a wheel, whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    import shutil

    from edgekit.errors import InputError

    made, aside = folder / wheel.name, folder / f".{wheel.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(wheel, aside)
        aside.replace(made)
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}", hint="choose another --out") from None
    return made
