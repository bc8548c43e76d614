"""The sandbox by the kernel's namespaces alone, made by a script of the standard library.

Not util-linux's `unshare`: how it maps users differs from release to release (`--map-current-user` is of 2.36), it
brings no loopback up, and a shell script would have to do the mounting. Not `os.unshare`: it came with Python 3.12.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from importlib import resources

from edgekit.host.sandbox.box import RootPlan


def namespaces_argv(plan: RootPlan, argv: Sequence[str]) -> list[str]:
    """The command that runs `argv` in a file system, network and process list of its own: see `inside.py`."""
    script = resources.files("edgekit.host.sandbox").joinpath("inside.py")
    return [sys.executable, "-I", "-S", str(script), json.dumps(dataclasses.asdict(plan)), *argv]
