"""`edgekit build` with a builder device over a real sshd, whose compiler is ONNX Runtime's own optimiser."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import settings_from
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="there is no sshd on this machine: apt-get install openssh-server"),
]
ROOT = Path(__file__).parents[2]
HOST = find_target("host", settings_from({}, Path(edgekit.__file__).parent))
TARGET = """\
name = "tuned"
title = "This machine, engines optimised on it"

[os]
id = "{os.id}"
version = "{os.version}"
arch = "{os.arch}"
libc_version = "{os.libc_version}"
python = "{os.python}"
python_path = "{os.python_path}"

[[clusters]]
name = "all"
cpus = "0-7"

[memory]
total_bytes = "8GiB"

[[accelerators]]
kind = "onnxruntime"
runtime_version = "{version}"
"""
FLEET = """\
[devices.bench-1]
address = "{address}"
target = "tuned"
labels = {{ builder = "yes" }}
prefix = "{prefix}"
identity = "{identity}"
known_hosts = "{known_hosts}"
"""


class Desk:
    """A workstation with a fleet of one builder."""

    def __init__(self, folder: Path, sshd: Sshd) -> None:
        self.folder, self.board = folder, folder / "board"
        (folder / "targets").mkdir()
        (folder / "targets/tuned.toml").write_text(TARGET.format(os=HOST.os, version=ort.__version__))
        known = {"identity": sshd.identity, "known_hosts": sshd.known_hosts, "address": sshd.address}
        (folder / "fleet.toml").write_text(FLEET.format(prefix=self.board, **known))
        self.recipe = Path(shutil.copytree(ROOT / "recipes/sorting-line", folder / "line"))
        file = self.recipe / "recipe.toml"
        file.write_text(re.sub(r"(?m)^requirements = .*", "requirements = []", file.read_text()))
        shutil.rmtree(self.recipe / "app")
        text = file.read_text()
        start = text.index("# The recipe's own code")
        file.write_text(text[:start] + text[text.index("[pipeline.sinks.counts]") :])
        self.engines = folder / "x" / "edgekit" / "engines"
        assert self.run("keys", "init").returncode == 0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        own = self.folder / "x" / "edgekit"
        own.mkdir(parents=True, exist_ok=True)
        for name in ("crossbuild", "locks", "sites", "toolkits"):  # what takes long is shared, engines are not
            (cache / "edgekit" / name).mkdir(parents=True, exist_ok=True)
            if not (own / name).exists():
                (own / name).symlink_to(cache / "edgekit" / name)
        places = {"XDG_CONFIG_HOME": "c", "XDG_STATE_HOME": "s", "XDG_CACHE_HOME": "x"}
        done = subprocess.run(
            [sys.executable, "-m", "edgekit.cli.main", *words],
            capture_output=True,
            text=True,
            env={**os.environ, **{name: str(self.folder / place) for name, place in places.items()}},
            cwd=self.folder,
            timeout=600,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def build(self, out: str, *more: str) -> Any:
        done = self.run("build", str(self.recipe), "--target", "tuned", "--out", out, "--json", *more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, sshd: Sshd) -> Desk:
    return Desk(tmp_path, sshd)


def test_a_release_with_an_engine_of_a_builder(desk: Desk, sshd: Sshd) -> None:
    made, said = desk.build("first")
    (engine,) = made["engines"]
    assert "bench-1 compiles parts" in said
    assert "bench-1 runs parts" in said
    assert "4 golden frames as expected" in said
    assert engine["runner"] == "onnxruntime"
    assert engine["facts"]["agreement.heat"].startswith("cosine 1.000000")
    assert engine["facts"]["device"]
    file = desk.folder / "first/files" / engine["path"]
    assert file.read_bytes() != (desk.recipe / "model.onnx").read_bytes()
    ort.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    again, said = desk.build("second")
    assert again["digest"] == made["digest"]
    assert again["from_cache"]
    assert "bench-1" not in said  # the device is not asked any more
    listed = json.loads(desk.run("engine", "list", "--json").stdout)["engines"]
    assert [one["record"]["target"] for one in listed] == ["tuned"]

    assert "cosine 1.000000 at least" in desk.run("engine", "verify").stdout
    kept = Path(listed[0]["path"])
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1] + b"x")
    verified = desk.run("engine", "verify")
    assert verified.returncode == 5
    assert "parts for tuned: damaged: parts." in verified.stdout
    assert desk.run("engine", "verify", str(kept)).returncode == 3
    kept.write_bytes(whole)
    assert desk.run("engine", "verify", str(kept)).returncode == 0

    sshd.stop()  # and need not be there
    try:
        assert desk.build("third")[0]["digest"] == made["digest"]
    finally:
        sshd.start()


def test_cleaning_a_builder(desk: Desk) -> None:
    kept = desk.board / "var/lib/edgekit/builder"
    (kept / "blobs").mkdir(parents=True)
    (kept / "blobs/x").write_bytes(bytes(4096))
    done = desk.run("builder", "clean", "bench-1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"device": "bench-1", "folder": str(kept), "bytes": 4096}
    assert "cleaning bench-1" in done.stderr
    assert [path.name for path in kept.iterdir()] == ["lock"]
    done = desk.run("builder", "clean", "bench-1")
    assert (done.returncode, done.stdout) == (0, f"bench-1: 0 B freed in {kept}\n")
    with (kept / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        json.dump({"holder": "bob@lap", "what": "faces\x1b[2J", "since_s": time.time()}, lock)
        lock.flush()
        held = desk.run("builder", "clean", "bench-1")
    assert held.returncode == 9
    assert "bench-1: bob@lap has been compiling faces there for" in held.stderr
    assert "\x1b" not in held.stderr
    shutil.rmtree(kept)
    kept.write_bytes(b"")
    blocked = desk.run("builder", "clean", "bench-1", "--json")
    assert blocked.returncode == 5
    assert json.loads(blocked.stdout)["error"]["hint"] == f"move what lies at {kept} there"
    kept.unlink()
    assert desk.run("builder", "clean", "bench-1").returncode == 0


def test_somebody_else_is_named(desk: Desk) -> None:
    lock = desk.board / "var/lib/edgekit/builder"
    lock.mkdir(parents=True)
    script = (
        "import fcntl, json, sys, time; f = open(sys.argv[1], 'w');"
        " fcntl.flock(f, fcntl.LOCK_EX); json.dump({'holder': 'bob@lap', 'what': 'faces', 'since_s': time.time()}, f);"
        " f.flush(); print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(lock / "lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        argv = [sys.executable, "-m", "edgekit.cli.main", "build", str(desk.recipe), "--target", "tuned"]
        places = {"XDG_CONFIG_HOME": "c", "XDG_STATE_HOME": "s", "XDG_CACHE_HOME": "x"}
        env = {**os.environ, **{name: str(desk.folder / place) for name, place in places.items()}}
        with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, cwd=desk.folder, env=env) as waiting:
            assert waiting.stderr is not None
            told = next(line for line in waiting.stderr if "waiting" in line)
            waiting.kill()
        holder.kill()
    assert "waiting for a builder; bench-1: bob@lap has been compiling faces there for" in told


def test_a_builder_that_is_not_there(desk: Desk) -> None:
    done = desk.run("build", str(desk.recipe), "--target", "tuned", "--builder", "root@127.0.0.1:1")
    assert done.returncode == 7
    (desk.folder / "fleet.toml").write_text("")
    done = desk.run("build", str(desk.recipe), "--target", "tuned", "--json")
    assert done.returncode == 5
    error = json.loads(done.stdout)["error"]
    assert "are compiled on such a board" in error["message"]
    assert "--builder root@HOST" in error["hint"]


def test_an_orin_without_a_builder_says_which_board_is_needed(desk: Desk) -> None:
    done = desk.run("build", str(desk.recipe), "--target", "jetson-orin-nano-jp62", "--json")
    assert done.returncode == 5
    error = json.loads(done.stdout)["error"]
    assert "Jetson Orin Nano 8GB" in error["message"]
    assert "TensorRT 10.3.0.30 in power mode 25W" in error["message"]
    assert 'target = "jetson-orin-nano-jp62", labels = { builder = "yes" }' in error["hint"]
