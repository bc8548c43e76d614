"""`edgekit keys`: the user's signing key."""

from __future__ import annotations

import typer

from edgekit.cli.session import JsonFlag, local, output_for, settings_of
from edgekit.cli.verbs import Verbs, examples

app = Verbs("Your signing key for releases.")


@app.command()
@examples("edgekit keys init")
def init(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make your signing key (ed25519), and the allowed_signers file that provisioning installs. Safe to run again."""
    from edgekit.host.keys import make_key, public_half
    from edgekit.host.preflight import require
    from edgekit.host.user import user_at_machine

    require("build")
    settings = settings_of(ctx)
    made = make_key(settings, local(), principal=user_at_machine())
    key = public_half(settings.signing_key, local()).split()[1]
    line = next(line for line in settings.allowed_signers.read_text().splitlines() if key in line.split())
    told = {"key": str(settings.signing_key), "made": made, "allowed_signers": line}
    word = "made" if made else "is there already"
    output_for(as_json).result(told, f"{settings.signing_key} {word}\n{line}")


@app.command()
@examples("edgekit keys show >> signers")
def show(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Print your line for an allowed_signers file."""
    from edgekit.errors import InputError
    from edgekit.host.keys import public_half

    settings = settings_of(ctx)
    file = settings.allowed_signers
    if not file.is_file() or not settings.signing_key.exists():
        raise InputError(f"{file} is not there", hint="edgekit keys init makes your key")
    key = public_half(settings.signing_key, local()).split()[1]
    yours = "\n".join(line for line in file.read_text().splitlines() if key in line.split())
    if not yours:
        raise InputError(f"{file} does not name your key", hint="edgekit keys init adds it")
    output_for(as_json).result({"allowed_signers": yours}, yours)
