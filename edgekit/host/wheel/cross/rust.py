"""Builds packages written in Rust where this machine has Rust for the board; else refuses them.

Source: maturin and PyO3 guides, Cross compiling (CARGO_BUILD_TARGET, PYO3_CROSS_LIB_DIR).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.wheel.cross.environment import Workshop
from edgekit.host.wheel.cross.sources import Source

_TIMEOUT_S = 60.0
_FETCH_TIMEOUT_S = 1800.0
_FRONT_ENDS = frozenset({"maturin", "setuptools-rust"})
_FIND = 'for name in cargo rustc; do command -v "$name" || exit 1; done; rustc --print sysroot'


def needs_rust(requirements: Iterable[str]) -> bool:
    """Whether build requirements name a front end for Rust."""
    return any(canonicalize_name(Requirement(text).name) in _FRONT_ENDS for text in requirements)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rust:
    """This machine's Rust, aimed at the board."""

    triple: str
    environment: Mapping[str, str]
    """Variables that make cargo compile for the board, without the network."""
    readable: tuple[Path, ...]
    """Where it is installed."""
    crates: Path
    """Where cargo keeps what it fetched, for one package alone."""


def find_rust(source: Source, shop: Workshop, crates: Path, path: str, executor: Executor) -> Rust:
    """This machine's Rust.

    Args:
        source: the package, for messages.
        shop: compiler and headers.
        crates: see `Rust.crates`.
        path: the build's PATH.
        executor: this machine.

    Raises:
        WheelError: no Rust here, or none for the board's architecture.
    """
    triple = f"{shop.abi.arch}-unknown-linux-gnu"
    done = executor.run(["/bin/sh", "-c", _FIND], timeout_s=_TIMEOUT_S)
    if done.returncode:
        hint = f"install Rust (rustup), then rustup target add {triple}; or take a version that has a wheel"
        raise WheelError(f"{source} is written in Rust, and this machine has none", hint=hint)
    cargo, _, sysroot = done.text.splitlines()
    if not Path(sysroot, "lib/rustlib", triple, "lib").is_dir():
        hint = f"rustup target add {triple}; or take a version that has a wheel"
        raise WheelError(f"{source} is written in Rust, and this machine's Rust cannot make {shop.abi.arch}", hint=hint)
    linker = f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER"
    environment = {
        "PATH": f"{path}:{Path(cargo).parent}",
        "CARGO_HOME": str(crates),
        "CARGO_NET_OFFLINE": "true",
        "RUSTUP_TOOLCHAIN": Path(sysroot).name,
        "RUSTUP_HOME": str(Path(sysroot).parents[1]),
        "CARGO_BUILD_TARGET": triple,
        linker: str(shop.toolchain.bin / "cc"),
        "PYO3_CROSS_LIB_DIR": str(shop.python.folder / "lib"),
        "PYO3_CROSS_PYTHON_VERSION": shop.abi.python,
        "SETUPTOOLS_RUST_CARGO_PROFILE": "release",
    }
    readable = (Path(cargo).parent, Path(sysroot), Path(sysroot).parents[1] / "settings.toml")
    return Rust(triple=triple, environment=environment, readable=readable, crates=crates)


def fetch_crates(source: Source, folder: Path, rust: Rust, box: Box, sandbox: Sandbox) -> None:
    """Fetch the crates that a package is built with: the one step of its build that has the network.

    No code of a crate runs while it is fetched; what a package's own `.cargo/config.toml` starts meanwhile sees its
    sources and nothing of the user.

    Args:
        source: the package, for messages.
        folder: its sources.
        rust: see there.
        box: as of a hook.
        sandbox: of this machine.

    Raises:
        WheelError: they cannot be had.
    """
    rust.crates.mkdir(parents=True, exist_ok=True)
    environment = {**box.environment, **rust.environment, "CARGO_NET_OFFLINE": "false"}
    opened = dataclasses.replace(box, environment=environment, network=True)
    for manifest in _manifests(folder):
        locked = ["--locked"] * manifest.with_name("Cargo.lock").is_file()
        argv = ["cargo", "fetch", "--manifest-path", str(manifest), "--target", rust.triple, *locked]
        done = sandbox.run(argv, opened, timeout_s=_FETCH_TIMEOUT_S)
        if done.returncode:
            message = f"{source} does not build: the crates that it is made of cannot be fetched"
            raise WheelError(message, hint="check the network, and see cargo's words", details=done.output)


def _manifests(folder: Path) -> tuple[Path, ...]:
    """Cargo.toml of each package or workspace, but for those that lie in one."""
    found: list[Path] = []
    for manifest in sorted(folder.rglob("Cargo.toml"), key=lambda path: len(path.parts)):
        if not any(manifest.is_relative_to(one.parent) for one in found):
            found.append(manifest)
    return tuple(found)
