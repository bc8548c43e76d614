"""What lies behind an error: the word that travels in reports, so that nobody has to guess it from sentences."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from edgekit.errors import Cause, EdgekitError

_BY_ERRNO: Mapping[int, Cause] = MappingProxyType(
    {
        errno.EADDRINUSE: "port_taken",
        errno.ENOSPC: "disk_full",
        errno.EDQUOT: "disk_full",
        errno.ENOMEM: "out_of_memory",
    }
)
_LINKER = re.compile(r"cannot open shared object file|version `\S+' not found|undefined symbol|wrong ELF class")
"""What the dynamic linker says, through `import` or `ctypes`. Source: glibc, elf/dl-load.c and others."""
_MOST_LINKS = 20


def cause_of(error: BaseException) -> Cause:
    """The cause of an error, or of the nearest one behind it that tells; empty where none does."""
    return next((cause for one in _chain(error) if (cause := _own_cause(one))), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, what it was raised from, and so on. One that hides what was before it ends the chain."""
    found: BaseException | None = error
    for _ in range(_MOST_LINKS):  # a recipe's code may tie it into a ring
        if found is None:
            return
        yield found
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)


def _own_cause(error: BaseException) -> Cause:
    match error:
        case EdgekitError():
            return error.cause
        case ModuleNotFoundError():
            return "missing_library"
        case ImportError() | OSError() if _LINKER.search(str(error)):
            return "missing_library"
        case OSError():
            return _BY_ERRNO.get(error.errno or 0, "")
        case MemoryError():
            return "out_of_memory"
    return ""
