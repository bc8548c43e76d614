"""Makes and shows the user's signing key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.keys import make_key, public_half
from edgekit.host.preflight import require
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.workstation import Workstation


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """The user's own."""

    file: Path
    made: bool
    """Whether it was not there before."""
    allowed_signers: str
    """Its lines for an allowed_signers file."""


def ensure_key(station: Workstation) -> SigningKey:
    """Make the user's signing key where there is none, and name it in the user's own allowed_signers file.

    Raises:
        InputError: this machine lacks what signing takes, or a file cannot be written.
    """
    require("build")
    made = make_key(station.settings, station.executor, principal=user_at_machine())
    return SigningKey(file=station.settings.signing_key, made=made, allowed_signers=_lines(station).partition("\n")[0])


def own_signers(station: Workstation) -> SigningKey:
    """The user's key, as other people's devices have to know it.

    Raises:
        InputError: there is none, or the user's own file does not name it.
    """
    settings = station.settings
    file = settings.allowed_signers
    if not file.is_file() or not settings.signing_key.exists():
        raise InputError(f"{file} is not there", hint="edgekit keys init makes your key")
    lines = _lines(station)
    if not lines:
        raise InputError(f"{file} does not name your key", hint="edgekit keys init adds it")
    return SigningKey(file=settings.signing_key, made=False, allowed_signers=lines)


def _lines(station: Workstation) -> str:
    """Every line of the user's allowed_signers file that names the user's key."""
    settings = station.settings
    key = public_half(settings.signing_key, station.executor).split()[1]
    return "\n".join(line for line in settings.allowed_signers.read_text().splitlines() if key in line.split())
