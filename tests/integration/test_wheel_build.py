"""`edgekit wheel build` as a user meets it: own code, failures, the cache, and machines that lack things."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest

from edgekit.host.cache_users import using
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.shipped_targets import target_text
from tests.fakes.wheel_user import C_MODULE, SHARED, User, hint_of, write_package

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


def test_a_folder_of_ones_own_becomes_a_wheel_that_tells_how_it_was_made(user: User) -> None:
    write_package(user.home / "gate")
    [made] = user.build("./gate")
    assert Path(made["path"]).name == "gate-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"
    with zipfile.ZipFile(user.home / made["path"]) as wheel:
        names = wheel.namelist()
        told = json.loads(wheel.read("gate-1.0.dist-info/sboms/edgekit.cdx.json"))
    assert "gate.cpython-311-aarch64-linux-gnu.so" in names
    said = {entry["name"]: entry["value"] for entry in told["metadata"]["component"]["properties"]}
    assert said["edgekit:abi"] == "cp311-aarch64-glibc2.36" and said["edgekit:compiler"].startswith("zig ")
    assert "setuptools==" in said["edgekit:built-with"]
    assert user.build("./gate")[0]["from_cache"]
    (user.home / "gate/gate.c").write_text(C_MODULE % "/* changed */")
    assert not user.build("./gate")[0]["from_cache"]


def test_a_linked_folder_counts_and_a_link_to_nothing_is_no_trouble(user: User) -> None:
    """Sources often share headers through a link to a folder beside them."""
    (user.home / "common").mkdir()
    (user.home / "common/answer.h").write_text('#define ANSWER "answer forty-two"\n')
    code = '#include "answer.h"\nPyMODINIT_FUNC PyInit_gate(void);\nconst char *answer(void) { return ANSWER; }\n'
    write_package(user.home / "gate", code=code, setup=", include_dirs=['shared']")
    (user.home / "gate/shared").symlink_to("../common")
    (user.home / "gate/old.log").symlink_to("nowhere")
    [first] = user.build("./gate")
    (user.home / "common/answer.h").write_text('#define ANSWER "answer forty-three"\n')
    [second] = user.build("./gate")
    assert not second["from_cache"] and second["sha256"] != first["sha256"]
    with zipfile.ZipFile(user.home / second["path"]) as wheel:
        module = wheel.read("gate.cpython-311-aarch64-linux-gnu.so")
    assert b"answer forty-three" in module and b"forty-two" not in module
    assert user.build("./gate")[0]["from_cache"]


def test_the_same_source_gives_the_same_bytes_in_another_cache(user: User, tmp_path: Path) -> None:
    other = User(tmp_path / "other")
    for home in (user.home, other.home):
        write_package(home / "gate")
    [one], [two] = user.build("./gate"), other.build("./gate")
    assert not two["from_cache"]
    assert one["sha256"] == two["sha256"]


def test_a_source_package_of_ones_own(user: User) -> None:
    write_package(user.home / "gate-1.0")
    with tarfile.open(user.home / "gate-1.0.tar.gz", "w:gz") as archive:
        archive.add(user.home / "gate-1.0", "gate-1.0")
    [made] = user.build("./gate-1.0.tar.gz")
    assert made["version"] == "1.0" and made["built"]["made"]["source"] == "gate-1.0.tar.gz"


def test_a_missing_header_names_the_package_that_has_it_and_the_log(user: User) -> None:
    write_package(user.home / "gate", code="#include <sys/capability.h>")
    said = user.refused("./gate")
    error = next(line for line in said.splitlines() if line.startswith("error:"))
    assert "'sys/capability.h' file not found" in error and "gate.c" in error
    hint = hint_of(said)
    assert "libcap-dev" in hint
    log = Path(hint.rsplit(" ", 1)[1])
    assert "capability.h" in log.read_text()
    assert not list((user.cache / "crossbuild/wheels").glob("[!.]*"))


def test_flags_and_folders_of_this_machine_are_left_out(user: User) -> None:
    """What a careless setup.py writes: it compiles all the same, for the board."""
    flags = ", extra_compile_args=['-march=native', '-mavx2', '-I/usr/include', '-I/usr/include/x86_64-linux-gnu']"
    more = ", extra_link_args=['-L/usr/lib/x86_64-linux-gnu', '-Wl,-rpath,/usr/local/lib']"
    write_package(user.home / "gate", setup=flags + more)
    [made] = user.build("./gate")
    assert made["path"].endswith("aarch64.whl")


def test_an_object_of_this_machine_is_refused_by_its_name(user: User) -> None:
    folder = write_package(user.home / "gate")
    (folder / "setup.py").write_text(
        "import os, shutil\nfrom setuptools import Extension, setup\n"
        "os.makedirs('gate_x', exist_ok=True)\nopen('gate_x/__init__.py', 'w')\n"
        f"shutil.copy({str(Path(shutil.which('true') or '/bin/true').resolve())!r}, 'gate_x/helper')\n"
        "setup(packages=['gate_x'], package_data={'gate_x': ['helper']}, ext_modules=[Extension('gate', ['gate.c'])])\n"
    )
    said = user.refused("./gate")
    assert "gate_x/helper is for x86_64" in said


def test_a_compiled_part_that_is_left_out_in_silence_is_told(user: User) -> None:
    """setuptools goes on without an optional extension that does not compile: the board would get the slow half."""
    write_package(user.home / "gate", code="#error no such processor", setup=", optional=True")
    said = user.refused("./gate")
    assert "came out without its compiled part" in said


def test_a_back_end_that_is_not_there(user: User) -> None:
    write_package(user.home / "gate", backend="no_such_backend")
    assert "no_such_backend" in user.refused("./gate")


def test_rust_without_the_boards_target_is_refused_in_a_sentence(user: User) -> None:
    """This holds where rustup has no arm64 target, and where there is no Rust at all."""
    rustc = shutil.which("rustc")
    asked = subprocess.run([rustc or "false", "--print", "sysroot"], capture_output=True, text=True, check=False)
    sysroot = asked.stdout.strip()
    if sysroot and Path(sysroot, "lib/rustlib/aarch64-unknown-linux-gnu/lib").is_dir():
        pytest.skip("this machine's Rust compiles for arm64")
    said = user.refused("rpds-py==0.30.0", "--no-binary")
    assert "is written in Rust" in said and "rustup target add aarch64-unknown-linux-gnu" in said


def test_a_killed_build_leaves_no_wheel_and_the_next_one_works(user: User) -> None:
    write_package(user.home / "gate", code="\n".join(f"int f{n}(int x) {{ return x + {n}; }}" for n in range(1000)))
    process = subprocess.Popen(
        user.argv("./gate"), cwd=user.home, env=user.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + PATIENCE_S
    while not list((user.cache / "crossbuild/work").glob("*/source")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    assert not [path for path in (user.cache / "crossbuild/wheels").glob("*") if not path.name.startswith(".")]
    [made] = user.build("./gate")
    assert (user.home / made["path"]).is_file()
    assert not list((user.cache / "crossbuild/work").glob("*/source"))


def test_two_builds_at_once_share_one(user: User) -> None:
    write_package(user.home / "gate")
    both = [
        subprocess.Popen(
            user.argv("./gate", "--json"), cwd=user.home, env=user.environment(), stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    told = [json.loads(process.communicate(timeout=300)[0])["wheels"][0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(wheel["from_cache"] for wheel in told) == [False, True]
    assert told[0]["sha256"] == told[1]["sha256"]


def test_without_a_network_what_was_built_is_there(user: User) -> None:
    [made] = user.build("spidev==3.8", "--no-binary")
    assert not made["from_cache"]
    [again] = user.build("spidev==3.8", "--no-binary", UV_OFFLINE="1")
    assert again["from_cache"] and again["sha256"] == made["sha256"]
    said = user.refused("posix-ipc==1.3.1", "--no-binary", UV_OFFLINE="1", UV_CACHE_DIR=str(user.home / "empty"))
    assert "the package index cannot be reached" in said


def test_without_debians_tools_zig_alone_builds_and_the_rest_says_so(user: User) -> None:
    """No apt and no archive known: C and C++ still build; what needs Debian's packages is refused in a sentence."""
    bare = user.home / "bin"
    bare.mkdir()
    for name in ("env", "sh", "sed", "ssh-keygen", "uname"):
        (bare / name).symlink_to(shutil.which(name) or f"/usr/bin/{name}")
    (user.cache / "crossbuild/roots").unlink()
    (user.cache / "crossbuild/sources").unlink()
    write_package(user.home / "gate")
    bare_machine = {"PATH": str(bare), "EDGEKIT_DEBIAN_ARCHIVE": "none"}
    done = user.run("./gate", **bare_machine)
    assert done.returncode == 0, done.stderr
    assert "this machine knows no Debian archive" in done.stderr and "zig's own library" in done.stderr
    said = user.refused("python-prctl==1.8.1", **bare_machine)
    assert (
        "error: python-prctl 1.8.1 takes libcap out of Debian's packages, and this machine knows no" in said
        and "EDGEKIT_DEBIAN_ARCHIVE" in said
    )
    assert user.build("numpy==2.2.6", **bare_machine)[0]["source"] == "downloaded"


@pytest.mark.parametrize(
    ("requirement", "target", "told"),
    [
        ("onnxruntime==1.24.0", "jetson-orin-nano-jp62", "the nearest version that is: 1.23.2"),
        ("rknn-toolkit-lite2", "no-such-python", "no version of rknn-toolkit-lite2 is for Python 3.14"),
        ("decord", "virt-arm64", "no version of decord is for any Python with glibc 2.36 on aarch64"),
    ],
)
def test_a_requirement_that_is_for_no_python_of_the_target(
    requirement: str, target: str, told: str, user: User
) -> None:
    (user.home / "targets").mkdir()
    text = target_text("virt-arm64").replace("virt-arm64", "no-such-python")
    (user.home / "targets/no-such-python.toml").write_text(text.replace('"3.11"', '"3.14"').replace("311", "314"))
    said = user.refused(requirement, target=target)
    assert told in said and len([line for line in said.splitlines() if line.startswith("error:")]) == 1


def test_wheels_of_ones_own_and_lists_of_requirements(user: User) -> None:
    """What pip takes from a file goes here too; paths in a list start from where it lies."""
    write_package(user.home / "own" / "gate")
    (user.home / "own/all.txt").write_text("six  # small\n./gate\n")
    made = user.build("-r", "own/all.txt")
    assert [wheel["name"] for wheel in made] == ["six", "gate"]
    [again] = user.build(f"./{made[1]['path']}")
    assert (again["sha256"], again["source"]) == (made[1]["sha256"], "downloaded")
    said = user.run(f"./{made[1]['path']}", target="jetson-orin-nano-jp62")
    assert said.returncode == 4 and "is for cp311-cp311-manylinux_2_17_aarch64" in said.stderr


