"""How a cross-built wheel was made: recorded beside it, and in its SBOM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """How a wheel was made."""

    source: str
    """File name of the source package."""
    source_sha256: str
    backend: str
    """Source: PEP 517, build-backend."""
    compiler: str
    """`zig 0.17.1`."""
    runtime: str
    """C++ library: `libstdc++ 12`."""
    abi: str
    """`cp311-aarch64-glibc2.36`."""
    headers: str
    """Where Python's headers are from."""
    built_with: tuple[str, ...]
    """Build requirements, `name==version`."""
    grafted: tuple[str, ...] = ()
    """Debian packages whose libraries were put in: `libcap2 1:2.66-4`."""
