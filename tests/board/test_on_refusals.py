"""What must not happen: unsigned, damaged, strange or interrupted, and the board runs what it ran before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign
from tests.board.conftest import ROOT, Edgekit, write

pytestmark = [pytest.mark.board, pytest.mark.long]


def _flip(release: Path) -> None:
    file = release / "files" / "marker"  # what the board has already is not sent, so a file that it lacks
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)


def _flip_manifest(release: Path) -> None:
    file = release / "manifest.json"
    file.write_text(file.read_text().replace('"version": "5.0.0"', '"version": "5.0.1"'))


def _lose(release: Path) -> None:
    (release / "files" / "marker").unlink()


def _unsign(release: Path) -> None:
    (release / "manifest.json.sig").unlink()


def _sign_by_a_stranger(release: Path) -> None:
    key = release.parent / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    message = (release / "manifest.json").read_bytes()
    signature = sign(LocalExecutor(), message, key=key, namespace=SIGNATURE_NAMESPACE)
    (release / "manifest.json.sig").write_bytes(signature)


@pytest.mark.parametrize("damage", [_flip, _flip_manifest, _lose, _unsign, _sign_by_a_stranger])
def test_refused_before_anything_is_switched(
    edgekit: Edgekit, provisioned: str, damage: Callable[[Path], None]
) -> None:
    before = edgekit.status(provisioned)
    release = write(edgekit, "healthy", version="5.0.0", marker=damage.__name__.encode())
    damage(release)
    done = edgekit.run("deploy", str(release), provisioned)
    assert done.code == 6, done.err
    assert "hint:" in done.err
    after = edgekit.status(provisioned)
    assert after["current"] == before["current"]
    assert after["worker"]["pid"] == before["worker"]["pid"]
    assert after["last_failure"] == before["last_failure"]


def test_a_full_disk_leaves_nothing_half_installed(edgekit: Edgekit, provisioned: str) -> None:
    before = edgekit.status(provisioned)
    names = edgekit.on_board(provisioned, "ls /var/lib/edgekit/releases")
    edgekit.on_board(
        provisioned, "fallocate -l 100G /fill 2> /dev/null; dd if=/dev/zero of=/fill2 bs=64k 2> /dev/null; true"
    )
    release = write(edgekit, "healthy", version="6.0.0", big=os.urandom(4 << 20))
    done = edgekit.run("deploy", str(release), provisioned)
    edgekit.on_board(provisioned, "rm -f /fill /fill2; sync")
    assert done.code == 8, done.err
    assert "disk" in done.err
    assert edgekit.on_board(provisioned, "ls /var/lib/edgekit/releases") == names
    assert edgekit.status(provisioned)["worker"]["pid"] == before["worker"]["pid"]
    edgekit.ok("deploy", str(release), provisioned)
    assert edgekit.status(provisioned)["current"]["version"] == "6.0.0"


def test_ctrl_c_in_the_middle_and_the_next_deploy_just_works(edgekit: Edgekit, provisioned: str) -> None:
    release = write(edgekit, "healthy", version="7.0.0", big=os.urandom(24 << 20))
    argv = edgekit.argv("deploy", str(release), provisioned)
    process = subprocess.Popen(
        argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=edgekit.environ, cwd=ROOT
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "does the release fit:" in line:
            break
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    words = process.stderr.read()
    assert process.wait(60) == 130, words
    assert "interrupted" in words and "Traceback" not in words
    done = edgekit.ok("deploy", str(release), provisioned, "--json").json
    assert done["changed"]
    assert edgekit.status(provisioned)["current"]["version"] == "7.0.0"


def test_an_unreachable_board(edgekit: Edgekit, provisioned: str) -> None:
    edgekit.ok("board", "link", "down", "--name", provisioned)
    done = edgekit.run("status", provisioned)
    edgekit.ok("board", "link", "up", "--name", provisioned)
    assert done.code == 7, done.err
    assert "hint:" in done.err


def test_a_changed_host_key_is_refused_with_the_cure(edgekit: Edgekit, provisioned: str, tmp_path: Path) -> None:
    device = json.loads((edgekit.home / "s/edgekit/boards" / provisioned / "device.json").read_text())
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    kind, key = (tmp_path / "key.pub").read_text().split()[:2]
    (tmp_path / "known_hosts").write_text(f"gate {kind} {key}\n")
    fleet = f"""[devices.gate]
address = "{device["address"]}"
identity = "{device["identity"]}"
known_hosts = "{tmp_path}/known_hosts"
host_key_alias = "gate"
"""
    (edgekit.home / "fleet.toml").write_text(fleet)
    done = edgekit.run("status", "gate")
    (edgekit.home / "fleet.toml").unlink()
    assert done.code == 6, done.err
    assert "ssh-keygen -R" in done.err
