"""Public keys in OpenSSH's form that nobody has the private half of, for rules that need no signature."""

from __future__ import annotations

import base64
import hashlib
import struct


def public_key(name: str) -> str:
    """`ssh-ed25519 AAAA...`, always the same for a name. Source: RFC 8709, section 4."""
    kind = b"ssh-ed25519"
    blob = struct.pack(">I", len(kind)) + kind + struct.pack(">I", 32) + hashlib.sha256(name.encode()).digest()
    return f"{kind.decode()} {base64.b64encode(blob).decode()}"
