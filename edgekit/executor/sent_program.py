"""Python programs that are sent as text, and their answers: found whatever a login shell's start-up files print first.

What a program over there writes begins below `schema.answer.ANSWER_MARK`.
"""

from __future__ import annotations

import ast
import io
import json
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.executor import Completed, Executor, Stream
from edgekit.schema.answer import ANSWER_MARK

_PARSING = threading.Lock()
"""Python 3.11 counts how deep it is in one place for all threads, and refuses where two parse at once."""
_MARK_LINE = ANSWER_MARK.encode()
_MAX_LINE_BYTES = 1 << 16
_MAX_GREETING_BYTES = 1 << 20
_BEGIN = f'import sys; sys.stdout.write("\\n{ANSWER_MARK}\\n"); sys.stdout.flush(); '
_FROM_STDIN = _BEGIN + 'import zlib; exec(compile(zlib.decompress(sys.stdin.buffer.read()), "sent", "exec"))'
_FROM_ARGUMENT = _BEGIN + 'exec(compile(sys.argv.pop(1), "sent", "exec"))'


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How a sent program ended."""

    done: Completed
    output: bytes
    """What the program itself wrote; empty where it was never reached."""

    def json_object(self) -> dict[str, Any] | None:
        """The one JSON object that it wrote; None where it wrote something else."""
        try:
            value = json.loads(self.output)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def joined(modules: Iterable[Path]) -> bytes:
    """Modules as one program: all but their imports of edgekit's own, in the order in which they need each other."""
    texts: list[str] = []
    for module in modules:
        text = module.read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        with _PARSING:
            parsed = ast.parse(text)
        for node in parsed.body:
            module_name = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if module_name.startswith("edgekit.") or (module_name == "__future__" and texts):
                lines[node.lineno - 1 : node.end_lineno] = ["\n"] * len(lines[node.lineno - 1 : node.end_lineno])
        texts.append("".join(lines))
    return "\n".join(texts).encode()


def run_program(executor: Executor, python: Sequence[str], program: bytes, *arguments: str, timeout_s: float) -> Answer:
    """Run a program to its end. It travels packed on standard input, so nothing of it shows in a process list.

    Args:
        executor: the machine.
        python: the interpreter there and what stands before it: `("sudo", "-n", "/usr/bin/python3")`.
        program: its text.
        arguments: its command line.
        timeout_s: see `Executor.run`.

    Raises:
        Unreachable: the machine does not answer.
    """
    done = executor.run(
        [*python, "-I", "-c", _FROM_STDIN, *arguments], timeout_s=timeout_s, stdin=zlib.compress(program)
    )
    output = io.BytesIO(done.stdout)
    return Answer(done=done, output=output.read() if skip_greeting(output.readline) else b"")


def open_program(executor: Executor, python: str, program: str, *arguments: str) -> Stream:
    """Start a program and talk to it over its standard streams; call `skip_greeting` before the first answer is read.

    Args:
        executor: the machine.
        python: the interpreter there.
        program: its text; 128 KiB at most, the kernel's limit for one argument.
        arguments: its command line.
    """
    return executor.open([python, "-I", "-c", _FROM_ARGUMENT, program, *arguments])


def skip_greeting(readline: Callable[[int], bytes]) -> bool:
    """Read up to and with the mark; what stands above it is the login shell's.

    Returns:
        False where the output ended, or grew past all greetings, without one.
    """
    left = _MAX_GREETING_BYTES
    while left > 0 and (line := readline(_MAX_LINE_BYTES)):
        if line.rstrip(b"\r\n") == _MARK_LINE:
            return True
        left -= len(line)
    return False
