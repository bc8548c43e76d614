"""An executor that answers every program alike and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgekit.executor import Completed, Stream


@dataclass(slots=True)
class ScriptedExecutor:
    """Answers with `returncode`, `stdout` and `stderr`."""

    stdout: bytes = b""
    stderr: bytes = b""
    returncode: int = 0
    name: str = "root@board"
    asked: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        self.asked.append((tuple(argv), stdin))
        return Completed(argv=tuple(argv), returncode=self.returncode, stdout=self.stdout, stderr=self.stderr)

    def open(self, argv: Sequence[str]) -> Stream:
        raise NotImplementedError

    def close(self) -> None:
        pass
