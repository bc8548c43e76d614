"""What a compiled wheel is made for. Boards that agree in this share wheels."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.host.wheel.needs import Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Abi:
    """One kind of CPython on one kind of system."""

    python: str
    """Minor version: `3.11`."""
    arch: str
    glibc: str
    """The oldest that the wheel has to load on: `2.36`."""
    soabi: str
    """SOABI of its CPython, as probed or as is usual: `cpython-311-aarch64-linux-gnu`. Source: PEP 3149."""

    @property
    def multiarch(self) -> str:
        """Debian's name for architecture and system: `aarch64-linux-gnu`. Source: Debian Policy 11.1.1."""
        return f"{self.arch}-linux-gnu"

    @property
    def triple(self) -> str:
        """The compiler's name for it, with the glibc to link for: `aarch64-linux-gnu.2.36`."""
        return f"{self.multiarch}.{self.glibc}"

    def __str__(self) -> str:
        """For messages and lists: `cp311-aarch64-glibc2.36`."""
        return f"cp{self.python.replace('.', '')}-{self.arch}-glibc{self.glibc}"


def abi_of(wanted: Wanted, soabi: str = "") -> Abi:
    """The ABI of the system that requirements are wanted for.

    Args:
        wanted: the system; its requirements do not count.
        soabi: of its Python, where known.
    """
    usual = f"cpython-{wanted.python.replace('.', '')}-{wanted.arch}-linux-gnu"
    return Abi(python=wanted.python, arch=wanted.arch, glibc=f"2.{wanted.glibc_minor}", soabi=soabi or usual)
