"""`make bench-wheels`: cross-building against a compiler that runs under emulation and against pip's native build.

The emulated peer is `pip wheel` in an arm64 Debian 12 (gcc 12, user-mode emulation through binfmt), its build
requirements installed beforehand, which is in its favour. The native one is `pip wheel` of the same source for this
machine. The product builds with all that belongs to it: virtual environment, build requirements, check, SBOM; zig's own
libraries are warm, objects of earlier builds are not there.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uv
from rich.console import Console

import edgekit
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.settings import settings_from
from edgekit.host.unpack import unpack_member
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.debian import Debian
from measure import Figure, compared, measured, seconds
from parts import Parts, take

PACKAGES = {"psutil==7.2.2": (), "msgpack==1.2.4": ("cython",), "ujson==6.1.0": ("setuptools-scm",)}
"""C, Cython, and C++, with what each needs to be built."""
TWELVE = (
    *(
        "numpy",
        "opencv-python-headless",
        "onnxruntime",
        "av",
        "scipy",
        "pillow",
        "shapely",
        "lap",
        "pyserial",
        "pyyaml",
    ),
    *("paho-mqtt", "prometheus-client"),
)
TARGET = "virt-arm64"
BINFMT = Path("/proc/sys/fs/binfmt_misc")
CONSOLE = Console(stderr=True)


class Product:
    """edgekit, in a cache of its own that shares the compiler and its libraries with the user's."""

    def __init__(self, folder: Path) -> None:
        settings = settings_from(os.environ, Path(edgekit.__file__).parent)
        self.paths = CrossPaths(cache=settings.cache_dir, cross=settings.data_dir / "cross")
        self._folder = folder
        own = folder / "cache" / "edgekit" / "crossbuild"
        own.mkdir(parents=True)
        for name in ("compilers", "libraries", "roots", "archive-answers", "sources", "toolchains", "headers"):
            (self.paths.root / name).mkdir(parents=True, exist_ok=True)
            (own / name).symlink_to(self.paths.root / name)
        cache = subprocess.run([uv.find_uv_bin(), "cache", "dir"], capture_output=True, text=True, check=True)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users keep bytecode
        self._env = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "UV_CACHE_DIR": cache.stdout.strip()}

    def edgekit(self, *words: str) -> None:
        """Run one command."""
        argv = [str(Path(sys.executable).with_name("edgekit")), *words]
        subprocess.run(argv, check=True, capture_output=True, env=self._env, cwd=self._folder, timeout=3000)

    def build(self, requirement: str) -> None:
        """Build from source."""
        self.edgekit("wheel", "build", requirement, "--target", TARGET, "--no-binary")

    def source(self, requirement: str) -> Path:
        """The source package that was fetched for a build."""
        name, _, version = requirement.partition("==")
        return min(self.paths.sources.glob(f"*/files/{name}-{version}.tar.gz"))

    def forget(self) -> None:
        """Throw away wheels and objects, keep the compiler."""
        for name in ("wheels", "pins", "work"):
            shutil.rmtree(self._folder / "cache/edgekit/crossbuild" / name, ignore_errors=True)
        shutil.rmtree(self._folder / "cache/edgekit/locks", ignore_errors=True)


@contextmanager
def arm64_programs() -> Iterator[None]:
    """Let the kernel start arm64 programs, and leave it as it was. Source: Linux, admin-guide/binfmt-misc."""
    mounted = (BINFMT / "register").exists()
    if not mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(BINFMT)], check=True)
    entry = BINFMT / "qemu-aarch64"
    registered = entry.exists()
    if not registered:
        (BINFMT / "register").write_bytes(Path("/usr/lib/binfmt.d/qemu-aarch64.conf").read_bytes())
    try:
        yield
    finally:
        if not registered:
            entry.write_text("-1")
        if not mounted:
            subprocess.run(["umount", str(BINFMT)], check=True)


class Emulated:
    """An arm64 Debian 12 with compiler, Python and pip."""

    def __init__(self, folder: Path, product: Product) -> None:
        paths = product.paths
        debian = Debian(
            data=paths.cross / "debian",
            roots=paths.roots,
            answers=paths.archive_answers,
            downloads=paths.sources,
            archive="",
            executor=LocalExecutor(),
            progress=Silent(),
        )
        self._root = folder / "root"
        shutil.copytree(debian.fetch_sets(["compile3.11"]).folder, self._root, symlinks=True)
        for name in ("gcc", "g++"):
            for link in (name, f"aarch64-linux-gnu-{name}"):
                (self._root / "usr/bin" / link).unlink(missing_ok=True)
                (self._root / "usr/bin" / link).symlink_to(f"{name}-12")
        for name in ("tmp", "dev", "proc", "work"):
            (self._root / name).mkdir(exist_ok=True)
        (self._root / "dev/null").touch()
        self._site = self._root / "site"
        self._product = product

    def prepare(self, requirement: str, needs: tuple[str, ...]) -> None:
        """Install build requirements and unpack the source: not counted."""
        platform = ["--python-platform", "aarch64-manylinux_2_36", "--python-version", "3.11"]
        argv = [uv.find_uv_bin(), "pip", "install", "-q", "--target", str(self._site), *platform]
        subprocess.run([*argv, "--only-binary", ":all:", "pip", "setuptools", "wheel", *needs], check=True)
        with tarfile.open(self._product.source(requirement)) as tar:
            for member in tar:
                unpack_member(tar, member, self._root / "work")

    def build(self, requirement: str) -> None:
        """Run pip in the root."""
        folder = "/work/" + requirement.replace("==", "-")
        shutil.rmtree(self._root / folder.lstrip("/") / "build", ignore_errors=True)
        argv = [
            "/usr/bin/python3.11",
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--no-build-isolation",
            "--no-index",
            "-w",
            "/tmp",
        ]
        env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/site", "HOME": "/tmp", "LANG": "C.UTF-8"}
        chroot = [shutil.which("chroot", path="/usr/sbin:/usr/bin:/bin") or "chroot", str(self._root)]
        subprocess.run([*chroot, *argv, folder], check=True, capture_output=True, env=env, timeout=3000)


