"""How long and how large things on `control.sock` may be; see `schema.control`."""

from __future__ import annotations

from edgekit.schema.manifest import MAX_MANIFEST_BYTES, MAX_SIGNATURE_BYTES

LEASE_S = 60.0
"""How long a keeper that hears nothing of a client keeps its leased lock, and the connection."""
PING_S = 15.0
"""How often such a client lets itself be heard when it has nothing to say: three may be lost or late."""
MAX_LINE_BYTES = 4 << 20
"""Of an answer."""
MAX_REQUEST_BYTES = 16 << 10
"""Of a request's line."""
MAX_CHUNK_BYTES = 1 << 20
"""Of a piece of a file or patch, and of what a compressed piece grows to."""
MAX_PAYLOAD_BYTES = MAX_MANIFEST_BYTES + MAX_SIGNATURE_BYTES
