"""README's commands, as a reader would type them, and what README says comes out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
_PROMPT = "    $ "
_INDENT = "    "


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCommand:
    """One command, and the lines below it."""

    words: tuple[str, ...]
    output: tuple[str, ...]


def shown_in(section: str, text: str = "") -> tuple[ShownCommand, ...]:
    """The commands after `$` in a section, in order.

    Args:
        section: its heading, without `## `.
        text: of the file; empty: README's.
    """
    _, _, after = (text or README.read_text()).partition(f"\n## {section}\n")
    assert after, f"README has no section {section}"
    found: list[ShownCommand] = []
    shown = False
    for line in after.partition("\n## ")[0].splitlines():
        if line.startswith(_PROMPT):
            found.append(ShownCommand(words=tuple(shlex.split(line.removeprefix(_PROMPT))), output=()))
            shown = True
        elif shown and line.startswith(_INDENT):
            last = found.pop()
            found.append(ShownCommand(words=last.words, output=(*last.output, line.removeprefix(_INDENT))))
        else:
            shown = False
    return tuple(found)


def lines_of(program: str, text: str = "") -> tuple[tuple[str, ...], ...]:
    """Every command line of a program in README's blocks, with or without `$`, without comments."""
    lines = [
        line.strip().removeprefix("$ ") for line in (text or README.read_text()).splitlines() if line[:4] == _INDENT
    ]
    return tuple(
        tuple(shlex.split(line, comments=True))
        for line in lines
        if line.startswith(f"{program} ") and " >> " not in line
    )
