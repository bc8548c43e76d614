"""Why a program could not be started, with what helps against that."""

from __future__ import annotations

import errno
import os
import shutil

from edgekit.errors import InputError

_LOOK = "file {} tells what it is; it must be a program for this machine"


def why_not_started(error: OSError, program: str, cwd: str | None = None) -> Exception:
    """The error for a user who named a program or a folder that cannot be used; `error` itself where no user can help.

    Args:
        error: what starting it ended in.
        program: the first word of the command.
        cwd: the folder that it was to run in.
    """
    if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112  the keeper does without pathlib where it can
        return InputError(f"{program} does not start: {cwd} is not a folder that is there", hint=f"ls -ld {cwd}")
    match error.errno:
        case errno.ENOENT if shutil.which(program):  # what its first line, or its header, names
            return InputError(f"{program} cannot be run: its interpreter is not there", hint=_LOOK.format(program))
        case errno.ENOENT:
            return InputError(f"{program} is not on this machine", hint=f"install {program}")
        case errno.EACCES | errno.EPERM:
            return InputError(f"{program} may not be run", hint=f"ls -ld {program}")
        case errno.ENOEXEC | errno.ENOTDIR | errno.ELOOP | errno.ELIBBAD | errno.EISDIR:
            return InputError(f"{program} cannot be run: {error.strerror}", hint=_LOOK.format(program))
        case errno.E2BIG:
            return InputError(f"{program} cannot be run with so many arguments", hint="put them into a file")
    return error
