"""Each way in which a login fails, over a real sshd, and that the hint of each is a cure: it is followed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.errors import Unreachable
from edgekit.executor.address import SshAddress
from edgekit.executor.ssh import SshExecutor
from edgekit.executor.ssh_files import SshFiles
from tests.fakes.agent import running_agent
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]


@pytest.fixture
def sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    with running_sshd(tmp_path) as server:
        yield server


def failure(executor: SshExecutor) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        executor.run(["true"], timeout_s=60)
    assert "is it up" not in caught.value.hint
    return caught.value


def works(executor: SshExecutor) -> bool:
    try:
        return executor.run(["echo", "in"], timeout_s=60).text == "in"
    finally:
        executor.close()


def make_key(command: str, file: Path) -> None:
    """Follow `ssh-keygen -t KIND` of a hint, without a terminal."""
    found = re.search(r"ssh-keygen -t \w+", command)
    assert found
    file.parent.mkdir(exist_ok=True)
    subprocess.run([*found[0].split(), "-q", "-N", "", "-f", str(file)], check=True)


def let_in(sshd: Sshd, hint: str, public: Path) -> None:
    """Follow the hint's ssh-copy-id, which here could log in only as the one whose file must stay as it is."""
    assert re.search(rf"ssh-copy-id (-i \S+ )?-p {sshd.port} \S+@127.0.0.1", hint)
    with (sshd.folder / "authorized_keys").open("a") as file:
        file.write(public.read_text())


def test_no_key_at_all(sshd: Sshd) -> None:
    error = failure(sshd.executor(identity=""))
    assert "you have no SSH key" in error.message
    make_key(error.hint, sshd.home / ".ssh/id_ed25519")
    let_in(sshd, error.hint, sshd.home / ".ssh/id_ed25519.pub")
    assert works(sshd.executor(identity=""))


def test_a_named_key_that_is_not_there(sshd: Sshd) -> None:
    missing = sshd.home / "board-key"
    error = failure(sshd.executor(identity=str(missing)))
    assert f"its key {missing} is not there" in error.message
    command = re.search(r"ssh-keygen -t ed25519 -f \S+", error.hint)
    assert command
    subprocess.run([*command[0].split(), "-q", "-N", ""], check=True)
    let_in(sshd, error.hint, missing.with_name("board-key.pub"))
    assert works(sshd.executor(identity=str(missing)))


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_that_is_not_let_in(kind: str, sshd: Sshd) -> None:
    """paramiko tries a file as every kind of key, and its last complaint may be about that."""
    key = sshd.home / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(key)], check=True)
    error = failure(sshd.executor(identity=str(key)))
    assert "does not let" in error.message and str(key) in error.hint
    let_in(sshd, error.hint, key.with_name("other.pub"))
    assert works(sshd.executor(identity=str(key)))


def test_a_locked_key(sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(sshd.identity)], check=True)
    error = failure(sshd.executor())
    assert "is locked with a passphrase" in error.message
    command = re.search(r"ssh-add \S+", error.hint)
    assert command
    with running_agent(tmp_path, password="secret") as env:
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        subprocess.run(command[0].split(), check=True, stdin=subprocess.DEVNULL, capture_output=True)
        assert works(sshd.executor())


def test_a_file_that_is_no_private_key(sshd: Sshd) -> None:
    for name in ("public", "damaged", "empty"):
        file = sshd.home / name
        content = {
            "public": sshd.identity.with_suffix(".pub").read_bytes(),
            "damaged": sshd.identity.read_bytes()[:120],
        }
        file.write_bytes(content.get(name, b""))
        file.chmod(0o600)
        error = failure(sshd.executor(identity=str(file)))
        assert f"{file} is not a private key" in error.message, name
        assert "name a private key" in error.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_key_that_may_not_be_read(sshd: Sshd) -> None:
    sshd.identity.chmod(0)
    error = failure(sshd.executor())
    assert f"{sshd.identity} cannot be read: Permission denied" in error.message


def test_no_server_on_that_port_names_the_cure_that_works(sshd: Sshd) -> None:
    sshd.stop()
    error = failure(sshd.executor())
    assert f"no SSH server listens on port {sshd.port}" in error.hint
    sshd.start()
    assert works(sshd.executor())


def test_a_name_that_nobody_has(tmp_path: Path) -> None:
    error = failure(SshExecutor(SshAddress(host="no-such-host.invalid"), SshFiles(user="ann", home=tmp_path)))
    assert "look for a typing error" in error.hint and "getent hosts no-such-host.invalid" in error.hint
    assert shutil.which("getent")
