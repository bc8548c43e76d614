"""This machine as a device: a private sshd that comes and goes with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.errors import NothingSelected
from edgekit.executor.local import LocalExecutor
from edgekit.executor.processes import is_running
from edgekit.host.board.login import Login, answers
from edgekit.host.board.this_machine import ThisMachine
from edgekit.host.settings import Settings

pytestmark = pytest.mark.integration


@pytest.fixture
def host(tmp_path: Path) -> Iterator[ThisMachine]:
    folders = {name: tmp_path / name for name in ("config_dir", "cache_dir", "state_dir", "data_dir", "fleet_file")}
    machine = ThisMachine(Settings(**folders), LocalExecutor())
    yield machine
    if machine.device():
        machine.down()


def test_it_comes_lets_in_and_goes(host: ThisMachine) -> None:
    device = host.up()
    if device.address == "local":
        pytest.skip("no sshd on this machine")
    assert (device.name, device.target, device.service) == ("host", "host", "process")
    assert len(os.fsencode(f"{device.prefix}/run/edgekit/control.sock")) <= 100
    port, pid = int(device.address.rpartition(":")[2]), host.pid()
    assert is_running(pid)
    login = Login(port=port, identity=Path(device.identity), known_hosts=Path(device.known_hosts))
    argv = [word for word in login.argv() if "@" not in word]
    done = LocalExecutor().run([*argv, device.address.rpartition(":")[0], "echo", "in"], timeout_s=30)
    assert done.text == "in", done.output
    assert host.up() == device, "twice is once"
    host.down()
    assert not is_running(pid) and not answers(port)
    assert not Path(device.prefix).exists() and host.device() is None


def test_a_dead_sshd_is_started_again(host: ThisMachine) -> None:
    if host.up().address == "local":
        pytest.skip("no sshd on this machine")
    os.kill(host.pid(), 9)
    while host.pid():
        pass
    device = host.up()
    assert host.pid() and answers(int(device.address.rpartition(":")[2]))


def test_down_without_up_is_told(host: ThisMachine) -> None:
    with pytest.raises(NothingSelected):
        host.down()


def test_two_homes_with_deep_folders_do_not_share_a_device(tmp_path: Path) -> None:
    """They once did: whoever took down one took the keeper of the other away."""
    made = []
    for home in ("one", "other"):
        deep = tmp_path / ("x" * 90) / home
        folders = {name: deep / name for name in ("config_dir", "cache_dir", "state_dir", "data_dir", "fleet_file")}
        made.append(ThisMachine(Settings(**folders), LocalExecutor()).prefix)
    assert len(set(made)) == 2 and all(str(prefix).startswith("/tmp/edgekit-") for prefix in made)
