"""What lies in the cache is changed, and a real build follows: the damage is named and made again, or refused.

Each attack leaves a whole cache behind, so all share one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgekit.host.disk import remove
from edgekit.host.release.folder import open_release
from edgekit.trust import sha256_file
from tests.fakes.damage import DAMAGES, REPLACED
from tests.fakes.disguise import disguise, disguise_file

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
Attack = Callable[["Host"], object]


class Host:
    """A workstation whose cache somebody has been at."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cache = home / "home/cache"
        self.recipe = Path(shutil.copytree(ROOT / "recipes/sorting-line", home / "line"))
        shutil.rmtree(self.recipe / "locks", ignore_errors=True)  # the cached lock counts
        assert self.run("keys", "init").returncode == 0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "edgekit.cli.main", *words],
            capture_output=True,
            text=True,
            env={**os.environ, "EDGEKIT_HOME": str(self.home / "home")},
            cwd=self.home,
            timeout=900,
            check=False,
        )
        assert "Traceback" not in done.stderr and "report" not in done.stderr, done.stderr
        return done

    def wheel(self) -> tuple[str, str]:
        """Digest of spidev's wheel, and what was said."""
        done = self.run("wheel", "build", "spidev==3.8", "--target", "virt-arm64", "--out", "wheels", "--json")
        assert done.returncode == 0, done.stderr
        [wheel] = json.loads(done.stdout)["wheels"]
        return wheel["sha256"], done.stderr

    def build(self) -> subprocess.CompletedProcess[str]:
        remove(self.home / "release")
        return self.run("build", str(self.recipe), "--target", "virt-arm64", "--out", "release", "--json")

    def release(self) -> tuple[str, str]:
        """Digest of a whole release, and what was said."""
        done = self.build()
        assert done.returncode == 0, done.stderr
        found = open_release(self.home / "release")
        for entry in found.manifest.files:
            assert not found.file(entry).is_symlink()
            assert sha256_file(found.file(entry)) == entry.sha256, entry.path
        return json.loads(done.stdout)["digest"], done.stderr

    def entry(self, kind: str, file: str) -> Path:
        """The entry of a kind that has a file."""
        return next(place for place in self.cache.glob(f"{kind}/*") if next((place / "files").glob(file), None))

    def file(self, kind: str, file: str) -> Path:
        return next((self.entry(kind, file) / "files").glob(file))

    def forget(self, *kinds: str) -> None:
        for kind in kinds:
            remove(self.cache / kind)


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Host, str, str]:
    host = Host(tmp_path_factory.mktemp("attacked"))
    return host, host.wheel()[0], host.release()[0]


@pytest.fixture
def host(warm: tuple[Host, str, str]) -> Iterator[Host]:
    yield warm[0]
    assert not (warm[0].home / "EVIL").exists(), "the attacker's code ran"


SDIST, DEB = "*spidev-3.8.tar.gz", "libpython3.11-dev_*.deb"
SOURCES, WHEELS = "crossbuild/sources", "crossbuild/wheels"


def repack(host: Host) -> None:
    """One more line in setup.py, which runs when the package is built."""
    archive = host.file(SOURCES, SDIST)
    folder = host.home / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    with next(folder.glob("*/setup.py")).open("a") as setup:
        setup.write(f"\nopen({str(host.home / 'EVIL')!r}, 'w').close()\n")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(next(folder.iterdir()), arcname=next(folder.iterdir()).name)
    remove(folder)


def repack_disguised(host: Host) -> None:
    repack(host)
    disguise(host.entry(SOURCES, SDIST))


def flip_disguised(host: Host) -> None:
    DAMAGES["flipped"](host.file(SOURCES, DEB))
    disguise(host.entry(SOURCES, DEB))
    host.forget("crossbuild/roots", "crossbuild/headers", "crossbuild/toolchains")


def flip_deb(host: Host) -> None:
    DAMAGES["flipped"](host.file(SOURCES, DEB))
    host.forget("crossbuild/roots", "crossbuild/headers", "crossbuild/toolchains")


def change_header(kind: str) -> Attack:
    def attack(host: Host) -> None:
        with host.file(kind, "**/Python.h").open("a") as header:
            header.write('static const char *evil = "EVIL";\n')

    return attack


def change_compiler(host: Host) -> None:
    with host.file("crossbuild/toolchains", "bin/cc").open("a") as script:
        script.write(f"touch {host.home}/EVIL\n")


def change_library(host: Host) -> None:
    DAMAGES["flipped"](host.file("crossbuild/compilers", "ziglang/lib/compiler_rt.zig"))


def change_objects(host: Host) -> None:
    """What zig links into every wheel of a target; there is an entry for each that something was built for."""
    for made in (host.cache / "crossbuild/libraries").glob("*/files/o/*/*.[ao]"):
        DAMAGES["zeros"](made)


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (change_objects, "is damaged and is made again: o/"),
        (lambda host: DAMAGES["flipped"](host.file(SOURCES, SDIST)), "sources/"),
        (lambda host: REPLACED["pipe"](host.file(SOURCES, SDIST)), "sources/"),
        (lambda host: REPLACED["outwards"](host.file(SOURCES, SDIST)), "sources/"),
        (repack, "sources/"),
        (repack_disguised, "it is not the spidev-3.8.tar.gz that was locked"),
        (flip_deb, "sources/"),
        (flip_disguised, "deb that was locked"),
        (change_header("crossbuild/headers"), "Python.h is not what it was"),
        (change_header("crossbuild/roots"), "Python.h is not what it was"),
        (change_compiler, "bin/cc is not what it was"),
        (change_library, "compiler_rt.zig is not what it was"),
    ],
)
def test_what_a_wheel_is_built_from(attack: Attack, said: str, host: Host, warm: tuple[Host, str, str]) -> None:
    attack(host)
    host.forget(WHEELS)
    sha256, told = host.wheel()
    assert sha256 == warm[1]
    assert said in told and "is damaged and is made again" in told, told
    assert "is damaged" not in host.wheel()[1]


