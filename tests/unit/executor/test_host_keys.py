"""Host keys: known, unknown, changed, revoked."""

from __future__ import annotations

import time
from pathlib import Path

import paramiko
import pytest

from edgekit.errors import TrustError
from edgekit.executor.address import SshAddress
from edgekit.executor.host_keys import KnownHosts
from edgekit.executor.ssh_files import SshFiles

ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKxvl0PnwbDkpBgmBGwRUrhzoAp6aR6lbTXz4KkTbxsN"
TWO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB1s2vO5aQYZTtJLKMUrYLsOeuVbLLEsPGfk0GdkUn9h"
HASHED = paramiko.HostKeys.hash_host("gate-7", "|1|F1E1KeoE/eEWhi10WpGv4OdiO6Y=|3988QV0VE8wmZL7suNrYQLITLCg=")


def key(line: str) -> paramiko.PKey:
    entry = paramiko.hostkeys.HostKeyEntry.from_line(f"x {line}")
    assert entry is not None
    return entry.key


def known_to(home: Path, address: SshAddress) -> KnownHosts:
    files = SshFiles(user="ann", home=home)
    return files.known_hosts(files.login(address))


def known(tmp_path: Path, *lines: str) -> KnownHosts:
    (tmp_path / "known_hosts").write_text("\n".join(lines) + "\n")
    address = SshAddress(host="gate-7", known_hosts=str(tmp_path / "known_hosts"))
    return known_to(tmp_path, address)


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
        known_to(tmp_path, address).check(key(ONE))


def test_a_damaged_line_of_the_host_knows_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="is not known"):
        known(tmp_path, "gate-7 ssh-ed25519 %%%%", "gate-7 ssh-ed25519", "|1|x|y ssh-ed25519 AAAA").check(key(ONE))


def test_many_devices_do_not_read_a_long_file_again_and_again(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    file = tmp_path / ".ssh/known_hosts"
    file.write_text("".join(f"gate-{number} {ONE}\n" for number in range(1000)))
    files = SshFiles(user="ann", home=tmp_path)
    began = time.process_time()
    for number in range(200):
        files.known_hosts(files.login(SshAddress(host=f"gate-{number}"))).check(key(ONE))
    assert time.process_time() - began < 2, "each reading takes 48 ms where a key object is made of each line"


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    file = tmp_path / ".ssh/known_hosts"
    file.write_text(f"gate-8 {ONE}\n")
    files = SshFiles(user="ann", home=tmp_path)
    login = files.login(SshAddress(host="gate-7"))
    with pytest.raises(TrustError):
        files.known_hosts(login).check(key(ONE))
    file.write_text(f"gate-8 {ONE}\ngate-7 {ONE}\n")
    files.known_hosts(login).check(key(ONE))


@pytest.mark.parametrize("name", ["gate-*", "*,!gate-8", "gate-?"])
def test_wildcards_name_hosts(name: str, tmp_path: Path) -> None:
    known(tmp_path, f"{name} {ONE}").check(key(ONE))


@pytest.mark.parametrize("name", ["gate-*,!gate-7", "!gate-7", "gat?"])
def test_exceptions_and_other_patterns_do_not(name: str, tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="is not known"):
        known(tmp_path, f"{name} {ONE}").check(key(ONE))


def test_a_certificate_authority_is_refused_by_name_and_only_for_its_hosts(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match="trusts ann@gate-7:22 by @cert-authority, which edgekit does not check"):
        known(tmp_path, f"@cert-authority gate-* {TWO}").check(key(ONE))
    with pytest.raises(TrustError, match="is not known"):
        known(tmp_path, f"@cert-authority *.example {TWO}").check(key(ONE))
