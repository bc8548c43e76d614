"""Imports one module, or loads one library. Runs in the target's Python, under emulation: no edgekit here.

The last line on standard output says how it went, as a Python literal: None, or an exception's type, its message and
the module it missed. What an emulated Python imports takes its time: json alone takes half as long as its start.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator


def causes(error: BaseException | None) -> Iterator[str]:
    """An exception's message, and those of its causes."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def main(kind: str, name: str) -> None:
    """Try it; an exception is a result."""
    failure = None
    try:
        if kind == "module":
            __import__(name)
        else:
            import ctypes  # noqa: PLC0415  half of all trials do not need it

            ctypes.CDLL(name)
    except BaseException as error:  # also SystemExit: some modules end the program that imports them
        message = " / ".join(dict.fromkeys(filter(None, causes(error))))[:3000]
        failure = (type(error).__name__, message, str(getattr(error, "name", None) or "")[:200])
    print("\n" + ascii(failure), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
