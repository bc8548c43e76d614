"""Source packages that mean harm, built by `edgekit wheel build` as a user who holds a signing key."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.package_index import PackageIndex, sdist_bytes, wheel_bytes
from tests.fakes.wheel_user import C_MODULE, User, hint_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]
PROJECT = '[project]\nname = "gate"\nversion = "1.0"\n[build-system]\nrequires = [%s]\nbuild-backend = "%s"\n'
SPY = """
import json, os, socket
from pathlib import Path
from setuptools import setup
asked = json.loads(Path("asked.json").read_text())
seen = {"variables": sorted(set(os.environ) & set(asked["variables"])), "read": [], "reached": []}
for path in asked["read"]:
    try:
        Path(path).read_text()
    except OSError:
        continue
    seen["read"].append(path)
seen["home"] = os.listdir(asked["home"])
for path in asked["write"]:
    try:
        Path(path).write_text("evil")
    except OSError:
        continue
for port in asked["ports"]:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        continue
    seen["reached"].append(port)
Path("gate_seen.py").write_text(f"SEEN = {seen!r}")
setup(py_modules=["gate_seen"])
"""


@dataclass(frozen=True)
class Victim:
    """A user with a key, a home and caches, whose sandbox is of one kind."""

    user: User
    kind: str
    path: str

    def build(self, *words: str, **variables: str) -> list[dict]:
        return self.user.build(*words, PATH=self.path, HOME=str(self.user.home), **variables)

    def refused(self, *words: str) -> str:
        return self.user.refused(*words, PATH=self.path, HOME=str(self.user.home))


@pytest.fixture(params=["bubblewrap", "namespaces"])
def victim(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Victim]:
    path = os.environ["PATH"]
    if request.param == "bubblewrap" and not shutil.which("bwrap"):
        pytest.skip("bubblewrap is not installed")
    if request.param == "namespaces":
        path = str(_without("bwrap", tmp_path / "bin"))
    (tmp_path / "home").mkdir()
    yield Victim(User(tmp_path / "home"), request.param, path)


def _without(program: str, folder: Path) -> Path:
    """A folder for PATH that has every program but one."""
    folder.mkdir()
    for place in map(Path, os.environ["PATH"].split(":")):
        for file in place.iterdir() if place.is_dir() else ():
            if file.name != program and not (folder / file.name).is_symlink():
                (folder / file.name).symlink_to(file)
    return folder


def test_a_packages_code_sees_nothing_of_the_user_and_reaches_nobody(victim: Victim) -> None:
    home = victim.user.home
    secrets = [home / ".config/edgekit/release-key", home / ".ssh/id_ed25519", victim.user.cache / "engines/x/engine"]
    for file in secrets:
        file.parent.mkdir(parents=True)
        file.write_text("secret")
    caches = [victim.user.cache / "crossbuild" / name for name in ("compilers", "zig-cache", "sources", "wheels")]
    written = [path / "edgekit-evil" for path in (*caches, home, home / "out", home / ".ssh", Path("/usr/lib"))]
    package = home / "gate"
    package.mkdir()
    with tempfile.NamedTemporaryFile("w") as mark, socket.create_server(("127.0.0.1", 0)) as server:
        asked = {
            "variables": ["SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "UV_INDEX_PRIVATE_PASSWORD", "USER"],
            "read": [*map(str, secrets), mark.name, "/etc/shadow"],
            "write": [*map(str, written)],
            "home": str(home),
            "ports": [server.getsockname()[1]],
        }
        (package / "asked.json").write_text(json.dumps(asked))
        (package / "setup.py").write_text(SPY)
        (package / "pyproject.toml").write_text(PROJECT % ('"setuptools"', "setuptools.build_meta"))
        variables = dict.fromkeys(asked["variables"], "hush")
        (made,) = victim.build("./gate", **variables)
    with zipfile.ZipFile(home / made["path"]) as wheel:
        seen = ast.literal_eval(wheel.read("gate_seen.py").decode().removeprefix("SEEN = "))
    assert set(seen.pop("home")) <= {"cache", "edgekit-evil"}  # the build's own folder lies there, and what it "wrote"
    assert seen == {"variables": [], "read": [], "reached": []}
    assert made["built"]["sandbox"] == victim.kind
    assert not [path for path in written if path.exists()]


def test_a_build_requirement_that_starts_itself_does_so_in_the_sandbox_alone(victim: Victim) -> None:
    """A `.pth` file runs in whatever Python finds it: uv's own look at an environment would be one."""
    mark = victim.user.home / "ran-outside"
    code = f"import os; os.path.isdir({str(victim.user.home)!r}) and open({str(mark)!r}, 'w').close()\n"
    helper = wheel_bytes("starter", "1.0", {"starter.pth": code, "starter.py": ""})
    more = wheel_bytes("more", "1.0", {"more.py": ""})
    backend = (
        "from setuptools import build_meta\nfrom setuptools.build_meta import *\n"
        "def get_requires_for_build_wheel(settings=None):\n    return ['more']\n"
    )
    package = victim.user.home / "gate"
    package.mkdir()
    (package / "gate.py").write_text("")
    (package / "own.py").write_text(backend)
    project = PROJECT % ('"setuptools", "starter"', "own") + 'backend-path = ["."]\n'
    (package / "pyproject.toml").write_text(project + '[tool.setuptools]\npy-modules = ["gate"]\n')
    with PackageIndex(helper, more) as index:
        (made,) = victim.build("./gate", UV_INDEX=index.url)
    assert any("more==1.0" in pin for pin in made["built"]["made"]["built_with"])
    assert not mark.exists()


