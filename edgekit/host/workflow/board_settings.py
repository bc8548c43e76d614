"""Settings of an application on a device: what it has, what fleet.toml would change, and changing it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekit.executor.local import LocalExecutor
from edgekit.host.link.board_settings import settings_for
from edgekit.host.link.client import KeeperClient, Watch
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.control import SettingsAnswer
from edgekit.schema.message import from_message
from edgekit.schema.settings import BoardSettings, Setting, SettingValue, is_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingOnBoard:
    """One setting on a device. A secret's values are None."""

    name: str
    kind: str
    about: str
    secret: bool
    default: SettingValue | None
    given: bool
    """Whether the device was given a value; else the default counts."""
    value: object
    """What the application runs with."""
    changes: bool
    """Whether fleet.toml gives another."""
    wanted: object
    """What the application would run with after a push."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSettings:
    """An application's settings on a device."""

    device: str
    application: str
    release: str
    """Digest of the release that runs."""
    settings: tuple[SettingOnBoard, ...]
    in_fleet: bool
    """Whether fleet.toml gives any; where not, a push changes nothing."""
    pushed: bool = False
    """Whether the device was changed."""

    @property
    def changed(self) -> tuple[str, ...]:
        """Names of those that fleet.toml gives another value."""
        return tuple(one.name for one in self.settings if one.changes)


def compare_settings(name: str, application: str, access: DeviceAccess, *, fleet: bool = True) -> ApplicationSettings:
    """See what an application has on a device, and what fleet.toml would change.

    Args:
        name: the device.
        application: which; empty: the only one there.
        access: the way there.
        fleet: whether to look what fleet.toml would change, for which secrets are read.

    Raises:
        NothingSelected: there is no such device or application.
        InputError: fleet.toml gives something that does not fit, or a secret cannot be read.
    """
    with access.keeper(name) as keeper:
        if not fleet:
            return _state(name, keeper.settings(application), b"")
        return _compare(name, application, access, keeper)[0]


def push_settings(
    name: str, application: str, access: DeviceAccess, watch: Watch, *, break_lock: bool = False
) -> ApplicationSettings:
    """Give an application on a device what fleet.toml says; health-checked like a release, and taken back like one.

    Args:
        name: the device.
        application: which; empty: the only one there.
        access: the way there.
        watch: called with what the keeper reports while the application starts and settles.
        break_lock: take the deployment lock from whoever has it.

    Raises:
        NothingSelected: there is no such device or application.
        InputError: fleet.toml gives something that does not fit, or a secret cannot be read.
        RolloutError: the application was not healthy with it, and has what it had again.
        LockHeld: somebody deploys it.
    """
    with access.keeper(name) as keeper:
        application = keeper.settings(application).application
        keeper.lock(application, user_at_machine(), watch, break_lock=break_lock)
        # Only now: a release that was committed meanwhile must not be replaced by the one before it.
        state, content = _compare(name, application, access, keeper)
        if not state.changed:
            return state
        keeper.activate(state.release, content, watch)
        return replace(state, pushed=True)


def _compare(
    name: str, application: str, access: DeviceAccess, keeper: KeeperClient
) -> tuple[ApplicationSettings, bytes]:
    there = keeper.settings(application)
    device = access.find(name).name
    content = settings_for(access.inventory, device, there.application, there.declared, LocalExecutor())
    answer = keeper.settings(there.application, content) if content else there
    return _state(name, answer, content), content


def _state(device: str, answer: SettingsAnswer, content: bytes) -> ApplicationSettings:
    wanted = from_message(BoardSettings, content, "settings").values if content else answer.values
    return ApplicationSettings(
        device=device,
        application=answer.application,
        release=answer.release,
        settings=tuple(_one(name, setting, answer, wanted) for name, setting in sorted(answer.declared.items())),
        in_fleet=bool(content),
    )


def _one(name: str, setting: Setting, answer: SettingsAnswer, wanted: dict[str, object]) -> SettingOnBoard:
    secret = is_secret(setting)
    return SettingOnBoard(
        name=name,
        kind=setting.kind,
        about=setting.about,
        secret=secret,
        default=setting.default,
        given=name in answer.values or name in answer.secrets,
        value=None if secret else answer.values.get(name, setting.default),
        changes=name in answer.changed,
        wanted=None if secret else wanted.get(name, setting.default),
    )
