"""What lies in a release's folder, and which folder one may take.

On its own, as a build that has nothing to do reads no more of releases.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import InputError

MANIFEST, SIGNATURE, FILES, PLAN = "manifest.json", "manifest.json.sig", "files", "plan.json"
PROVENANCE = "provenance.json"
"""How it was made: a DSSE envelope. See `edgekit.schema.provenance`."""
PROFILE = "profile.json"
"""Among its files: what it was measured to cost, where it was built with that. See `edgekit.schema.profile`."""


def check_out(out: Path) -> None:
    """Refuse a folder that a release must not replace. Raises InputError."""
    if out.exists() and not (out / MANIFEST).is_file() and any(out.iterdir()):
        raise InputError(f"{out} holds something that is no release", hint="choose another --out")
