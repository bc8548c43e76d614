"""Host keys: known, unknown, changed, revoked."""

from __future__ import annotations

from pathlib import Path

import paramiko
import pytest

from edgekit.errors import TrustError
from edgekit.executor.address import SshAddress
from edgekit.executor.host_keys import KnownHosts
from edgekit.executor.ssh_config import resolve_login

ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKxvl0PnwbDkpBgmBGwRUrhzoAp6aR6lbTXz4KkTbxsN"
TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1s2vO5aQYZTtJLKMUrYLsOeuVbLLEsPGfk0GdkUn9h"
HASHED = paramiko.HostKeys.hash_host("gate-7", "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=")


def key(line: str) -> paramiko.PKey:
    entry = paramiko.hostkeys.HostKeyEntry.from_line(f"x {line}")
    assert entry is not None
    return entry.key


def known(tmp_path: Path, *lines: str) -> KnownHosts:
    (tmp_path / "known_hosts").write_text("\n".join(lines) + "\n")
    address = SshAddress(host="gate-7", known_hosts=str(tmp_path / "known_hosts"))
    return KnownHosts(resolve_login(address, user="ann", home=tmp_path))


@pytest.mark.parametrize("name", ["gate-7", "other,gate-7", HASHED])
def test_a_known_key_passes(name: str, tmp_path: Path) -> None:
    hosts = known(tmp_path, "# comment", "damaged", "x y %", f"@cert-authority *.example {TWO}", f"{name} {ONE}")
    hosts.check(key(ONE))
    assert hosts.kinds == {"ssh-ed25519"}


def test_an_unknown_host_is_refused_with_the_cure(tmp_path: Path) -> None:
    hosts = known(tmp_path, f"gate-8 {ONE}")
    assert hosts.kinds == frozenset()
    with pytest.raises(TrustError, match="is not known") as caught:
        hosts.check(key(ONE))
    assert "ssh -p 22 ann@gate-7" in caught.value.hint


def test_a_changed_key_is_refused_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="has changed") as caught:
        known(tmp_path, f"gate-7 {ONE}").check(key(TWO))
    assert f"ssh-keygen -R 'gate-7' -f {tmp_path}/known_hosts" in caught.value.hint
    assert "SHA256:" in caught.value.details


def test_a_revoked_key_is_refused_though_it_is_known(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="revoked"):
        known(tmp_path, f"gate-7 {ONE}", f"@revoked * {ONE}").check(key(ONE))


def test_no_file_knows_nobody(tmp_path: Path) -> None:
    address = SshAddress(host="gate-7", known_hosts=str(tmp_path / "nowhere"))
    with pytest.raises(TrustError, match="is not known"):
        KnownHosts(resolve_login(address, user="ann", home=tmp_path)).check(key(ONE))
