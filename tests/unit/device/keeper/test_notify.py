"""What systemd hears, and when."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from edgekit.device.keeper.notify import Notifier
from tests.fakes.clock import Clock


@pytest.fixture
def systemd(tmp_path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(tmp_path / "notify"))
    listener.settimeout(0)
    return listener


def heard(listener: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listener.recv(1000).decode())
        except BlockingIOError:
            return found


def test_systemd_hears_changes_and_is_fed_in_time(tmp_path: Path, systemd: socket.socket) -> None:
    clock = Clock()
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "30000000"}, clock)
    assert notifier.watchdog_s == 30
    notifier.ready()
    for text in ("idle", "idle", "running"):
        notifier.status(text)
    notifier.feed()
    clock.advance(7.5)
    notifier.feed()
    notifier.feed()
    notifier.stopping()
    assert heard(systemd) == ["READY=1", "STATUS=idle", "STATUS=running", "WATCHDOG=1", "STOPPING=1"]


def test_without_systemd_nothing_is_said(tmp_path: Path, systemd: socket.socket) -> None:
    Notifier({}, Clock()).ready()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}, Clock()).ready()
    assert heard(systemd) == []


def test_a_lack_of_descriptors_does_not_end_the_loop_that_notifies(tmp_path: Path, systemd: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")}, Clock())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(systemd.fileno())
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        notifier.ready()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert heard(systemd) == []
    notifier.stopping()
    assert heard(systemd) == ["STOPPING=1"]
