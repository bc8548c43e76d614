"""What edgekit offers a server, and what it leaves out of paramiko."""

from __future__ import annotations

import socket
import subprocess
import sys

from edgekit.executor.ssh_transport import is_weak, transport_factory


def test_nothing_weak_is_offered() -> None:
    ours, _ = socket.socketpair()
    transport = transport_factory(frozenset({"ssh-rsa"}))(ours)
    offered = transport.get_security_options()
    names = [*offered.ciphers, *offered.digests, *offered.kex, *offered.key_types]
    assert not [name for name in names if is_weak(name)]
    assert offered.key_types[0].startswith("rsa-sha2-"), "the kind that is known comes first"
    assert [is_weak(name) for name in ("aes128-cbc", "3des-cbc", "hmac-sha1", "hmac-md5-96", "ssh-rsa")] == [True] * 5
    assert is_weak("diffie-hellman-group14-sha1") and not is_weak("diffie-hellman-group14-sha256")


def test_a_connection_needs_none_of_what_paramiko_has_besides() -> None:
    program = "import sys, edgekit.executor.ssh; print(*{'invoke', 'asyncio', 'unittest.mock'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == []
