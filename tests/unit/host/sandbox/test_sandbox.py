"""Which sandbox is taken, and what is said where there is none. Real ones are in tests/integration/test_sandbox.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.sandbox.box import Box, RootPlan
from edgekit.host.sandbox.sandbox import Sandbox, SandboxWay, no_sandbox

BOX = Box(environment={"PATH": "/usr/bin:/bin", "ONLY": "this"}, cwd=Path("/"))


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def way(kind: str, *words: str) -> SandboxWay:
    def argv(_: RootPlan, command: Sequence[str]) -> list[str]:
        return [*words, *command]

    return SandboxWay(kind=kind, argv=argv)  # type: ignore[arg-type]


def test_a_way_that_only_says_that_it_works_is_not_believed() -> None:
    """`env` runs the command, but in our own namespaces; `false` runs nothing; the third is not there."""
    shown = Notes()
    ways = (way("bubblewrap", "/usr/bin/env"), way("namespaces", "/bin/false"), way("bubblewrap", "/nonexistent"))
    sandbox = Sandbox(LocalExecutor(), shown, ways=lambda: ways)
    assert sandbox.kind == "none"
    done = sandbox.run(["/usr/bin/env"], BOX, timeout_s=60)
    assert done.text.splitlines() == ["PATH=/usr/bin:/bin", "ONLY=this"]
    assert len(shown.notes) == 1 and "runs as you, with your files and the network" in shown.notes[0]


def test_it_is_tried_once() -> None:
    tries: list[int] = []

    def ways() -> tuple[SandboxWay, ...]:
        tries.append(1)
        return ()

    shown = Notes()
    sandbox = Sandbox(LocalExecutor(), shown, ways=ways)
    for _ in range(3):
        sandbox.run(["true"], BOX, timeout_s=60)
    assert tries == [1] and len(shown.notes) == 1


def test_the_hint_fits_the_machine(tmp_path: Path) -> None:
    switch = tmp_path / "apparmor_restrict_unprivileged_userns"
    switch.write_text("1\n")
    assert no_sandbox(switch).endswith("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
    switch.write_text("0\n")
    assert "AppArmor" not in no_sandbox(switch) and "AppArmor" not in no_sandbox(tmp_path / "none")