def test_a_wheel_that_is_tried_sees_nothing_of_the_user(victim: Victim) -> None:
    """Its module is imported here, under emulation, before anything relies on it."""
    key = victim.user.home / ".config/edgekit/release-key"
    key.parent.mkdir(parents=True)
    key.write_text("secret")
    code = (
        "#include <stdio.h>\n#include <stdlib.h>\n"
        f'__attribute__((constructor)) static void spy(void) {{ if (fopen("{key}", "r")) abort(); }}\n'
    )
    package = victim.user.home / "gate"
    package.mkdir()
    (package / "gate.c").write_text(C_MODULE % code)
    (package / "setup.py").write_text(
        "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('gate', ['gate.c'])])\n"
    )
    (package / "pyproject.toml").write_text(PROJECT % ('"setuptools"', "setuptools.build_meta"))
    assert victim.build("./gate")[0]["built"]["sandbox"] == victim.kind


@pytest.mark.parametrize(
    "trick",
    [
        "os.mkfifo(folder + '/output.json')",
        "os.symlink('/dev/zero', folder + '/output.json')",
        "open(folder + '/output.json', 'w').truncate(1 << 30)",
    ],
)
def test_an_answer_that_never_ends_ends_the_build(trick: str, victim: Victim) -> None:
    package = victim.user.home / "gate"
    package.mkdir()
    code = f"import os, sys\nfolder = sys.argv[-1]\n{trick}\nos._exit(0)\n"
    (package / "own.py").write_text(code)
    (package / "pyproject.toml").write_text(PROJECT % ("", "own") + 'backend-path = ["."]\n')
    assert "does not build: its back end ended without an answer" in victim.refused("./gate")


def test_a_note_that_is_a_link_shows_nothing_of_the_user(victim: Victim) -> None:
    """A build may link what it cannot read: whoever reads its notes could."""
    key = victim.user.home / ".config/edgekit/release-key"
    key.parent.mkdir(parents=True)
    key.write_text("hush-hush")
    package = victim.user.home / "gate"
    package.mkdir()
    code = f"import os, sys\nnotes = os.environ['EDGEKIT_NOTES']\nos.symlink({str(key)!r}, notes)\n"
    (package / "own.py").write_text(f"{code}os.symlink({str(key)!r}, notes + '.failed')\nsys.exit('no more')\n")
    (package / "pyproject.toml").write_text(PROJECT % ("", "own") + 'backend-path = ["."]\n')
    said = victim.refused("./gate")
    assert "no more" in said and "hush-hush" not in said


