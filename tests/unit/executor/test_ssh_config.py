"""ssh_config is honoured as OpenSSH does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.executor.address import SshAddress
from edgekit.executor.ssh_config import SshLogin
from edgekit.executor.ssh_files import SshFiles


def resolve(home: Path, config: str, **fields: object) -> SshLogin:
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh/config").write_text(config)
    return SshFiles(user="ann", home=home).login(SshAddress(**{"host": "gate-7", **fields}))  # type: ignore[arg-type]


def test_without_a_file(tmp_path: Path) -> None:
    login = SshFiles(user="ann", home=tmp_path).login(SshAddress(host="gate-7"))
    assert (login.name, login.key_name, login.jumps) == ("ann@gate-7:22", "gate-7", ())
    assert login.known_hosts[0] == str(tmp_path / ".ssh/known_hosts")
    assert login.identities == ()


def test_the_file_fills_what_the_address_leaves_open(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.touch()
    login = resolve(
        tmp_path,
        f"Host gate-*\n HostName 10.0.0.7\n User root\n Port 2222\n IdentityFile {key}\n"
        " UserKnownHostsFile ~/.ssh/a /b\n ProxyJump ops@bastion:23,root@second\n",
    )
    assert login.name == "root@10.0.0.7:2222"
    assert login.key_name == "[10.0.0.7]:2222"
    assert login.identities == (str(key),)
    assert login.known_hosts[:2] == (str(tmp_path / ".ssh/a"), "/b")
    assert login.jumps == ("ops@bastion:23", "root@second")


def test_the_address_wins(tmp_path: Path) -> None:
    (tmp_path / "own").touch()
    config = "Host *\n User root\n Port 2222\n HostKeyAlias other\n IdentityFile /nowhere\n UserKnownHostsFile /x\n"
    login = resolve(
        tmp_path, config, user="eve", port=22, identity=str(tmp_path / "own"), known_hosts="/y", host_key_alias="board"
    )
    assert login.name == "eve@gate-7:22"
    assert (login.key_name, login.known_hosts) == ("board", ("/y",))
    assert login.identities == (str(tmp_path / "own"),)


def test_an_alias_stands_without_the_port(tmp_path: Path) -> None:
    assert resolve(tmp_path, "Host gate-7\n HostKeyAlias board\n Port 2222\n").key_name == "board"


def test_the_usual_keys_that_exist(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/id_ed25519").touch()
    assert resolve(tmp_path, "").identities == (str(tmp_path / ".ssh/id_ed25519"),)


def test_none_switches_a_proxy_off(tmp_path: Path) -> None:
    login = resolve(tmp_path, "Host gate-7\n ProxyCommand none\n ProxyJump none\nHost *\n ProxyCommand nc %h %p\n")
    assert (login.proxy_command, login.jumps) == ("", ())


def test_a_proxy_command_gets_host_and_port(tmp_path: Path) -> None:
    assert resolve(tmp_path, "Host *\n ProxyCommand nc %h %p\n", port=23).proxy_command == "nc gate-7 22"


def test_included_files_count_and_end_with_themselves(tmp_path: Path) -> None:
    (tmp_path / ".ssh/config.d").mkdir(parents=True)
    (tmp_path / ".ssh/config.d/a").write_text("Host gate-7\n Port 2022\n")
    (tmp_path / ".ssh/config.d/b").write_text("Host elsewhere\n User nobody\n")
    login = resolve(tmp_path, "Include config.d/*\nUser root\n")
    assert login.name == "root@gate-7:2022"


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    assert resolve(tmp_path, "Include config\nUser root\n").user == "root"


def test_a_strange_jump_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ProxyJump '-oX' is not an address"):
        resolve(tmp_path, "Host *\n ProxyJump -oX\n")


@pytest.mark.parametrize("port", ["abc", "0", "65536", "-1", "\u0663"])
def test_a_strange_port_is_named(port: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a port number") as caught:
        resolve(tmp_path, f"Host *\n Port {port}\n")
    assert caught.value.hint == "edit your ssh_config"


@pytest.mark.parametrize("jump", ["ssh://ops@bastion:23", "ssh://ops@bastion:23/", " ops@bastion:23"])
def test_a_jump_may_be_written_as_an_address_of_the_web(jump: str, tmp_path: Path) -> None:
    assert resolve(tmp_path, f"Host *\n ProxyJump {jump}\n").jumps == ("ops@bastion:23",)


def test_match_counts_but_runs_nothing(tmp_path: Path) -> None:
    assert resolve(tmp_path, "Match host gate-*\n User root\n").user == "root"
    with pytest.raises(InputError, match="Match exec"):
        resolve(tmp_path, "Match exec true\n User root\n")


def test_it_runs_nothing_either_where_others_imported_paramiko_before(tmp_path: Path) -> None:
    """A stage, a script or a test: an import's order must not decide whether a command of ssh_config runs."""
    program = f"""
import paramiko
import subprocess
import sys
from pathlib import Path
from edgekit.executor.address import parse_address
from edgekit.executor.ssh_config import resolve_login
config = paramiko.SSHConfig.from_text("Match exec 'touch {tmp_path}/ran'")
resolve_login(parse_address("gate-7"), config, user="ann", home=Path({str(tmp_path)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "InputError: ssh_config has a Match exec" in done.stderr
    assert not (tmp_path / "ran").exists()


def test_wildcards_and_exceptions_of_hosts_count(tmp_path: Path) -> None:
    assert resolve(tmp_path, "Host gate-? !gate-7\n User root\nHost gate-*\n User ops\n").user == "ops"


def test_identities_only_is_kept_with_what_it_names(tmp_path: Path) -> None:
    login = resolve(tmp_path, f"Host *\n IdentitiesOnly yes\n IdentityFile {tmp_path}/.ssh/board\n")
    assert login.identities_only and login.named == (str(tmp_path / ".ssh/board"),)
    assert not resolve(tmp_path, "").identities_only
    usual = resolve(tmp_path, "Host *\n IdentitiesOnly yes\n").named
    assert str(tmp_path / ".ssh/id_ed25519") in usual, "as OpenSSH has it: the agent's key of a usual file counts"


def test_a_certificate_beside_its_key_is_taken_and_another_refused_by_name(tmp_path: Path) -> None:
    usual = f"Host *\n IdentityFile {tmp_path}/.ssh/board\n CertificateFile ~/.ssh/"
    assert resolve(tmp_path, f"{usual}board-cert.pub\n").user == "ann"
    with pytest.raises(InputError, match=r"CertificateFile ~/\.ssh/other\.pub") as caught:
        resolve(tmp_path, f"{usual}other.pub\n")
    assert f"ln -s {tmp_path}/.ssh/other.pub {tmp_path}/.ssh/board-cert.pub" in caught.value.hint
