"""Programs on a machine, each with some variables more than its caller gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgekit.executor import Completed, Executor, Stream


class WithVariables:
    """An executor that adds variables to every program's environment; what a caller gives counts more.

    Args:
        inner: runs the programs.
        variables: what is added.
    """

    def __init__(self, inner: Executor, variables: Mapping[str, str]) -> None:
        self._inner = inner
        self._variables = dict(variables)

    @property
    def name(self) -> str:
        """See `Executor.name`."""
        return self._inner.name

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> Completed:
        """Run to the end. See `Executor.run`."""
        return self._inner.run(argv, timeout_s=timeout_s, stdin=stdin, env={**self._variables, **(env or {})}, cwd=cwd)

    def open(self, argv: Sequence[str]) -> Stream:
        """Start a program and talk to it. See `Executor.open`."""
        return self._inner.open(["env", *(f"{name}={text}" for name, text in self._variables.items()), *argv])

    def close(self) -> None:
        """See `Executor.close`."""
        self._inner.close()
