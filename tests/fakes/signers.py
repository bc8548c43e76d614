"""An executor whose ssh-keygen believes signatures that name their signer and the message's digest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from edgekit.executor import Completed, Stream
from edgekit.trust import sha256_bytes


def fake_signature(message: bytes, signer: str = "ann@example.org") -> bytes:
    """What `FakeKeygen` takes for a signature."""
    return f"{signer} {sha256_bytes(message)}\n".encode()


class FakeKeygen:
    """`ssh-keygen -Y find-principals` and `-Y verify`, without keys."""

    name = "this machine"

    def __init__(self, allowed: tuple[str, ...] = ("ann@example.org",)) -> None:
        self.allowed = allowed

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        signer, digest = Path(argv[argv.index("-s") + 1]).read_text().split()
        good = signer in self.allowed and (argv[2] == "find-principals" or digest == sha256_bytes(stdin))
        return Completed(
            argv=tuple(argv), returncode=0 if good else 255, stdout=signer.encode() if good else b"", stderr=b""
        )

    def open(self, argv: Sequence[str]) -> Stream:
        raise NotImplementedError

    def close(self) -> None:
        pass
