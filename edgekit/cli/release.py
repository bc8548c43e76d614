"""`edgekit release`: releases that lie on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from edgekit.host.workflow.release_signers import ReleaseSigners
    from edgekit.host.workflow.trusted_release import TrustedRelease
    from edgekit.schema.provenance import Resource

app = Verbs("Releases on this machine: what is in them, who signed them, and how they were made.")


@app.command()
@examples("edgekit release show out/line", "edgekit release show out/line --allowed-signers signers --json")
def show(
    ctx: typer.Context,
    release: Annotated[Path, typer.Argument(help="The release's folder.")],
    allowed_signers: Annotated[
        Path | None, typer.Option(help="Who may have signed it; by default your own file.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check a release's signatures and every file, and show from what, with what, when and by whom it was made.

    Exit code 6 where something is not what it must be.
    """
    from edgekit.host.workflow.release_signers import signers_of
    from edgekit.host.workflow.trusted_release import open_trusted
    from edgekit.schema.reader import to_raw

    output = output_for(as_json)
    station = workstation_of(ctx, output)
    found = open_trusted(release, allowed_signers, station)
    signers = signers_of(found.folder, allowed_signers or station.settings.allowed_signers, station)
    manifest = found.folder.manifest
    facts = {
        "release": str(release),
        "digest": found.folder.digest,
        "application": manifest.application,
        "version": manifest.version,
        "target": manifest.target,
        "files": len(manifest.files),
        "bytes": sum(entry.bytes for entry in manifest.files),
        "signer": found.signer,
        "signers": to_raw(signers.signers),
        "signers_counting": signers.counting,
        "signers_needed": signers.needed,
        "provenance_signer": found.provenance.signer,
        "key": found.provenance.key,
        "provenance": to_raw(found.provenance.statement),
    }
    output.result(facts, "\n".join(_words(found, signers)))


@app.command()
@examples("edgekit release sign out/line")
def sign(
    ctx: typer.Context,
    release: Annotated[Path, typer.Argument(help="The release's folder.")],
    key: Annotated[Path | None, typer.Option(help="A private key, or a public one in your agent.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add your signature to a release that somebody else has built and signed, where devices ask for several."""
    from edgekit.host.workflow.cosign import cosign_release

    output = output_for(as_json)
    done = cosign_release(release, key, workstation_of(ctx, output))
    output.result(done, f"{release}: signed by {done.signatures} keys" if done.signatures > 1 else f"{release}: signed")


def _words(found: TrustedRelease, signers: ReleaseSigners) -> list[str]:
    from edgekit.host.workflow.trusted_release import describe_sources
    from edgekit.schema.units import counted, format_bytes

    manifest = found.folder.manifest
    made = found.provenance.statement.predicate
    inside, run = made.buildDefinition.internalParameters, made.runDetails
    size = format_bytes(sum(entry.bytes for entry in manifest.files))
    return [
        f"{manifest.application} {manifest.version} for {manifest.target}, {found.folder.digest}",
        f"whole: {counted(len(manifest.files), 'file')}, {size}",
        *signers.lines(),
        f"made by {run.builder.id} on {run.metadata.startedOn}; that is signed by {found.provenance.signer}, "
        f"{found.provenance.key}",
        f"with edgekit {inside.edgekit} on Python {inside.python}, {inside.machine}",
        *describe_sources(made.buildDefinition),
        f"from {counted(len(made.buildDefinition.resolvedDependencies), 'input')}:",
        *(_line(one) for one in made.buildDefinition.resolvedDependencies),
        *(f"compiled {_line(one)}" for one in run.byproducts),
    ]


def _line(resource: Resource) -> str:
    digest = " ".join(f"{kind} {value}" for kind, value in resource.digest.items())
    cached = resource.annotations.get("fromCache")
    made = "" if cached is None else " (from the cache)" if cached else " (made for it)"
    return f"  {resource.name}  {digest or resource.uri}{made}"
