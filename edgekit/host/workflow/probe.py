"""Reads what a board is, and writes a target file that describes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.catalogue.detect import name_from_facts, target_from_facts
from edgekit.host.catalogue.identity import Identity, identify
from edgekit.host.catalogue.offers import runs_releases
from edgekit.host.catalogue.targets import list_targets, pyconfig_file
from edgekit.host.disk import write_whole
from edgekit.host.probe import read_facts, read_pyconfig
from edgekit.host.toml_text import to_toml
from edgekit.host.workflow.devices import device_access
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedBoard:
    """What a board was found to be."""

    facts: DeviceFacts
    identity: Identity
    """The known target that it is like, or what it is instead."""
    target: Target
    """One that describes it as it is now."""
    file: Path
    """Where that was written."""

    @property
    def runs_releases(self) -> bool:
        """Whether keeper and workers run on it."""
        return runs_releases(self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChoice:
    """What a target is called and where it goes."""

    name: str = ""
    """Empty: the file's; where no file is given, the board's and its system's."""
    out: Path | None = None
    """None: `targets/NAME.toml`."""
    force: bool = False
    """Replace a file that says something else."""


def probe_board(device: str, choice: TargetChoice, station: Workstation) -> ProbedBoard:
    """Read what a board is, recognise it among the known targets, and write a target file of its own.

    Args:
        device: a device's name or address.
        choice: the file.
        station: this machine.

    Raises:
        NothingSelected: there is no such device.
        Unreachable: it does not answer.
        InputError: edgekit builds nothing for it, or another file is there.
    """
    access = device_access(station.settings)
    with access.executor(access.find(device)) as executor, station.progress.step(f"{device}: reading what it is"):
        facts = read_facts(executor)
        pyconfig = read_pyconfig(executor, facts.python.path) if facts.python.path else ""
    out = choice.out
    file = target_file(out, choice.name or (out.stem if out else name_from_facts(facts)))
    identity = identify(facts, list_targets(station.settings))
    target = _described(device, facts, file, identity)
    write_target(file, target, force=choice.force)
    if pyconfig:
        pyconfig_file(file).write_text(pyconfig, encoding="utf-8")
    return ProbedBoard(facts=facts, identity=identity, target=target, file=file)


def _described(device: str, facts: DeviceFacts, file: Path, identity: Identity) -> Target:
    """A target of this very board. Raises InputError where there can be none, with what the board is."""
    try:
        return target_from_facts(facts, name=file.stem)
    except InputError as error:
        if not identity.stranger:
            raise
        raise InputError(f"{device} is {identity.stranger}: {error.message}", hint=error.hint) from None


def target_file(out: Path | None, name: str) -> Path:
    """Where a target of this name goes.

    Raises:
        InputError: the file's name would not be the target's.
    """
    file = out or Path("targets", f"{name}.toml")
    if file.suffix != ".toml" or file.stem != name or name != Path(name).name:
        raise InputError(f"{file} cannot hold a target named {name!r}", hint=f"write --out {name or 'NAME'}.toml")
    return file


def write_target(file: Path, target: Target, *, force: bool) -> None:
    """Write a target's file, whole or not at all.

    Raises:
        InputError: another one is there.
    """
    text = f"# Written by edgekit target probe.\n{to_toml(target)}"
    if file.exists() and not force and file.read_text(encoding="utf-8", errors="replace") != text:
        raise InputError(f"{file} is there and says something else", hint="choose another --name, or add --force")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text.encode())
