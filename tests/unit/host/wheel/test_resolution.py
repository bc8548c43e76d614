"""How sets of packages are found: real uv, against indexes on loopback whose packages are made here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import uv as uv_package

from edgekit.errors import WheelError
from edgekit.executor import Completed
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.downloads import Downloads
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.cross.store import BuiltWheel, CachedWheel
from edgekit.host.wheel.needs import Board, Index, Rules, Wanted
from edgekit.host.wheel.search import Search
from edgekit.host.wheel.uv import Uv
from tests.fakes.package_index import PackageIndex, sdist_bytes, wheel_bytes

ORIN = Board(target="jetson-orin-nano-jp62", cuda="12.6", sm="8.7")
ROCK = Board(target="rk3588-debian12")
NO_RULES = Rules()


class Recording:
    """Runs programs for real; keeps what was asked, and asks uv with variables of the test."""

    def __init__(self, **variables: str) -> None:
        self.name = "this machine"
        self.argvs: list[Sequence[str]] = []
        self._variables = variables

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        self.argvs.append(argv)
        whole = {**(env or {}), **self._variables}
        return LocalExecutor().run(argv, timeout_s=timeout_s, stdin=stdin, env=whole, cwd=cwd)


@dataclass
class FakeMaker:
    """Stands where packages are built: what each needs is known, and is in the wheel that it gives."""

    folder: Path
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    extras: Sequence[str] = ()
    made: list[str] = field(default_factory=list)

    @property
    def downloads(self) -> Downloads:
        return Downloads(folder=self.folder / "sources", progress=Silent())

    def wheel(self, source: Source, pins: str = "") -> Result:
        self.made.append(str(source))
        folder = self.folder / f"{source.name}-{source.version}"
        folder.mkdir(exist_ok=True)
        name, content = wheel_bytes(
            source.name, source.version, {f"{source.name}.py": ""}, self.needs.get(source.name, ()), extras=self.extras
        )
        (folder / name).write_bytes(content)
        unknown = dict.fromkeys(("backend", "compiler", "runtime", "abi", "headers"), "")
        about = Provenance(source=source.filename, source_sha256=source.sha256, built_with=(), **unknown)
        record = BuiltWheel(
            name=source.name, version=source.version, filename=name, sha256="", bytes=0, made=about, seconds=0
        )
        return Result(cached=CachedWheel(key="", folder=folder, record=record, used_s=0), pins=pins, from_cache=False)


class Bench:
    """A search against an index."""

    def __init__(self, folder: Path, index: PackageIndex) -> None:
        self.maker = FakeMaker(folder)
        self.executor = Recording(UV_DEFAULT_INDEX=index.url, UV_CACHE_DIR=str(folder / "uv"), UV_HTTP_RETRIES="0")
        self.uv = Uv(self.executor, uv_package.find_uv_bin())
        self.wanted = Wanted(requirements=(), python="3.11", arch="aarch64", libc_version="2.36")
        self.warning = ""

    def find(self, *requirements: str, rules: Rules = NO_RULES, board: Board | None = None) -> dict[str, str]:
        wanted = replace(self.wanted, requirements=requirements, rules=rules, board=board)
        search = Search(wanted=wanted, uv=self.uv, maker=self.maker)
        locked, _ = search.run()
        self.warning = "\n".join(search.warnings)
        return {file.name: f"{file.version} {'wheel' if file.is_wheel else 'source'}" for file in locked}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_", "PYTHON"))]:
        monkeypatch.delenv(name)
    return tmp_path


NORFAIR = (
    wheel_bytes("norfair", "2.3.0", {"norfair.py": ""}, ["filterpy>=1.4.5,<2"]),
    wheel_bytes("norfair", "0.1.0", {"norfair.py": ""}),
    wheel_bytes("filterpy", "1.1.0", {"filterpy.py": ""}),
    wheel_bytes("filterpy", "2.0.0", {"filterpy.py": ""}),
    sdist_bytes("filterpy", "1.4.5", ["scipy"], before="open({path!r}, 'w').write('ran')\n"),
    wheel_bytes("scipy", "1.17.1", {"scipy.py": ""}),
)


def test_a_version_that_is_only_source_is_built_when_no_wheel_is_in_the_range(folder: Path) -> None:
    with PackageIndex(*NORFAIR) as index:
        bench = Bench(folder, index)
        bench.maker.needs = {"filterpy": ["scipy"]}
        found = bench.find("norfair")
    assert found == {"norfair": "2.3.0 wheel", "filterpy": "1.4.5 source", "scipy": "1.17.1 wheel"}
    assert bench.maker.made == ["filterpy 1.4.5"]


def test_no_code_of_a_package_runs_for_its_metadata(folder: Path) -> None:
    witness = folder / "ran"
    source = sdist_bytes("gate", "1.0", before=f"open({str(witness)!r}, 'w').write('ran')\n")
    with PackageIndex(source) as index:
        bench = Bench(folder, index)
        assert bench.find("gate") == {"gate": "1.0 source"}
    assert not witness.exists()


def test_an_older_wheel_is_taken_before_a_newer_source_where_it_is_in_the_range(folder: Path) -> None:
    files = [
        wheel_bytes("app", "1.0", {"app.py": ""}, ["gate>=1"]),
        wheel_bytes("gate", "1.5", {"gate.py": ""}, ["lib<2"]),
        sdist_bytes("gate", "2.0"),
        wheel_bytes("lib", "1.0", {"lib.py": ""}),
        wheel_bytes("lib", "2.0", {"lib.py": ""}),
    ]
    with PackageIndex(*files) as index:
        bench = Bench(folder, index)
        assert bench.find("app") == {"app": "1.0 wheel", "gate": "1.5 wheel", "lib": "1.0 wheel"}
        assert bench.find("app", "lib>=2") == {"app": "1.0 wheel", "gate": "2.0 source", "lib": "2.0 wheel"}


def test_what_a_built_package_needs_may_take_another_version_of_it(folder: Path) -> None:
    """uv goes back to an older source package when the newest, once built, asks for what nobody can give."""
    files = [sdist_bytes("gate", "2.0"), sdist_bytes("gate", "1.0"), wheel_bytes("lib", "1.0", {"lib.py": ""})]

    class Wise(FakeMaker):
        def wheel(self, source: Source, pins: str = "") -> Result:
            self.needs = {"gate": ["lib>=9"] if source.version == "2.0" else ["lib"]}
            return super().wheel(source, pins)

    with PackageIndex(*files) as index:
        bench = Bench(folder, index)
        bench.maker = Wise(folder)
        assert bench.find("gate") == {"gate": "1.0 source", "lib": "1.0 wheel"}
    assert bench.maker.made == ["gate 2.0", "gate 1.0"]


def test_constraints_override_and_exclude_mean_what_they_mean_to_uv(folder: Path) -> None:
    files = [
        wheel_bytes("app", "1.0", {"app.py": ""}, ["lib>=2", "gui"]),
        *(wheel_bytes("lib", version, {"lib.py": ""}) for version in ("1.0", "2.0", "3.0")),
        wheel_bytes("gui", "1.0", {"gui.py": ""}),
    ]
    with PackageIndex(*files) as index:
        bench = Bench(folder, index)
        assert bench.find("app") == {"app": "1.0 wheel", "lib": "3.0 wheel", "gui": "1.0 wheel"}
        assert bench.find("app", rules=Rules(constraints=("lib<3",)))["lib"] == "2.0 wheel"
        assert bench.find("app", rules=Rules(override=("lib<2",)))["lib"] == "1.0 wheel"
        assert "gui" not in bench.find("app", rules=Rules(exclude=("gui",)))


TORCH = (
    wheel_bytes("detector", "1.0", {"detector.py": ""}, ["torch>=2"]),
    wheel_bytes("torch", "2.14.1", {"torch.py": ""}, ["nvidia-cublas", "nvidia-cuda-runtime==13.0.96"]),
    wheel_bytes("torch", "2.12.0", {"torch.py": ""}, ["nvidia-cudnn-cu13"]),
    wheel_bytes("torch", "2.10.0", {"torch.py": ""}),
    wheel_bytes("nvidia_cublas", "13.1.1.3", {"nvidia/cublas.py": ""}),
    wheel_bytes("nvidia_cuda_runtime", "13.0.96", {"nvidia/runtime.py": ""}),
    wheel_bytes("nvidia_cudnn_cu13", "9.24.0.43", {"nvidia/cudnn.py": ""}),
)
JETSON = (wheel_bytes("torch", "2.8.0", {"torch.py": ""}, tag="cp311-cp311-linux_aarch64"),)


@pytest.mark.parametrize(("board", "has"), [(ORIN, "has CUDA 12.6"), (ROCK, "has no NVIDIA GPU")])
def test_builds_for_another_cuda_are_refused_with_a_constraint_that_cures_it(
    board: Board, has: str, folder: Path
) -> None:
    with PackageIndex(*TORCH) as index:
        bench = Bench(folder, index)
        with pytest.raises(WheelError) as refused:
            bench.find("detector", board=board)
        assert refused.value.message == (
            "torch 2.14.1 is built for CUDA 13.0 and brings nvidia-cuda-runtime 13.0.96 and 1 more; "
            f"{board.target} {has}"
        )
        constraint = json.loads(refused.value.hint.split("constraints = ")[1].split(" under")[0])
        found = bench.find("detector", rules=Rules(constraints=tuple(constraint)), board=board)
    assert found == {"detector": "1.0 wheel", "torch": "2.10.0 wheel"}
    assert ("computes on the CPU alone" in bench.warning) == bool(board.cuda)


def test_an_index_of_the_recipe_is_asked_for_its_packages_and_no_others(folder: Path) -> None:
    """Also where another package needs them, and though the user's index has newer ones."""
    others = (wheel_bytes("detector", "0.1", {"detector.py": ""}),)
    with PackageIndex(*TORCH) as index, PackageIndex(*JETSON, *others) as jetson:
        bench = Bench(folder, index)
        declared = Index(name="jetson", url=jetson.url, packages=frozenset({"torch"}))
        found = bench.find("detector", rules=Rules(indexes=(declared,)), board=ORIN)
        assert found == {"detector": "1.0 wheel", "torch": "2.8.0 wheel"} and not bench.warning
        assert {path for path, _ in jetson.requests if path.startswith("/simple")} == {"/simple/torch/"}
        first = Index(name="jetson", url=jetson.url)
        assert bench.find("detector", rules=Rules(indexes=(first,)), board=ORIN) == {"detector": "0.1 wheel"}


