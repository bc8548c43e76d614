"""What a failed build said becomes one sentence and a cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.errors import WheelError
from edgekit.host.wheel.cross.failure import Failure, explain_failure, first_error, not_of_probes
from edgekit.host.wheel.cross.sources import Source

CROSS = Path(__file__).parents[4] / "cross"
SOURCE = Source(name="gate", version="1.0", sha256="0" * 64, filename="gate-1.0.tar.gz")
SETUPTOOLS = "error: Command '['/x/cc', '-c', 'gate.c']' returned non-zero exit status 1.\n"


def explain(said: str, modules: tuple[str, ...] = (), cross: Path = CROSS) -> WheelError:
    return explain_failure(Failure(source=SOURCE, output=said, log=Path("/cache/gate.log"), modules=modules), cross)


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
    error = explain(said)
    assert error.message.startswith("gate 1.0 does not build: ") and first in error.message
    assert "\n" not in error.message
    assert cure in error.hint and error.hint.endswith("/cache/gate.log")


def test_without_the_data_file_there_is_still_an_answer(tmp_path: Path) -> None:
    said = "gate.c:2:10: fatal error: 'zlib.h' file not found\n"
    assert "zlib.h" in explain(said, cross=tmp_path).hint


USB = 'error: unable to find dynamic system library "usb-1.0" using strategy paths_first. searched paths: none\n'
SCM = "LookupError: setuptools-scm was unable to detect version for /work/gate.\n"
INTRINSICS = (
    "/zig/lib/include/mmintrin.h:14:2: error: This header is only meant to be used on x86 and x64 architecture\n"
    "/zig/lib/include/mmintrin.h:53:35: error: use of undeclared identifier '__m64'\n"
    "fatal error: too many errors emitted, stopping now [-ferror-limit=]\n"
)


@pytest.mark.parametrize(
    ("said", "message", "cure"),
    [
        (USB, "usb-1.0", "libusb-1.0-0-dev has: name that in cross/packages/gate.toml"),
        (INTRINSICS, "it is written for x86: /zig/lib/include/mmintrin.h:14:2", "cross/packages/gate.toml"),
        ("a.c:1:2: error: unknown register name 'rax' in asm\n", "it is written for x86", "has a wheel"),
        ("OSError: [Errno 8] Exec format error: './gen'\n", "it runs ./gen, which it has just compiled", "`files`"),
        ("/bin/sh: 1: ./gen: Exec format error\nmake: *** [x] Error 2\n", "it runs ./gen", "`files`"),
        ("./tables/gen: cannot execute binary file: Exec format error\n", "it runs ./tables/gen", "`files`"),
        (
            "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory\n",
            "it runs a program, which it has just compiled",
            "`files`",
        ),
        ("ModuleNotFoundError: No module named '_tables'\n", "it runs _tables, which it has just", "`files`"),
        (SCM, "takes its version from git", "SETUPTOOLS_SCM_PRETEND_VERSION"),
        ("Exception: Versioning for this project requires either an sdist\n", "version from git", "PBR_VERSION"),
        ("edgekit: there is no Fortran compiler for the board\n", "it is written in Fortran", "has a wheel"),
        ("ERROR: Unknown compiler(s): [['gfortran'], ['flang']]\n", "it is written in Fortran", "has a wheel"),
        ("a.c:1:10: fatal error: 'omp.h' file not found\n", "it uses OpenMP", "switch it off"),
        ("ld.lld: error: undefined symbol: __kmpc_fork_call\n", "it uses OpenMP", "switch it off"),
        ("ld.lld: error: /usr/lib/libz.so is incompatible with aarch64linux\n", "made for this machine", "sysroot of"),
    ],
)
def test_kinds_of_failures_have_a_sentence_and_a_cure(said: str, message: str, cure: str) -> None:
    error = explain(said + SETUPTOOLS, modules=("_tables",))
    assert message in error.message and cure in error.hint
    assert "\n" not in error.message


def test_a_missing_module_that_it_did_not_compile_is_no_program_of_the_board() -> None:
    assert "runs" not in explain("ModuleNotFoundError: No module named 'numpy'\n", modules=("_tables",)).message


def test_the_first_error_is_told_and_cured_not_the_last() -> None:
    said = (
        "a.c:1:10: fatal error: 'sys/capability.h' file not found\n1 error generated.\n"
        "b.c:1:10: fatal error: 'zlib.h' file not found\n1 error generated.\n"
    )
    error = explain(said + SETUPTOOLS)
    assert "a.c:1:10" in error.message and "libcap-dev" in error.hint


def test_errors_of_probes_count_where_there_is_nothing_else() -> None:
    probe = "/tmp/tmpx8a2k1/test.c:1:10: fatal error: 'sys/capability.h' file not found\n"
    conftest = "conftest.c:3:10: fatal error: 'sys/capability.h' file not found\n"
    real = "gate.c:9:1: error: unknown type name 'foo'\n"
    for found in (probe, conftest):
        assert first_error(found + real + SETUPTOOLS) == real.strip()
        assert first_error(found) == found.strip()
        assert not_of_probes(found) == "" and real in not_of_probes(found + real)


@pytest.mark.parametrize(
    ("said", "lack"),
    [
        ("curl: (6) Could not resolve host: github.com\n", "github.com could not be reached"),
        (
            "fatal: unable to access 'https://github.com/a/b/': Could not resolve host: github.com\nCMake Error: x\n",
            "github.com could not be reached",
        ),
        ("wget: unable to resolve host address 'files.example'\n", "files.example could not be reached"),
        (
            "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='files.example', port=443): Max retries\n",
            "files.example could not be reached",
        ),
        ("npm error request failed, reason: getaddrinfo EAI_AGAIN registry.example\n", "registry.example could not"),
        ("go: x: dial tcp: lookup proxy.example on 127.0.0.1:53: refused\n", "proxy.example could not be reached"),
        (
            "urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>\n",
            'it says "[Errno -3]"',
        ),
        ("OSError: [Errno 101] Network is unreachable\n", 'it says "Network is unreachable"'),
    ],
)
def test_a_build_that_asks_for_the_network_is_told_so_by_name(said: str, lack: str) -> None:
    failure = Failure(source=SOURCE, output=said, log=Path("/cache/gate.log"), alone=True)
    error = explain_failure(failure, CROSS)
    assert error.message.startswith("gate 1.0 does not build: its build asks for the network, which builds do not ha")
    assert lack in error.message and "put what it downloads into them" in error.hint and error.exit_code == 4
    assert "asks for the network" not in explain(said).message  # where builds have it, it is another matter


def test_a_download_that_a_build_does_without_is_not_what_ended_it() -> None:
    said = "curl: (6) Could not resolve host: github.com\ngate.c:2:10: fatal error: 'zlib.h' file not found\n"
    failure = Failure(source=SOURCE, output=said, log=Path("/cache/gate.log"), alone=True)
    assert "zlib.h" in explain_failure(failure, CROSS).message


def test_a_cache_below_tmp_is_no_probes_folder() -> None:
    header = "/tmp/ann/cache/edgekit/crossbuild/compilers/0.17.1/files/ziglang/lib/include/mmintrin.h:59:19: error: x"
    many = "fatal error: too many errors emitted, stopping now [-ferror-limit=]"
    assert first_error(f"/tmp/probe-1/test.c:1:1: error: no\n{header}\n{many}\n") == header


def test_megabytes_in_one_line_are_quick() -> None:
    """A pattern that tries again at every character would take days for this."""
    line = "conftest.h" * 200_000
    assert line.startswith(first_error(line)) and not_of_probes(f"error: {line}")
    assert explain(f"gate.c:2:10: fatal error: 'sys/capability.h' file not found\n{line}").hint.startswith("it misses")
