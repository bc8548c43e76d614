"""Puts the keeper onto a device: who may sign is read and judged first, then the device is looked at and changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.errors import InputError, RolloutError
from edgekit.executor import Executor
from edgekit.host.catalogue.identity import identify
from edgekit.host.keys import public_half
from edgekit.host.provision.desired import KeeperInstall
from edgekit.host.provision.device import apply_provision, check_ready, look
from edgekit.host.provision.keeper_zip import build_keeper
from edgekit.host.provision.plan import DeviceChange, plan_provision
from edgekit.host.provision.trusted_keys import CountedKey, dropped_keys, keys_by_trust_file
from edgekit.host.signers import Signer, check_you, parse_signers
from edgekit.host.trust_chain import TrustChain
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.fitting import device_facts, judge_device, known_targets
from edgekit.host.workflow.workstation import Workstation
from edgekit.judging.keys import by_fingerprint
from edgekit.schema.fleet import Device
from edgekit.schema.message import to_message
from edgekit.schema.trust import DeviceIdentity
from edgekit.schema.units import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionOptions:
    """What a user may say about it."""

    plan: bool = False
    """Show what would change, and change nothing."""
    allowed_signers: Path | None = None
    """Who may sign releases, in OpenSSH's format; None: those of fleet.toml, else the user alone."""
    without_me: bool = False
    """Whether the user's own key may be missing among them."""
    replace_trust: bool = False
    """Put this machine's trust file in place of one that is there, whatever its version."""
    drop_signers: bool = False
    """Let those sign no more whom the device trusts, and who are not named now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSigner:
    """Who will be able to sign for a device, as it is shown."""

    principals: str
    type: str
    fingerprint: str
    you: bool
    not_now: str
    """Why the key cannot sign a release now; empty where it can."""

    def __str__(self) -> str:
        """One line, to be compared with what its owner says."""
        you = " (you)" if self.you else ""
        not_now = f", but not now: it {self.not_now}" if self.not_now else ""
        return f"{self.principals}  {self.type} {self.fingerprint}{you}{not_now}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """What was changed on a device, or would be."""

    device: str
    changes: tuple[str, ...]
    applied: bool
    signers: tuple[DeviceSigner, ...]
    dropped: tuple[CountedKey, ...] = ()
    """Who could sign for it before, and cannot any more."""
    trusted: tuple[CountedKey, ...] = ()
    """Keys of the trust file that it follows, which count there instead of `signers`; none where it follows none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerFile:
    """An allowed_signers file that was read and judged."""

    content: bytes
    signers: tuple[DeviceSigner, ...]


def provision_device(name: str, options: ProvisionOptions, access: DeviceAccess, station: Workstation) -> Provisioned:
    """Install the keeper on a device, or show what that would change. Twice, it changes nothing.

    Args:
        name: the device.
        options: what the user says about it.
        access: the way there.
        station: this machine.

    Raises:
        NothingSelected: there is no such device.
        InputError: the signers' file is not one, or would keep the user from deploying.
        RolloutError: the device cannot take the keeper, a step failed, or the new keeper was taken back.
        LockHeld: somebody deploys to it, or switches its keeper.
        Unreachable: it does not answer.
    """
    progress = station.progress
    device = access.find(name)
    file = options.allowed_signers or access.inventory.allowed_signers
    signers = read_signers(file, station, without_me=options.without_me)
    for signer in signers.signers:
        progress.note(f"  may sign: {signer}")
    identity = DeviceIdentity(name=device.name, fleet=access.inventory.fleet, target=device.target)
    desired = KeeperInstall(
        device=device,
        keeper=build_keeper(),
        allowed_signers=signers.content,
        identity=to_message(identity),
        trust=_first_trust(signers, access, options, station),
        replace_trust=options.replace_trust,
    )
    with access.executor(device) as executor:
        _check_board(device, executor, station)
        present = _look(desired, executor, station)
        dropped = _check_nobody_is_dropped(desired, present, options, station)
        changes = _carry_out(desired, present, executor, options, station)
    return Provisioned(
        device=name,
        changes=tuple(change.what for change in changes),
        applied=not options.plan,
        signers=signers.signers,
        dropped=dropped,
        trusted=keys_by_trust_file(desired, present),
    )


