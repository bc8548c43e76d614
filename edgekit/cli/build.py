"""`edgekit build`: a recipe and a target become a signed release; `--verify` proves one by making it again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.verify_release import VerifiedRelease

_MOST_SHOWN = 10


@examples(
    "edgekit build recipes/sorting-line --target host",
    "edgekit build recipes/sorting-line --target rk3588-debian12 --out out/line",
    "edgekit build recipes/sorting-line -t jetson-orin-nano-jp62 --builder bench-orin",
    "edgekit build --verify out/line",
)
def build(
    ctx: typer.Context,
    recipe: Annotated[Path | None, typer.Argument(help="The recipe's folder.", show_default=False)] = None,
    target: TargetOption = "",
    out: Annotated[Path | None, typer.Option(help="Folder of the release; by default below out/.")] = None,
    key: Annotated[Path | None, typer.Option(help="Signing key, or the public half of one in your agent.")] = None,
    builder: Annotated[str, typer.Option(help="Device that compiles engines, where only such a board can.")] = "",
    update_lock: Annotated[bool, typer.Option("--update-lock", help="Resolve anew; write the recipe's lock.")] = False,
    profile: Annotated[
        Path | None,
        typer.Option(help="What edgekit profile measured of it."),
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(help="A release: make it again without any cache, and compare every byte.")
    ] = None,
    allowed_signers: Annotated[
        Path | None, typer.Option(help="With --verify: who may have signed it; by default your own file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Build a recipe for a target: Python packages, engines, plan, SBOM, signature. Twice gives the same digest.

    With --verify: 0 when every byte is the same, 2 when the inputs here are not those of the release, 6 when they are
    and something else came out, or when signatures or files are not what they must be.
    """
    from edgekit.errors import InputError

    output = output_for(as_json)
    if verify is not None:
        given = {"--target": target, "--out": out, "--key": key, "--builder": builder, "--update-lock": update_lock}
        given["--profile"] = profile
        if unused := [name for name, value in given.items() if value]:
            raise InputError(
                f"--verify takes everything from the release, and {unused[0]} is given too",
                hint=f"leave {' and '.join(unused)} out",
            )
        _verify(ctx, verify, recipe, allowed_signers, output)
        return
    if recipe is None or not target:
        missing = "the recipe's folder" if recipe is None else "--target"
        raise InputError(f"{missing} is missing", hint="edgekit build RECIPE --target T; edgekit target list")
    if allowed_signers is not None:
        raise InputError("--allowed-signers is for --verify", hint="leave it out, or add --verify RELEASE")
    from edgekit.host.workflow.build import build_release
    from edgekit.host.workflow.build_inputs import BuildOptions
    from edgekit.schema.reader import to_raw

    began = time.monotonic()
    options = BuildOptions(out=out, key=key, builder=builder, update_lock=update_lock, profile=profile)
    built = build_release(recipe, target, options, workstation_of(ctx, output))
    made = built.release
    words = f"{made.path}: {built.application} {built.version} for {made.target}, {made.digest[:12]}"
    output.result(to_raw(made) | {"seconds": round(time.monotonic() - began, 2)}, words)


def _verify(
    ctx: typer.Context, release: Path, recipe: Path | None, allowed_signers: Path | None, output: Output
) -> None:
    from edgekit.host.workflow.verify_release import VerifyOptions, verify_release
    from edgekit.schema.reader import to_raw

    options = VerifyOptions(recipe=recipe, allowed_signers=allowed_signers)
    found = verify_release(release, options, workstation_of(ctx, output))
    same = not found.first_difference
    output.result({"release": str(release), "same": same} | to_raw(found), "\n".join(_words(release, found)))
    if not same:
        raise typer.Exit(2 if found.inputs else 6)


def _words(release: Path, found: VerifiedRelease) -> list[str]:
    """Inputs first: they tell why bytes differ."""
    from edgekit.schema.units import counted

    lines = [f"other input: {words}" for words in found.inputs[:_MOST_SHOWN]]
    lines += [f"and {len(found.inputs) - _MOST_SHOWN} more"] if len(found.inputs) > _MOST_SHOWN else []
    lines += [f"note: {words}" for words in found.commits]
    lines += [f"note: {path} was compiled by a builder device: taken by digest, not made again" for path in found.kept]
    name = f"{release}: {found.application} {found.version} for {found.target}, {found.digest[:12]}"
    if not found.first_difference:
        return [*lines, f"{name}: the same, {counted(found.files, 'file')}; signed by {found.signer}"]
    cause = f"likely because of {found.inputs[0]}" if found.inputs else "though every input is the same"
    return [*lines, f"{name}: not the same: {found.first_difference}", cause]
