"""Which toolkit, and what is said when it cannot be made. The real one is made in tests/integration."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from edgekit.errors import EngineError
from edgekit.executor import Completed
from edgekit.host.engine.rknn.toolkit import Toolkits, choose_version, read_lock
from edgekit.host.progress import Silent
from edgekit.host.sandbox.sandbox import Sandbox
from tests.fakes.benches import CROSS

KNOWN = ("2.3.2", "2.5.0")


@pytest.mark.parametrize(
    ("runtime", "version"),
    [
        ("", "2.3.2"),
        ("2.3.2", "2.3.2"),
        ("2.3.2 (429f97ae6b@2025-04-09T09:09:27)", "2.3.2"),
        ("2.4.1", "2.3.2"),
        ("2.5.0", "2.5.0"),
        ("3.0.0", "2.5.0"),
    ],
)
def test_never_newer_than_the_board_s_runtime(runtime, version):
    assert choose_version(runtime, KNOWN) == version


def test_a_runtime_that_is_too_old_is_refused():
    with pytest.raises(EngineError, match=r"librknnrt is 1\.6\.0, and files of toolkit 2\.3\.2 need"):
        choose_version("1.6.0", KNOWN)


@pytest.mark.parametrize("version", KNOWN)
def test_locks_pin_everything_and_no_gpu(version):
    locked = read_lock(CROSS / f"rknn-{version}.lock")
    names = [package.name.split()[0] for package in locked]
    assert f"rknn-toolkit2 {version}" in [package.name for package in locked]
    assert all(" --hash=sha256:" in package.requirement and package.bytes > 0 for package in locked)
    assert not [name for name in names if "nvidia" in name or "cuda" in name or name == "triton"]
    assert "torch 2.13.0+cpu" in [package.name for package in locked]
    assert "http" not in (CROSS / f"rknn-{version}.lock").read_text()


class FakeUv:
    """Answers for uv and for the environment's Python; `failing` words in a command make it fail."""

    name = "this machine"

    def __init__(self, failing: str = "", said: str = "") -> None:
        self.asked: list[tuple[str, ...]] = []
        self._failing = failing
        self._said = said

    def run(self, argv, *, timeout_s, stdin=b"", env=None, cwd=None):
        self.asked.append((*argv, stdin.decode().strip()))
        if "venv" in argv:
            Path(argv[argv.index("--python") + 2], "bin").mkdir(parents=True)
        failed = bool(self._failing) and self._failing in " ".join(self.asked[-1])
        return Completed(argv=tuple(argv), returncode=int(failed), stdout=b"", stderr=self._said.encode())

    def open(self, argv):
        raise NotImplementedError

    def close(self):
        pass


def toolkits(folder: Path, uv: FakeUv, **changes) -> Toolkits:
    made = Toolkits(
        folder=folder,
        locks=CROSS,
        uv="uv",
        python=Path("/usr/bin/python3.11"),
        executor=uv,
        sandbox=Sandbox(uv, Silent(), ways=lambda: ()),
        progress=Silent(),
    )
    return dataclasses.replace(made, **changes)


def test_it_is_made_once(tmp_path):
    uv = FakeUv()
    kit = toolkits(tmp_path, uv)
    assert kit.versions == KNOWN
    made = kit.open("2.3.2")
    first = len(uv.asked)
    assert kit.open("2.3.2") == made and (made / "bin").is_dir()
    assert len(uv.asked) == first
    assert [path.name for path in tmp_path.glob("[!.]*")] == [made.parent.name]


def torch_commands(uv: FakeUv) -> list[tuple[str, ...]]:
    return [argv for argv in uv.asked if argv[-1].startswith("torch==")]


def test_torch_without_cuda_comes_from_the_links_or_its_own_index(tmp_path):
    uv = FakeUv()
    toolkits(tmp_path / "a", uv).open("2.3.2")
    (plain,) = torch_commands(uv)
    assert "--torch-backend cpu" in " ".join(plain)
    uv = FakeUv()
    toolkits(tmp_path / "b", uv, find_links=("/wheels",)).open("2.3.2")
    (linked,) = torch_commands(uv)
    assert "--find-links /wheels" in " ".join(linked) and "--torch-backend" not in linked
    uv = FakeUv(failing="--find-links")
    with pytest.raises(EngineError):
        toolkits(tmp_path / "c", uv, find_links=("/wheels",)).open("2.3.2")


def test_links_without_torch_do_not_hide_its_index(tmp_path):
    uv = FakeUv(failing="/wheels --quiet --no-config torch==")
    toolkits(tmp_path, uv, find_links=("/wheels",)).open("2.3.2")
    assert ["--torch-backend" in argv for argv in torch_commands(uv)] == [False, True]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("error: dns error: Name or service not known", "the package index is out of reach"),
        ("no", "cannot be installed"),
    ],
)
def test_a_package_that_cannot_be_had_is_one_sentence(tmp_path, said, told):
    with pytest.raises(EngineError) as raised:
        toolkits(tmp_path, FakeUv(failing="scipy==", said=said)).open("2.3.2")
    assert raised.value.message.startswith("scipy 1.17.1, which the RKNN toolkit needs,")
    assert told in raised.value.message
    assert not list(tmp_path.glob("[!.]*"))


def test_without_its_python_it_says_how_to_get_one(tmp_path):
    with pytest.raises(EngineError, match=r"needs Python 3\.11") as raised:
        toolkits(tmp_path, FakeUv(), python=None).open("2.3.2")
    assert "uv python install 3.11" in raised.value.hint


def test_a_toolkit_that_does_not_start_is_not_kept(tmp_path):
    with pytest.raises(EngineError, match="does not start"):
        toolkits(tmp_path, FakeUv(failing="import rknn.api")).open("2.3.2")
    assert not list(tmp_path.glob("[!.]*"))


def test_an_unknown_version_is_told(tmp_path):
    shutil.copytree(CROSS, tmp_path / "cross", ignore=shutil.ignore_patterns("*.lock", "debian", "board"))
    with pytest.raises(EngineError, match="no such toolkit is locked"):
        toolkits(tmp_path / "t", FakeUv(), locks=tmp_path / "cross").open("9.9.9")
