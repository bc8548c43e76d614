"""What a failed build said becomes one sentence and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.host.wheel.cross.failure import explain_failure
from edgekit.host.wheel.cross.sources import Source

HINTS = Path(__file__).parents[4] / "cross" / "headers.toml"
SOURCE = Source(name="gate", version="1.0", sha256="0" * 64, filename="gate-1.0.tar.gz")
SETUPTOOLS = "error: Command '['/x/cc', '-c', 'gate.c']' returned non-zero exit status 1.\n"


@pytest.mark.parametrize(
    ("said", "first", "cure"),
    [
        (
            f"gate.c:2:10: fatal error: 'sys/capability.h' file not found\n1 error generated.\n{SETUPTOOLS}",
            "gate.c:2:10: fatal error: 'sys/capability.h' file not found",
            "libcap-dev",
        ),
        (f"gate.c:9:1: error: unknown type name 'foo'\n{SETUPTOOLS}", "gate.c:9:1: error: unknown type name 'foo'", ""),
        (
            "ld.lld: error: unable to find library 'turbojpeg'\n",
            "ld.lld: error: unable to find library 'turbojpeg'",
            "libturbojpeg0-dev",
        ),
        (
            '../meson.build:3:0: ERROR: Dependency "cairo" not found, tried pkgconfig\n',
            "ERROR: Dependency",
            "libcairo2-dev",
        ),
        (
            "../meson.build:98:13: ERROR: Dependency lookup for geos with method 'pkg-config' failed: not found\n",
            "ERROR: Dependency lookup for geos",
            "libgeos-dev",
        ),
        (
            "ERROR: could not get https://example.com/freetype.tar.xz; is the internet available?\n",
            "could not get",
            "downloads while it builds",
        ),
        (
            "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>\n",
            "urlopen error",
            "downloads while it builds",
        ),
        ("CMake Error: Could NOT find OpenSSL, try to set\n", "", "libssl-dev"),
        ("gate.c:1:10: fatal error: 'own/thing.h' file not found\n", "own/thing.h", "cross/packages/gate.toml"),
        (
            "ERROR: Git command failed: ['/usr/bin/git', 'clone', 'x']\n",
            "Git command failed",
            "downloads while it builds",
        ),
        (
            "Traceback (most recent call last):\nModuleNotFoundError: No module named 'numpy'\n",
            "No module named 'numpy'",
            "",
        ),
        ("something odd\n", "something odd", ""),
        ("", "it says nothing", ""),
    ],
)
def test_the_first_thing_to_know_and_what_to_do(said: str, first: str, cure: str) -> None:
    error = explain_failure(SOURCE, said, Path("/cache/gate.log"), HINTS)
    assert error.message.startswith("gate 1.0 does not build: ") and first in error.message
    assert "\n" not in error.message
    assert cure in error.hint and error.hint.endswith("/cache/gate.log")


def test_without_the_data_file_there_is_still_an_answer(tmp_path: Path) -> None:
    said = "gate.c:2:10: fatal error: 'zlib.h' file not found\n"
    assert "zlib.h" in explain_failure(SOURCE, said, Path("x.log"), tmp_path / "none.toml").hint
