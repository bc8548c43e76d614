"""What a clip holds: the counts that a `score` sink compares with. Pure."""

from __future__ import annotations

import json

from edgekit.errors import InputError

_HINT = 'write JSON with {"counts": {"red disc": 3}}'


def read_truth(text: bytes, file: str) -> dict[str, int]:
    """Read a ground truth: how often each `colour label` passes in one pass of the clip; other keys are notes.

    Raises:
        InputError: it is not JSON, or says no counts.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"ground truth {file}: not JSON: {error}", hint=_HINT) from None
    counts = raw.get("counts") if isinstance(raw, dict) else None
    if not isinstance(counts, dict) or not all(type(count) is int and count >= 0 for count in counts.values()):
        raise InputError(f"ground truth {file}: expected a table of whole numbers under counts", hint=_HINT)
    return {str(name): count for name, count in counts.items()}
