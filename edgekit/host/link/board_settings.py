"""From what fleet.toml gives an application on a device to what is sent there: secrets are read, everything checked."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import EdgekitError, InputError
from edgekit.executor import Executor
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.inventory import Given, Inventory
from edgekit.schema.filling import check_options, fill_plan
from edgekit.schema.fleet import ReadFrom
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.problem import raise_problems
from edgekit.schema.settings import MAX_SETTINGS_BYTES, BoardSettings, Setting, faults_in, is_secret

_COMMAND_S = 60.0
_LONGEST = 2000
"""Characters of one value; see `edgekit.schema.settings`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingSettings:
    """What a release takes along to a device."""

    declared: Mapping[str, Setting] = field(default_factory=dict)
    content: bytes = b""
    """As it is sent; nothing: the device keeps what it has."""
    hint: str = ""
    """Where values are given."""

    def check_kept(self, application: str, had: Collection[str]) -> None:
        """Where nothing is sent, see that the device has all that it needs.

        Raises:
            InputError: the release declares what the device does not have and that has no default.
        """
        kept = {name: setting for name, setting in self.declared.items() if name not in had}
        if not self.content:
            raise_problems(faults_in(kept, {}, f"settings of {application}"), hint=self.hint)

    def are_there(self, keeper: KeeperClient, application: str) -> bool:
        """Whether the application's committed release runs with them. Raises as `KeeperClient.settings`."""
        return not self.content or not keeper.settings(application, self.content).changed


def outgoing_settings(
    inventory: Inventory, device: str, plan: WorkerPlan | None, executor: Executor
) -> OutgoingSettings:
    """What a release of this plan takes along to a device, seen to fit before anything is sent.

    Args:
        inventory: fleet.toml.
        device: its name.
        plan: the release's; None where it cannot be read: nothing is taken along.
        executor: runs the commands that give secrets, on this machine.

    Raises:
        InputError: as `settings_for`, or a value does not fit its place in the plan.
    """
    if plan is None:
        return OutgoingSettings()
    content = settings_for(inventory, device, plan.application, plan.settings, executor)
    hint = _hint(inventory, device, plan.application)
    if content:
        origin = f"settings of {plan.application} on {device}"
        values = from_message(BoardSettings, content, origin).values
        check_options(fill_plan(plan, values, origin, hint=hint), origin, hint=hint)
    return OutgoingSettings(declared=plan.settings, content=content, hint=hint)


def settings_for(
    inventory: Inventory, device: str, application: str, declared: Mapping[str, Setting], executor: Executor
) -> bytes:
    """An application's settings on a device, as they are sent; nothing where fleet.toml gives none.

    Args:
        inventory: fleet.toml.
        device: its name.
        application: its name.
        declared: what the application's release declares.
        executor: runs the commands that give secrets, on this machine.

    Raises:
        InputError: a value is missing, unknown, wrong, or a secret that is written plainly or cannot be read.
    """
    given = inventory.given(device, application)
    if not given:
        return b""
    origin = f"settings of {application} on {device}"
    values = {name: _value(name, one, declared, executor) for name, one in given.items()}
    raise_problems(faults_in(declared, values, origin), hint=_hint(inventory, device, application))
    content = to_message(BoardSettings(nonce=secrets.token_hex(16), values=values))
    if len(content) > MAX_SETTINGS_BYTES:
        limit = f"{MAX_SETTINGS_BYTES >> 10} KiB"
        raise InputError(f"{origin} have {len(content)} bytes, more than {limit}", hint="give shorter values")
    return content


def _hint(inventory: Inventory, device: str, application: str) -> str:
    """Where values are written; a device that fleet.toml does not name has those of all devices."""
    table = f"devices.{device}.settings.{application}" if device in inventory.settings else f"settings.{application}"
    return f"edit [{table}] in {inventory.fleet_file}"


def _value(name: str, given: Given, declared: Mapping[str, Setting], executor: Executor) -> object:
    value = given.value
    if isinstance(value, ReadFrom):
        return _read(name, value, given.file, executor)
    if name in declared and is_secret(declared[name]):
        hint = f'write {name} = {{ file = "..." }} or {name} = {{ command = ["pass", "show", "..."] }}'
        raise InputError(f"{given.file}: {name} is a secret, and its value stands in the file", hint=hint)
    return value


def _read(name: str, source: ReadFrom, written_in: Path, executor: Executor) -> str:
    if bool(source.file) == bool(source.command):
        hint = f'write {name} = {{ file = "..." }} or {name} = {{ command = ["...", "..."] }}'
        raise InputError(f"{written_in}: {name}: expected one of file and command", hint=hint)
    text = _of_file(name, written_in, source.file) if source.file else _of_command(name, written_in, source, executor)
    value = text.partition("\n")[0].removesuffix("\r")
    if not value or len(value) > _LONGEST or not value.isprintable():
        what = source.file or source.command[0]
        raise InputError(
            f"{written_in}: {name}: {what} gives no line of text", hint="its first line is taken: look at it"
        )
    return value


def _of_file(name: str, written_in: Path, path: str) -> str:
    file = written_in.parent / path
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(4 * _LONGEST + 2)
    except OSError as error:
        hint = f"write the value to {file}, and chmod 600 it"
        raise InputError(f"{written_in}: {name}: {file} cannot be read: {error.strerror}", hint=hint) from None
    if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError(f"{written_in}: {name}: others may read {file}", hint=f"chmod 600 {file}")
    return content.decode("utf-8", errors="replace")


def _of_command(name: str, written_in: Path, source: ReadFrom, executor: Executor) -> str:
    argv = source.command
    try:
        done = executor.run(argv, timeout_s=_COMMAND_S, cwd=str(written_in.parent))
    except EdgekitError as error:
        raise InputError(f"{written_in}: {name}: {argv[0]}: {error.message}", hint=error.hint) from None
    if done.returncode:
        raise InputError(
            f"{written_in}: {name}: {argv[0]} ended with {done.returncode}",
            hint=f"run it in {written_in.parent}: it prints the value",
            details=done.errors,
        )
    return done.stdout.decode("utf-8", errors="replace")
