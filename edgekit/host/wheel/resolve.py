"""From requirements to exact wheels: by the recipe's lock, by one made earlier, or resolved anew."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.progress import Progress
from edgekit.host.wheel.lock import answers, format_lock, parse_lock
from edgekit.host.wheel.needs import Wanted
from edgekit.host.wheel.pylock import best_wheels, package_names, without_wheels
from edgekit.host.wheel.refusal import explain, is_offline
from edgekit.host.wheel.uv import Uv
from edgekit.schema.manifest import WheelEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """Exact wheels."""

    wheels: tuple[WheelEntry, ...]
    from_cache: bool
    """Whether a lock that was there answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockFiles:
    """Where locks lie."""

    recipe: Path
    """The recipe's own lock for the target; it counts when it answers, and `update` writes it."""
    cache_dir: Path
    update: bool = False


def resolve(wanted: Wanted, files: LockFiles, uv: Uv, progress: Progress) -> Locked:
    """Find the wheels for `wanted`.

    Raises:
        WheelError: a package has no wheel, is not there, or fits nothing; or the index does not answer.
        InputError: a lock that was edited by hand.
    """
    made = files.cache_dir / "locks" / f"{wanted.digest}.txt"
    if not files.update:
        for file in (files.recipe, made):
            text = _read(file)
            if answers(text, wanted):
                return Locked(wheels=parse_lock(text, str(file)), from_cache=True)
    with progress.step("resolving Python packages"):
        wheels = _resolve(wanted, uv)
    _write(files.recipe if files.update else made, format_lock(wanted, wheels))
    if files.update:
        progress.note(f"wrote {files.recipe}")
    else:
        why = "is for other requirements" if files.recipe.exists() else "is not there"
        progress.note(f"{files.recipe} {why}: resolved anew and kept in the cache; --update-lock writes it")
    return Locked(wheels=wheels, from_cache=False)


def _resolve(wanted: Wanted, uv: Uv) -> tuple[WheelEntry, ...]:
    done = uv.resolve(wanted)
    if done.returncode == 0:
        text = done.stdout.decode(errors="replace")
        wheels = best_wheels(text, wanted)
        left = set(package_names(text)) - {wheel.name for wheel in wheels}
        if left:
            raise explain(wanted, "", sorted(left))
        return wheels
    said = done.stderr.decode(errors="replace").strip()
    if is_offline(said):
        raise explain(wanted, said)
    alone = uv.resolve_alone(wanted)
    to_compile = without_wheels(alone.stdout.decode(errors="replace")) if alone.returncode == 0 else ()
    raise explain(wanted, said, to_compile)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(file)