@arm64_programs()
def cross_vs_emulated(product: Product, folder: Path, rounds: int) -> Figure:
    """How many times faster, by the geometric mean over the packages of the median of paired ratios."""
    emulated = Emulated(folder, product)
    means, times = [], []
    for requirement, needs in PACKAGES.items():
        product.build(requirement)  # fetches the source, warms caches of downloads
        emulated.prepare(requirement, needs)
        ratios = []
        for _ in range(rounds):
            product.forget()
            own = seconds(partial(product.build, requirement))
            peer = seconds(partial(emulated.build, requirement))
            times.append(own)
            ratios.append(peer / own)
            CONSOLE.print(f"{requirement}: {own:.1f} s, emulated {peer:.1f} s, ratio {ratios[-1]:.1f}")
        means.append(statistics.median(ratios))
    ratio, against = math.exp(statistics.fmean(map(math.log, means))), "pip wheel under user-mode emulation"
    return compared("cross_vs_emulated_geomean", ratio, times, bar=10.0, better="higher", against=against)


def cross_vs_native(product: Product, folder: Path, rounds: int) -> Figure:
    """Cross-building against pip's own native build of the same source package, each with what belongs to it.

    Both have their downloads at hand; neither has objects or wheels of an earlier build.
    """
    means, times = [], []
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--disable-pip-version-check", "--no-deps", "-w", str(folder)]
    for requirement in PACKAGES:
        product.build(requirement)
        argv = [*pip, str(product.source(requirement))]
        native = partial(subprocess.run, argv, check=True, capture_output=True, timeout=3000)
        native()
        ratios = []
        for _ in range(rounds):
            peer = seconds(native)
            product.forget()
            times.append(seconds(partial(product.build, requirement)))
            ratios.append(times[-1] / peer)
            CONSOLE.print(f"{requirement}: {times[-1]:.1f} s, native {peer:.1f} s, ratio {ratios[-1]:.2f}")
        means.append(statistics.median(ratios))
    ratio, against = math.exp(statistics.fmean(map(math.log, means))), "pip wheel for this machine"
    return compared("cross_vs_native", ratio, times, bar=0.8, better="lower", against=against)


def cached_wheel(product: Product) -> Figure:
    """The same wheel again, from the cache: the whole command."""
    product.build("ujson==6.1.0")
    times = [seconds(lambda: product.build("ujson==6.1.0")) for _ in range(7)]
    return measured("cached_wheel_s", times, unit="s", bar=1.0, against="the whole command")


def resolution() -> Figure:
    """Resolving twelve packages and what they need for the board, downloads of metadata warm."""
    argv = [
        uv.find_uv_bin(),
        "pip",
        "compile",
        "-q",
        "--only-binary",
        ":all:",
        "--format",
        "pylock.toml",
        "--no-config",
    ]
    argv += ["--python-platform", "aarch64-manylinux_2_36", "--python-version", "3.11", "-"]
    text = "\n".join(TWELVE).encode()

    def resolve() -> None:
        subprocess.run(argv, input=text, check=True, capture_output=True, timeout=300)

    resolve()
    return measured("resolve_12_s", [seconds(resolve) for _ in range(7)], unit="s", against="metadata warm")


def first_use(product: Product, folder: Path) -> Figure:
    """What the first build for a target costs once, ahead: zig's own libraries, measured with a cold cache of zig's."""
    own = folder / "cold" / "edgekit" / "crossbuild"
    own.mkdir(parents=True)
    for name in ("compilers", "roots", "archive-answers", "sources"):
        (own / name).symlink_to(product.paths.root / name)
    cold = dataclasses.replace(product.paths, cache=own.parent)
    env = {**os.environ, "XDG_CACHE_HOME": str(cold.cache.parent)}
    argv = [str(Path(sys.executable).with_name("edgekit")), "wheel", "build", "posix-ipc==1.3.2", "--target", TARGET]

    def build() -> None:
        subprocess.run([*argv, "--no-binary"], check=True, capture_output=True, env=env, cwd=folder, timeout=600)

    first = seconds(build)
    shutil.rmtree(cold.wheels)
    again = seconds(build)
    return measured("first_use_s", [first - again], unit="s", against="a build with a warm compiler")


def main() -> None:
    """Take the figures, print them, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--rounds", type=int, default=2, help="how often each package is built either way")
    wanted = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("error: the emulated system needs a chroot\nhint: run make bench-wheels as root")
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as name:
        folder = Path(name)
        product = Product(folder)
        parts: Parts = {
            "emulated": lambda: [cross_vs_emulated(product, folder, wanted.rounds)],
            "native": lambda: [cross_vs_native(product, folder, wanted.rounds)],
            "cached": lambda: [cached_wheel(product)],
            "resolution": lambda: [resolution()],
            "first use": lambda: [first_use(product, folder)],
        }
        take(parts, wanted.json)


if __name__ == "__main__":
    main()
