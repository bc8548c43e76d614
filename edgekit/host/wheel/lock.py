"""Lock files: the exact wheels for one set of requirements on one kind of system. No index is named in them.

Each line is a requirement as pip and uv read it, with the one hash that may be installed, and the wheel's file name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgekit.errors import InputError
from edgekit.host.wheel.needs import Wanted
from edgekit.schema.manifest import WheelEntry

_HEADER = "# edgekit lock 1, answers {digest}\n# {wanted}; `edgekit build --update-lock` writes it anew\n"
_ANSWERS = re.compile(r"# edgekit lock 1, answers ([0-9a-f]{64})")
_LINE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[\w.+!-]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
    r"  # (?P<filename>[\w.+!-]+\.whl)"
)


def format_lock(wanted: Wanted, wheels: Iterable[WheelEntry]) -> str:
    """The lock's text."""
    lines = (f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}  # {wheel.filename}\n" for wheel in wheels)
    return _HEADER.format(digest=wanted.digest, wanted=wanted) + "".join(lines)


def answers(text: str, wanted: Wanted) -> bool:
    """Whether a lock is for these requirements on this kind of system."""
    found = _ANSWERS.match(text)
    return found is not None and found[1] == wanted.digest


def parse_lock(text: str, file: str) -> tuple[WheelEntry, ...]:
    """The wheels of a lock.

    Raises:
        InputError: a line that is none.
    """
    wheels = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.rstrip())
        if not found:
            raise InputError(f"{file}: line {number} is no locked wheel", hint="edgekit build --update-lock")
        wheels.append(WheelEntry(**found.groupdict(), source="downloaded"))
    return tuple(wheels)