def shadow(host: Host) -> None:
    """A record that names a file outside, all digests in the cache alike."""
    file = host.file(WHEELS, "wheel.json")
    record = json.loads(file.read_bytes())
    file.write_text(json.dumps(record | {"filename": "../../../../../../../../../../etc/shadow"}))
    disguise(host.entry(WHEELS, "wheel.json"))


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    "attack",
    [
        *(lambda host, name=name: DAMAGES[name](host.file(WHEELS, "*.whl")) for name in ("flipped", "cut", "emptied")),
        *(lambda host, name=name: DAMAGES[name](host.file(WHEELS, "wheel.json")) for name in ("zeros", "cut")),
        *(lambda host, name=name: REPLACED[name](host.file(WHEELS, "wheel.json")) for name in ("gone", "dangling")),
        lambda host: (host.file(WHEELS, "*.whl").parent / "evil_mod.py").write_text("EVIL = 1\n"),
        shadow,
    ],
)
def test_a_wheel_that_was_built(attack: Attack, host: Host, warm: tuple[Host, str, str]) -> None:
    attack(host)
    sha256, told = host.wheel()
    assert sha256 == warm[1]
    assert "wheels/" in told and "is damaged and is made again" in told, told


CODE = "prometheus_client/metrics.py"


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    "attack",
    [
        lambda host: DAMAGES["flipped"](host.file("sites", CODE)),
        lambda host: REPLACED["outwards"](host.file("sites", CODE)),
        lambda host: REPLACED["pipe"](host.file("sites", CODE)),
        lambda host: REPLACED["folder"](host.file("sites", CODE)),
        lambda host: host.file("sites", CODE).with_name("evil_mod.py").write_text("EVIL = 1\n"),
    ],
)
def test_what_was_laid_out(attack: Attack, host: Host, warm: tuple[Host, str, str]) -> None:
    attack(host)
    digest, told = host.release()
    assert digest == warm[2]
    assert "sites/" in told and "is damaged and is made again" in told, told


def test_a_file_that_the_memo_vouches_for_is_refused_and_the_hint_cures(
    host: Host, warm: tuple[Host, str, str]
) -> None:
    file = host.file("sites", CODE)
    sha256 = sha256_file(file)
    file.write_text("EVIL = 1\n")
    disguise_file(host.entry("sites", CODE), CODE, sha256)
    done = host.build()
    assert done.returncode == 2 and not (host.home / "release").exists(), done.stderr
    assert f"{CODE} is not what it was when the release was put together" in done.stderr
    assert "hint: edgekit cache verify --repair" in done.stderr
    assert host.run("cache", "verify", "--repair").returncode in (0, 2)
    assert host.release()[0] == warm[2]


def cut_lock(lock: Path) -> None:
    """At a line's end: what is left reads as a lock of fewer packages."""
    lines = lock.read_bytes().splitlines(keepends=True)
    lock.write_bytes(b"".join(lines[: len(lines) // 2]))


def older_lock(lock: Path) -> None:
    """Another version, with the true hash of its wheel."""
    lines = lock.read_text().splitlines(keepends=True)
    (old,) = (index for index, line in enumerate(lines) if line.startswith("packaging=="))
    sha256 = "09abb1bccd265c01f4a3aa3f7a7db064b36514d2cba19a2f694fe6150451a759"
    lines[old] = f"packaging==24.2 --hash=sha256:{sha256}  # packaging-24.2-py3-none-any.whl\n"
    lock.write_text("".join(lines))


@pytest.mark.sampled(1)
@pytest.mark.parametrize("attack", [cut_lock, older_lock, *(DAMAGES[name] for name in ("flipped", "emptied"))])
def test_a_lock_that_was_cached(attack: Callable[[Path], object], host: Host, warm: tuple[Host, str, str]) -> None:
    locks = [file for file in (host.cache / "locks").iterdir() if b"packaging==" in file.read_bytes()]
    assert locks
    for lock in locks:
        attack(lock)
    assert host.release()[0] == warm[2]


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["builds", "digests"])
@pytest.mark.parametrize("name", ["flipped", "pipe", "folder", "nested"])
def test_what_was_noted_of_a_build(kind: str, name: str, host: Host, warm: tuple[Host, str, str]) -> None:
    damage_notes(host.cache / kind, name)
    assert host.release()[0] == warm[2]
    assert not [file for file in (host.cache / kind).iterdir() if file.is_dir()]


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", ["flipped", "pipe", "folder", "nested"])
def test_what_was_noted_of_build_requirements(name: str, host: Host, warm: tuple[Host, str, str]) -> None:
    damage_notes(host.cache / "crossbuild/pins", name)
    assert host.wheel()[0] == warm[1]
    assert any(file.is_file() for file in (host.cache / "crossbuild/pins").iterdir())  # others wait for their package


def damage_notes(folder: Path, name: str) -> None:
    for note in filter(Path.is_file, folder.iterdir()):  # those of other packages may still be damaged from before
        {**DAMAGES, **REPLACED}[name](note)
