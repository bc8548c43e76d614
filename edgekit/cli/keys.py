"""`edgekit keys`: the user's signing key."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import typer

from edgekit.cli.session import JsonFlag, local, settings_of, voice
from edgekit.cli.verbs import Verbs, examples

app = Verbs("Your signing key for releases.")


@app.command()
@examples("edgekit keys init")
def init(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Make your signing key (ed25519), and the allowed_signers file that provisioning installs; twice is once."""
    from edgekit.host.keys import make_key
    from edgekit.host.preflight import require

    require("build")
    settings = settings_of(ctx)
    made = make_key(settings, local(), principal=f"{getpass.getuser()}@{socket.gethostname()}")
    line = settings.allowed_signers.read_text().strip()
    told = {"key": str(settings.signing_key), "made": made, "allowed_signers": line}
    word = "made" if made else "is there already"
    voice(as_json).result(told, f"{settings.signing_key} {word}\n{line}")


@app.command()
@examples("edgekit keys show >> signers")
def show(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """Print your line for an allowed_signers file."""
    from edgekit.errors import InputError

    settings = settings_of(ctx)
    file: Path = settings.allowed_signers
    if not file.is_file():
        raise InputError(f"{file} is not there", hint="edgekit keys init makes your key")
    voice(as_json).result({"allowed_signers": file.read_text().strip()}, file.read_text().strip())
