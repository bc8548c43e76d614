"""Small files of /sys, /proc and debugfs, where any read may fail: a sensor without power, a driver that is gone."""

from __future__ import annotations

import os
import re

from edgekit.schema.telemetry import plain_name

_MAX_BYTES = 4096
_MAX_NAMES = 256


class SensorFiles:
    """Files below a root. What is not there, fails or says nothing is None, never 0 and never an error."""

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self.refused: list[str] = []
        """Files and folders that are there and may not be read by this user."""

    def text(self, path: str) -> str | None:
        """A file's first 4096 bytes without NULs and blanks around them; None where nothing is left."""
        try:
            fd = os.open(f"{self._root}/{path}", os.O_RDONLY | os.O_CLOEXEC)
            try:
                raw = os.read(fd, _MAX_BYTES)
            finally:
                os.close(fd)
        except PermissionError:
            self.refused.append(f"/{path}")
            return None
        except OSError:
            return None
        return raw.decode("utf-8", "replace").strip("\0\n\t ") or None

    def number(self, path: str) -> int | None:
        """A file that holds one whole number, else None."""
        text = self.text(path)
        return int(text) if text and re.fullmatch("-?[0-9]{1,18}", text) else None

    def name(self, path: str) -> str | None:
        """A file that holds a name, as `edgekit.schema.telemetry.Name` has them."""
        return plain_name(self.text(path) or "") or None

    def names(self, folder: str, pattern: str = ".*") -> list[str]:
        """Names in a folder that fit whole, in the order of their numbers."""
        try:
            with os.scandir(f"{self._root}/{folder}") as entries:
                found = [entry.name for entry in entries]
        except PermissionError:
            self.refused.append(f"/{folder}")
            return []
        except OSError:
            return []
        return sorted((name for name in found if re.fullmatch(pattern, name)), key=_by_number)[:_MAX_NAMES]

    def there(self, path: str) -> bool:
        """Whether a file is there, of any kind."""
        return os.path.lexists(f"{self._root}/{path}")


def _by_number(name: str) -> tuple[str, int, str]:
    word, number = re.fullmatch("(.*?)([0-9]*)", name, re.DOTALL).groups()  # type: ignore[union-attr]
    return word, int(number[:9] or 0), name