def test_a_source_package_of_a_declared_index_brings_what_its_wheel_says_that_it_needs(folder: Path) -> None:
    """uv does not look into other folders for what an index is to have."""
    own = (sdist_bytes("gate", "2.0"), wheel_bytes("app", "1.0", {"app.py": ""}, ["gate[fast]"]))
    libs = [wheel_bytes(name, "1.0", {f"{name}.py": ""}) for name in ("lib", "quick")]
    with PackageIndex(*libs) as index, PackageIndex(*own) as declared:
        bench = Bench(folder, index)
        bench.maker.needs = {"gate": ["lib", "quick; extra == 'fast'"]}
        bench.maker.extras = ["fast"]
        rules = Rules(indexes=(Index(name="own", url=declared.url, packages=frozenset({"gate", "app"})),))
        found = bench.find("app", rules=rules)
    assert found == {"app": "1.0 wheel", "gate": "2.0 source", "lib": "1.0 wheel", "quick": "1.0 wheel"}


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-cu12", "TensorRT_Lean", "tensorrt-cu13-libs"])
def test_tensorrt_is_the_boards_own(name: str, folder: Path) -> None:
    with PackageIndex() as index, pytest.raises(WheelError, match="JetPack has it") as refused:
        Bench(folder, index).find(name, board=ORIN)
    assert not index.requests and "leave it out" in refused.value.hint


