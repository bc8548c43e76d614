"""Builds packages written in Rust where this machine has Rust for the board; else refuses them.

Source: maturin and PyO3 guides, Cross compiling (CARGO_BUILD_TARGET, PYO3_CROSS_LIB_DIR).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgekit.errors import WheelError
from edgekit.executor import Executor
from edgekit.host.wheel.cross.environment import Workshop
from edgekit.host.wheel.cross.sources import Source

_TIMEOUT_S = 60.0
_FRONT_ENDS = frozenset({"maturin", "setuptools-rust"})
_FIND = 'for name in cargo rustc; do command -v "$name" || exit 1; done; rustc --print sysroot'


def needs_rust(requirements: Iterable[str]) -> bool:
    """Whether build requirements name a front end for Rust."""
    return any(canonicalize_name(Requirement(text).name) in _FRONT_ENDS for text in requirements)


def rust_environment(source: Source, shop: Workshop, path: str, executor: Executor) -> dict[str, str]:
    """Variables that make cargo compile for the board.

    Args:
        source: the package, for messages.
        shop: compiler and headers.
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
    return {
        "PATH": f"{path}:{Path(cargo).parent}",
        "CARGO_HOME": str(shop.cache / "cargo"),
        "RUSTUP_TOOLCHAIN": Path(sysroot).name,
        "RUSTUP_HOME": str(Path(sysroot).parents[1]),
        "CARGO_BUILD_TARGET": triple,
        linker: str(shop.toolchain.bin / "cc"),
        "PYO3_CROSS_LIB_DIR": str(shop.python.folder / "lib"),
        "PYO3_CROSS_PYTHON_VERSION": shop.abi.python,
        "SETUPTOOLS_RUST_CARGO_PROFILE": "release",
    }
