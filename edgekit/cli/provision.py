"""`edgekit provision`: the keeper onto a device."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.keeper_session import DeviceArgument
from edgekit.cli.session import JsonFlag, local, output_for, settings_of
from edgekit.cli.verbs import examples
from edgekit.schema.units import counted

if TYPE_CHECKING:
    from edgekit.host.settings import Settings
    from edgekit.host.signers import Signer


@examples(
    "edgekit provision gate-7 --plan",
    "edgekit provision gate-7",
    "edgekit provision root@10.0.0.7 --allowed-signers signers",
)
def provision(
    ctx: typer.Context,
    device: DeviceArgument,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")] = False,
    allowed_signers: Annotated[
        Path | None, typer.Option(help="Who may sign releases (OpenSSH's format); by default you alone.")
    ] = None,
    without_me: Annotated[
        bool, typer.Option("--without-me", help="Others sign for the device: your own key need not be among theirs.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Install the keeper on a device. Run twice, it changes nothing."""
    from edgekit.host.link.connection import connect
    from edgekit.host.link.inventory import find_device
    from edgekit.host.provision.keeper_zip import build_keeper
    from edgekit.host.provision.provision import Desired, apply_provision, check_ready, look, plan_provision

    settings, out = settings_of(ctx), output_for(as_json)
    found = find_device(device, settings)
    signers = read_signers(allowed_signers, settings, without_me=without_me)
    for line in signers.lines:
        out.note(f"  may sign: {line}")
    desired = Desired(device=found, keeper=build_keeper(), allowed_signers=signers.content)
    executor = connect(found)
    try:
        with out.step(f"{device}: looking at what is there"):
            present = look(desired, executor)
        check_ready(desired, present, device)
        changes = plan_provision(desired, present)
        for change in changes:
            out.note(f"  {'would ' if plan else ''}{change.what}")
        number = counted(len(changes), "change")
        if not plan and changes:
            with out.step(f"{device}: {number}"):
                apply_provision(desired, executor, changes, sudo=desired.systemd and present["uid"] != 0)
    finally:
        executor.close()
    done = "nothing to change" if not changes else f"{number} {'planned' if plan else 'done'}"
    result = {"device": device, "changes": [change.what for change in changes], "applied": not plan}
    out.result({**result, "signers": signers.facts}, f"{device}: {done}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signers:
    """Who will be able to sign for a device."""

    content: bytes
    """The file, as the device gets it."""
    listed: tuple[Signer, ...]
    public: str
    """Your own key; empty where you have none."""

    @property
    def facts(self) -> list[dict[str, Any]]:
        """For scripts."""
        now_s = time.time()
        return [
            {
                "principals": one.principals,
                "type": one.key_type,
                "fingerprint": one.fingerprint,
                "you": one.public in self.public.split(),
                "not_now": one.why_not(now_s),
            }
            for one in self.listed
        ]

    @property
    def lines(self) -> list[str]:
        """For people: a line for each key, to be compared with what its owner says."""
        return [
            f"{one['principals']}  {one['type']} {one['fingerprint']}{' (you)' if one['you'] else ''}"
            + (f", but not now: it {one['not_now']}" if one["not_now"] else "")
            for one in self.facts
        ]


def read_signers(given: Path | None, settings: Settings, *, without_me: bool) -> Signers:
    """Read and judge who may sign, before a device is even asked.

    Args:
        given: the file that the user names; None for the fleet's, or the user's own.
        settings: the user's.
        without_me: whether the user's own key may be missing.

    Raises:
        InputError: the file is none, or would keep the user from deploying.
    """
    from edgekit.errors import InputError
    from edgekit.host.keys import public_half
    from edgekit.host.link.inventory import fleet_signers
    from edgekit.host.signers import check_you, parse_signers

    file = given or fleet_signers(settings) or settings.allowed_signers
    if not file.exists():
        hint = f"one that names you: edgekit keys show > {file}" if given else "edgekit keys init makes your key"
        raise InputError(f"{file} is not there: nobody could sign", hint=hint)
    content = file.read_bytes()
    listed = parse_signers(content, str(file))
    public = public_half(settings.signing_key, local()) if settings.signing_key.exists() else ""
    if public and not without_me:
        check_you(listed, public, str(file), time.time())
    return Signers(content=content, listed=listed, public=public)