def test_credentials_reach_the_index_and_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # uv's words are understood in a narrow terminal too
    with PackageIndex(*TORCH) as index, PackageIndex(*JETSON, login=("me", "s3cret")) as jetson:
        bench = Bench(folder, index)
        rules = Rules(indexes=(Index(name="jet-son", url=jetson.url, packages=frozenset({"torch"})),))
        with pytest.raises(WheelError) as refused:
            bench.find("detector", rules=rules)
        assert "jet-son" in refused.value.message, refused.value.details
        for variable in ("UV_INDEX_JET_SON_USERNAME", "UV_INDEX_JET_SON_PASSWORD"):
            assert variable in refused.value.hint
        bench.executor._variables |= {"UV_INDEX_JET_SON_USERNAME": "me", "UV_INDEX_JET_SON_PASSWORD": "s3cret"}
        assert bench.find("detector", rules=rules)["torch"] == "2.8.0 wheel"
        assert any(authorization for _, authorization in jetson.requests)
        assert not any(authorization for _, authorization in index.requests)
        assert "s3cret" not in str(bench.executor.argvs)


def test_a_yanked_version_is_named(folder: Path) -> None:
    old, new = (wheel_bytes("gate", version, {"gate.py": ""}) for version in ("0.5", "1.0"))
    with PackageIndex(old, new, yanked=new[0]) as index:
        bench = Bench(folder, index)
        assert bench.find("gate") == {"gate": "0.5 wheel"} and not bench.warning
        with pytest.raises(WheelError) as refused:
            bench.find("gate>=0.9")
        assert refused.value.message == (
            "gate 1.0 was yanked from the package index (was wrong), and nothing else fits gate>=0.9"
        )
        written = refused.value.hint.split("write ")[1].split(" to have")[0]
        assert bench.find(written) == {"gate": "1.0 wheel"}
        assert bench.warning == "gate 1.0 was yanked from the package index: was wrong"