def test_a_wheel_that_is_a_link_is_none(victim: Victim) -> None:
    package = victim.user.home / "gate"
    package.mkdir()
    name = "gate-1.0-py3-none-any.whl"
    (package / "own.py").write_text(
        "import os\ndef build_wheel(folder, settings=None, metadata=None):\n"
        f"    os.symlink('/etc/hostname', os.path.join(folder, {name!r}))\n    return {name!r}\n"
    )
    (package / "pyproject.toml").write_text(PROJECT % ("", "own") + 'backend-path = ["."]\n')
    assert f"its back end gives {name}, which is no file" in victim.refused("./gate")


def test_a_package_that_downloads_is_told_so_and_the_cure_cures(victim: Victim) -> None:
    """The hint is followed: what it downloads is put into its sources, and that folder is named."""
    before = (
        "import os, urllib.request\n"
        "if not os.path.exists('data.bin'):\n    urllib.request.urlopen('http://files.example/data.bin')\n"
    )
    name, content = sdist_bytes("gate", "1.0", before=before)
    archive = victim.user.home / name
    archive.write_bytes(content)
    said = victim.refused(f"./{name}")
    assert "gate 1.0 does not build: its build asks for the network, which builds do not have" in said
    assert "unpack its sources, put what it downloads into them, and name that folder" in hint_of(said)
    shutil.unpack_archive(archive, victim.user.home)
    (victim.user.home / "gate-1.0/data.bin").write_text("as it was downloaded")
    assert victim.build("./gate-1.0")[0]["name"] == "gate"


CARGO = """#!/bin/sh
# Stands in for cargo: says whether this step has the network, and what it was asked.
test "$1" = fetch || exit 9
grep -c : /proc/net/dev > "$CARGO_HOME/interfaces"
echo "$@" > "$CARGO_HOME/asked"
"""
RUSTC = "#!/bin/sh\necho {sysroot}\n"
RUST_BACKEND = """
import json, os
from setuptools.build_meta import *
from setuptools import build_meta
def build_wheel(folder, settings=None, metadata=None):
    home = os.environ["CARGO_HOME"]
    seen = {name: open(os.path.join(home, name)).read() for name in ("interfaces", "asked")}
    seen["offline"] = os.environ["CARGO_NET_OFFLINE"]
    seen["own"] = len(open("/proc/net/dev").read().splitlines()) - 2
    open("gate_seen.py", "w").write(f"SEEN = {seen!r}")
    return build_meta.build_wheel(folder, settings, metadata)
"""


def test_only_the_fetching_of_crates_has_the_network(victim: Victim) -> None:
    """Against a cargo that only tells what it sees: this machine's Rust need not know the board."""
    home = victim.user.home
    sysroot = home / "rustup/toolchains/stable"
    (sysroot / "lib/rustlib/aarch64-unknown-linux-gnu/lib").mkdir(parents=True)
    (home / "cargo-bin").mkdir()
    for name, text in {"cargo": CARGO, "rustc": RUSTC.format(sysroot=sysroot)}.items():
        (home / "cargo-bin" / name).write_text(text)
        (home / "cargo-bin" / name).chmod(0o755)
    package = home / "gate"
    (package / "rust/inner").mkdir(parents=True)
    (package / "rust/Cargo.toml").write_text("[workspace]\n")
    (package / "rust/Cargo.lock").write_text("version = 4\n")
    (package / "rust/inner/Cargo.toml").write_text("[package]\n")
    (package / "own.py").write_text(RUST_BACKEND)
    project = PROJECT % ('"setuptools", "setuptools-rust"', "own") + 'backend-path = ["."]\n'
    (package / "pyproject.toml").write_text(project + '[tool.setuptools]\npy-modules = ["gate_seen"]\n')
    (made,) = victim.user.build("./gate", PATH=f"{home}/cargo-bin:{victim.path}", HOME=str(home))
    with zipfile.ZipFile(home / made["path"]) as wheel:
        seen = ast.literal_eval(wheel.read("gate_seen.py").decode().removeprefix("SEEN = "))
    here = len(Path("/proc/net/dev").read_text().splitlines()) - 2
    assert int(seen["interfaces"]) == here and seen["own"] == 1 and seen["offline"] == "true"
    assert seen["asked"].endswith("rust/Cargo.toml --target aarch64-unknown-linux-gnu --locked\n")