@pytest.mark.parametrize(
    "word", ["psutil===foo", "git+https://index.example/gate", "./none.whl", "https://me:pw@index.example/a.whl"]
)
def test_what_cannot_be_a_requirement_is_refused_in_a_sentence(word: str, user: User) -> None:
    done = user.run(word)
    assert done.returncode == 2 and "hint:" in done.stderr, done.stderr


def test_what_is_jetpacks_own_is_left_to_it(user: User) -> None:
    for word, told in (("tensorrt", "JetPack has it"), ("nvidia-cublas-cu12", "JetPack brings CUDA 13.2 itself")):
        assert told in user.refused(word, target="jetson-orin-jp72")


@pytest.mark.parametrize("word", ["no requirement!", "=1.0"])
def test_what_is_no_requirement_ends_with_2(word: str, user: User) -> None:
    done = user.run(word)
    assert done.returncode == 2 and f'expected a requirement such as "scipy>=1.14", found {word!r}' in done.stderr


def test_the_cache_is_listed_and_thrown_away(user: User) -> None:
    write_package(user.home / "gate")
    user.build("./gate")

    def ask(*words: str) -> Any:
        argv = [sys.executable, "-m", "edgekit.cli.main", *words, "--json"]
        done = subprocess.run(argv, capture_output=True, text=True, env=user.environment(), timeout=60, check=True)
        return json.loads(done.stdout)

    [kept] = ask("wheel", "list")["wheels"]
    assert kept["built"]["name"] == "gate"
    for name in SHARED:
        (user.cache / "crossbuild" / name).unlink()
    with using(user.cache, lambda: 0.0):  # as a build that has been going on for long
        busy = ask("cache", "gc", "--older-than", "0")
    assert busy["entries"] == [] and busy["in_use"] > 3
    assert [entry["kind"] for entry in ask("cache", "gc", "--older-than", "1")["entries"]] == []
    titles = {(entry["kind"], entry["title"]) for entry in ask("cache", "gc", "--older-than", "0")["entries"]}
    assert ("wheels", "gate 1.0 for cp311-aarch64-glibc2.36") in titles
    assert {kind for kind, _ in titles} >= {"wheels", "toolchains", "headers", "logs", "pins"}
    assert ask("wheel", "list")["wheels"] == []
