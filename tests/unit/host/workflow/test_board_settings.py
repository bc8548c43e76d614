"""Settings are pushed to the release that runs, also where somebody deploys another at the same time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.host.link.inventory import Given, Inventory
from edgekit.host.workflow.board_settings import push_settings
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.control import SettingsAnswer
from edgekit.schema.fleet import Device
from edgekit.schema.settings import NumberSetting

DECLARED = {"least": NumberSetting(kind="number", about="Below it a box is dropped.", default=0.5)}


class BusyKeeper:
    """Another user commits release `b` just before the lock is had."""

    def __init__(self) -> None:
        self.current = "a"
        self.activated: list[str] = []

    def settings(self, application: str, content: bytes = b"") -> SettingsAnswer:
        changed = ("least",) if content else ()
        return SettingsAnswer(application="line", release=self.current, declared=dict(DECLARED), changed=changed)

    def lock(self, *_: object, **_how: object) -> None:
        self.current = "b"

    def activate(self, digest: str, settings: bytes, watch: object) -> None:
        self.activated.append(digest)


class Access(DeviceAccess):
    """The way to that keeper."""

    busy = BusyKeeper()

    @contextmanager
    def keeper(self, name: str) -> Iterator[BusyKeeper]:  # type: ignore[override]
        yield self.busy


def test_a_release_that_was_committed_meanwhile_is_not_taken_back() -> None:
    given = {"gate-7": {"line": {"least": Given(value=0.7, file=Path("fleet.toml"))}}}
    devices = {"gate-7": Device(name="gate-7", address="root@10.0.0.7")}
    inventory = Inventory(devices=devices, allowed_signers=None, settings=given)
    access = Access(inventory=inventory, connect=lambda _: None)  # type: ignore[arg-type, return-value]
    assert push_settings("gate-7", "", access, lambda *_: None).pushed
    assert access.busy.activated == ["b"]
