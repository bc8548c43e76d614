"""Programs that cannot be run here."""

from __future__ import annotations

from pathlib import Path


def foreign_program(folder: Path) -> Path:
    """The header of an ELF program for a processor that no machine has: executable, and refused by every kernel."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + (2).to_bytes(2, "little") + (0xFFFE).to_bytes(2, "little")
    file = folder / "foreign"
    file.write_bytes(header + bytes(44))
    file.chmod(0o755)
    return file