def _first_trust(signers: SignerFile, access: DeviceAccess, options: ProvisionOptions, station: Workstation) -> bytes:
    """The trust file that a device begins with: one that shuts out nobody who may sign by the other file.

    Raises:
        InputError: it shall replace the device's own, and there is none, or it would shut somebody out.
    """
    chain = TrustChain(access.inventory.trust, station.executor)
    link = chain.in_force()
    if link is None:
        if options.replace_trust:
            raise InputError(f"{chain.folder} has no trust file that counts", hint="edgekit keys init makes one")
        return b""
    known = {*by_fingerprint(link.document), *link.document.revoked_keys}
    strangers = [one for one in signers.signers if one.fingerprint not in known]
    if strangers and options.replace_trust:
        raise InputError(
            f"{strangers[0].principals} may sign and is not in your trust file, so that can replace no device's",
            hint=f"edgekit keys add FILE; or take the key {strangers[0].fingerprint} out of the allowed_signers file",
        )
    if strangers:
        station.progress.note(
            f"  {strangers[0].principals} may sign and is not in your trust file, so the device is given none: "
            "edgekit keys add FILE"
        )
        return b""
    return link.signed.to_bytes()


def _check_board(device: Device, executor: Executor, station: Workstation) -> None:
    """Say what the board is, where it is none of ours, and what keeps limits from being enforced there.

    Raises:
        RolloutError: its Python is too old, with where it gets a newer one.
        Unreachable: it does not answer.
    """
    with station.progress.step(f"{device.name}: reading its facts"):
        facts = device_facts(device, executor, None)
    targets = known_targets(station)
    for finding in judge_device(device, facts, None, targets, now_s=time.time()):
        if finding.severity == "warn":
            station.progress.note(f"  warning: {finding}")
    newer_python = identify(facts, targets).newer_python
    if newer_python:
        message = f"{device.name} cannot take the keeper: Python is {facts.python.version}, needed is 3.10 or newer"
        raise RolloutError(message, hint=newer_python)


def _look(desired: KeeperInstall, executor: Executor, station: Workstation) -> dict[str, Any]:
    """See what is there, that it can be changed, and whose signatures count there by a trust file."""
    name, progress = desired.device.name, station.progress
    with progress.step(f"{name}: looking at what is there"):
        present = look(desired, executor)
    check_ready(desired, present, name)
    for key in keys_by_trust_file(desired, present):
        progress.note(f"  may sign by its trust file: {key}")
    return present


def _carry_out(
    desired: KeeperInstall,
    present: dict[str, Any],
    executor: Executor,
    options: ProvisionOptions,
    station: Workstation,
) -> tuple[DeviceChange, ...]:
    name, progress = desired.device.name, station.progress
    changes = plan_provision(desired, present)
    for change in changes:
        progress.note(f"  {'would ' if options.plan else ''}{change.what}")
    if changes and not options.plan:
        with progress.step(f"{name}: {counted(len(changes), 'change')}"):
            sudo = desired.systemd and present["uid"] != 0
            apply_provision(desired, executor, changes, holder=user_at_machine(), sudo=sudo)
    return changes


def _check_nobody_is_dropped(
    desired: KeeperInstall, present: dict[str, Any], options: ProvisionOptions, station: Workstation
) -> tuple[CountedKey, ...]:
    """Show whose signatures would not count any more. Raises InputError where the user has not said so."""
    dropped = dropped_keys(desired, present, time.time())
    for key in dropped:
        station.progress.note(f"  may sign no more: {key}")
    if dropped and not (options.drop_signers or desired.replace_trust):
        name = desired.device.name
        raise InputError(
            f"{name} trusts {dropped[0].name} ({dropped[0].fingerprint}), who could not sign for it any more",
            hint=f"edgekit provision {name} --allowed-signers FILE, with their line in FILE too, keeps them; "
            "--drop-signers shuts them out",
        )
    return dropped


def read_signers(given: Path | None, station: Workstation, *, without_me: bool) -> SignerFile:
    """Read and judge who may sign, before a device is even asked.

    Args:
        given: the file that the user or the fleet names; None for the user's own.
        station: this machine.
        without_me: whether the user's own key may be missing.

    Raises:
        InputError: the file is not one, or would keep the user from deploying.
    """
    settings, now_s = station.settings, time.time()
    file = given or settings.allowed_signers
    if not file.exists():
        hint = f"one that names you: edgekit keys show > {file}" if given else "edgekit keys init makes your key"
        raise InputError(f"{file} is not there: nobody could sign", hint=hint)
    content = file.read_bytes()
    listed = parse_signers(content, str(file))
    own_key = public_half(settings.signing_key, station.executor) if settings.signing_key.exists() else ""
    if own_key and not without_me:
        check_you(listed, own_key, str(file), now_s)
    return SignerFile(content=content, signers=tuple(_shown(listed, own_key, now_s)))


def _shown(listed: tuple[Signer, ...], own_key: str, now_s: float) -> Iterator[DeviceSigner]:
    for one in listed:
        yield DeviceSigner(
            principals=one.principals,
            type=one.key_type,
            fingerprint=one.fingerprint,
            you=one.public in own_key.split(),
            not_now=one.why_not(now_s),
        )
