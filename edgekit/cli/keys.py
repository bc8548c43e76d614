"""`edgekit keys`: the user's signing key."""

from __future__ import annotations

import typer

from edgekit.cli.session import JsonFlag, output_for, workstation_of
from edgekit.cli.verbs import Verbs, examples

app = Verbs("Your signing key for releases.")


@app.command()
@examples("edgekit keys init")
def init(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make your signing key (ed25519), and the allowed_signers file that provisioning installs. Safe to run again."""
    from edgekit.host.workflow.keys import ensure_key

    output = output_for(as_json)
    key = ensure_key(workstation_of(ctx, output))
    word = "made" if key.made else "is there already"
    output.result(
        {"key": str(key.file), "made": key.made, "allowed_signers": key.allowed_signers},
        f"{key.file} {word}\n{key.allowed_signers}",
    )


@app.command()
@examples("edgekit keys show >> signers")
def show(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Print your line for an allowed_signers file."""
    from edgekit.host.workflow.keys import own_signers

    output = output_for(as_json)
    lines = own_signers(workstation_of(ctx, output)).allowed_signers
    output.result({"allowed_signers": lines}, lines)