@pytest.mark.parametrize(
    ("requirement", "message", "cure"),
    [
        ("torch==2.9.0+cu126", "the package index has no torch==2.9.0+cu126 for Python 3.11", "write torch==2.9.0, or"),
        ("torch==2.9.*", "torch==2.9.* is for no Python 3.11", "write torch==2.10.0"),
        ("torch~=9.0", "torch~=9.0 is for no Python 3.11", "write torch==2.10.0"),
    ],
)
def test_a_version_that_is_not_there_names_the_nearest(requirement: str, message: str, cure: str, folder: Path) -> None:
    versions = ("2.10.0", "2.9.0") if "+" in requirement else ("2.10.0",)
    with PackageIndex(*(wheel_bytes("torch", version, {"torch.py": ""}) for version in versions)) as index:
        with pytest.raises(WheelError) as refused:
            Bench(folder, index).find(requirement)
        assert refused.value.message.startswith(message) and refused.value.hint.startswith(cure)
        found = Bench(folder, index).find(cure.removeprefix("write ").split(",")[0])
    assert found["torch"].endswith("wheel")


def test_an_index_out_of_reach_is_named(folder: Path) -> None:
    with PackageIndex(*TORCH) as index, PackageIndex() as gone:
        address = gone.url
    with PackageIndex(*TORCH) as index:
        bench = Bench(folder, index)
        declared = Index(name="jetson", url=address, packages=frozenset({"torch"}))
        with pytest.raises(WheelError, match=r"^the index jetson cannot be reached$"):
            bench.find("detector", rules=Rules(indexes=(declared,)))


def test_what_a_build_requires_runs_no_code_outside_of_the_build(folder: Path) -> None:
    """A build requirement that has no wheel would be built by uv in the user's own environment."""
    witness = folder / "ran"
    files = [
        sdist_bytes("backend", "2.0", before=f"open({str(witness)!r}, 'w').write('ran')\n"),
        wheel_bytes("backend", "1.0", {"backend.py": ""}),
    ]
    with PackageIndex(*files) as index:
        uv, venv = Bench(folder, index).uv, folder / "venv"
        assert uv.make_environment(venv, Path(sys.executable)).returncode == 0
        locked = uv.lock_here(["backend"], venv / "bin/python")
        assert locked.returncode == 0 and "backend==1.0" in locked.text, locked.output
        assert uv.fill_environment(venv, locked.text).returncode == 0
        refused = uv.lock_here(["backend>=2"], venv / "bin/python")
        assert refused.returncode and not witness.exists(), refused.output
