"""Puts a drafted recipe's settings into fleet.toml, and its secrets into files that nobody else may read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.ends import EXAMPLE_ADDRESS, DraftEnd
from edgekit.host.disk import write_whole
from edgekit.host.toml_file import read_table
from edgekit.host.toml_text import toml_string
from edgekit.schema.toml import parse_toml

SECRETS = "secrets"
"""Folder beside fleet.toml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSettings:
    """What fleet.toml has to say for all devices."""

    values: dict[str, str]
    """Plain ones by the setting's name."""
    secrets: dict[str, str | None]
    """Secret ones; None where the user has yet to write the file."""
    later: dict[str, str]
    """Plain ones that nobody has told yet, with an example each."""


def settings_of_ends(cameras: tuple[DraftEnd, ...], broker: DraftEnd | None) -> DraftSettings:
    """The values that a command line gave."""
    values: dict[str, str] = {}
    secrets: dict[str, str | None] = {}
    later: dict[str, str] = {}
    for end in (*cameras, *([broker] if broker else [])):
        if end.address:
            values[end.name if end is broker else end.setting("url")] = end.address
        else:
            later[end.setting("url")] = EXAMPLE_ADDRESS
        if end.login:
            values[end.setting("user")] = end.user
            secrets[end.setting("password")] = end.password
    return DraftSettings(values=values, secrets=secrets, later=later)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSettings:
    """What became of them."""

    section: str
    """The table for fleet.toml; empty where there is nothing to give."""
    written: bool
    """Whether fleet.toml has it now; else it has one of that name already, which was left as it is."""
    missing: tuple[Path, ...]
    """Files of secrets that the user has yet to write."""
    later: tuple[str, ...] = ()
    """Settings that stand there as a comment: the user has yet to give them before anything is deployed."""


def write_settings(found: DraftSettings, application: str, fleet_file: Path) -> WrittenSettings:
    """Add `[settings.APPLICATION]` to fleet.toml where it has none, and write secrets beside it.

    Raises:
        InputError: fleet.toml cannot be read or written.
    """
    if not (found.values or found.secrets or found.later):
        return WrittenSettings(section="", written=False, missing=())
    paths = {name: Path(SECRETS, f"{application}.{name}") for name in found.secrets}
    section = "\n".join(_section(found, application, paths))
    folder = fleet_file.parent
    try:
        before = fleet_file.read_text(encoding="utf-8") if fleet_file.exists() and read_table(fleet_file) else ""
        if found.secrets:
            _make_folder(folder / SECRETS)
        for name, secret in found.secrets.items():
            if secret is not None:
                _write_secret(folder / paths[name], secret)
        after = "\n".join([*([before.rstrip("\n"), ""] if before else []), section, ""])
        if written := _is_toml(after):
            write_whole(fleet_file, after.encode())
    except OSError as error:
        raise InputError(f"{fleet_file} cannot be written: {error.strerror}", hint=f"ls -ld {folder}") from None
    missing = tuple(folder / path for path in paths.values() if not (folder / path).exists())
    return WrittenSettings(section=section, written=written, missing=missing, later=tuple(found.later))


def _is_toml(text: str) -> bool:
    """Whether a section could be added: not where there is one of that name, and not to `settings = { ... }`."""
    try:
        parse_toml(text, "fleet.toml")
    except InputError:
        return False
    return True


def _section(found: DraftSettings, application: str, paths: dict[str, Path]) -> Iterator[str]:
    yield f"[settings.{application}]"
    for name, value in found.values.items():
        yield f"{name} = {toml_string(value)}"
    for name, path in paths.items():
        yield f"{name} = {{ file = {toml_string(path.as_posix())} }}"
    for name, example in found.later.items():
        yield f"# {name} = {toml_string(example)}   # to be given before anything is deployed"


def _make_folder(folder: Path) -> None:
    """One that git leaves alone, with all that is put there."""
    if not folder.is_dir():
        folder.mkdir(mode=0o700)
        (folder / ".gitignore").write_text("*\n")


def _write_secret(file: Path, secret: str) -> None:
    """One that nobody else may read."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as opened:
        os.fchmod(opened.fileno(), 0o600)
        opened.write(secret + "\n")
