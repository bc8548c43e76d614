"""Addresses as users write them."""

from __future__ import annotations

import pytest

from edgekit.executor.address import SshAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("root@10.0.0.7", SshAddress(user="root", host="10.0.0.7")),
        ("root@gate-7:2222", SshAddress(user="root", host="gate-7", port=2222)),
        ("gate-7", SshAddress(host="gate-7")),
        ("root@[fe80::1]", SshAddress(user="root", host="fe80::1")),
        ("root@[fe80::1%eth0]:22", SshAddress(user="root", host="fe80::1%eth0", port=22)),
        ("ann@site@gate-7", SshAddress(user="ann@site", host="gate-7")),
    ],
)
def test_addresses(text: str, address: SshAddress) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@host",
        "root@",
        "root@host:",
        "root@host:0",
        "root@host:65536",
        "root@host:x",
        "root@[::1",
        "root@[::1]22",
        "-oProxyCommand=x",
        "root@-oProxyCommand=x",
        "-x@host",
        "root@a b",
        "root@host,other",
        "root@host/x",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_address(text)
