"""paramiko, imported without invoke: a fifth of what a short command costs, for `Match exec` in ssh_config alone.

That is refused by name (`ssh_config.resolve_login`). Source: Python, `sys.modules`: None there makes an import fail;
paramiko takes that for an invoke that is not installed (paramiko/config.py).
"""

from __future__ import annotations

import sys
from typing import Any

_MODULES: dict[str, Any] = sys.modules
_KEPT_OUT = "invoke" not in _MODULES
if _KEPT_OUT:
    _MODULES["invoke"] = None
try:
    import paramiko
finally:
    if _KEPT_OUT:
        del _MODULES["invoke"]
# Whoever imported paramiko before this module had invoke imported with it.
vars(paramiko.config).update(invoke=None, invoke_import_error=ImportError("edgekit runs nothing for ssh_config"))

__all__ = ["paramiko"]
