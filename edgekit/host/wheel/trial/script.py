"""Imports one module, or loads one library. Runs in the target's Python, under emulation: no edgekit here.

The last line on standard output says how it went: null, or an exception's type, its message and the module it missed.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import sys
from collections.abc import Iterator


def causes(error: BaseException | None) -> Iterator[str]:
    """What an exception says, and those that it came from."""
    while error is not None:
        yield str(error)
        error = error.__cause__ or error.__context__


def main(kind: str, name: str) -> None:
    """Try it; an exception is an answer."""
    told = None
    try:
        if kind == "module":
            importlib.import_module(name)
        else:
            ctypes.CDLL(name)
    except BaseException as error:  # also SystemExit: some modules end the program that imports them
        told = [type(error).__name__, " / ".join(dict.fromkeys(filter(None, causes(error))))[:4000]]
        told.append(getattr(error, "name", None) or "")
    print("\n" + json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
