"""What lies in an installed release's folder, read."""

from __future__ import annotations

import errno
import json
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from edgekit.errors import EdgekitError, RolloutError, TrustError
from edgekit.schema.manifest import Manifest, check_manifest, is_safe_path
from edgekit.schema.message import from_message
from edgekit.schema.names import is_application_name
from edgekit.schema.plan import WorkerPlan
from edgekit.trust import sha256_bytes, sha256_file

MANIFEST, SIGNATURE, PLAN = "manifest.json", "manifest.json.sig", "plan.json"
STATEMENT, STATEMENT_SIGNATURE = "provenance.json", "provenance.json.sig"
"""How the release was made, and the signature over its DSSE encoding: what its envelope holds on the host."""
_SHOWN = 5
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What the keeper lacks for a while: it says nothing of the file that was to be read."""


def read_manifest(manifest_json: bytes) -> Manifest:
    """Read a manifest whose signature was checked.

    Raises:
        TrustError: it cannot be read, or must not be followed.
    """
    try:
        manifest = from_message(Manifest, manifest_json, MANIFEST)
    except EdgekitError as error:
        raise TrustError(
            f"the manifest is refused: this keeper cannot read {_in_one_line(error)}",
            hint="provision the device with the edgekit that built the release",
            details=error.message,
        ) from None
    check_manifest(manifest)
    return manifest


def read_or_nothing(path: Path) -> bytes:
    """A file's content; empty where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def read_plan(path: Path) -> WorkerPlan:
    """Read a release's plan; what it names becomes paths and programs here.

    Raises:
        RolloutError: this keeper cannot read it or must not follow it.
    """
    hint = "provision the device with the edgekit that built the release"
    try:
        plan = from_message(WorkerPlan, (path / PLAN).read_bytes(), PLAN)
    except FileNotFoundError:
        raise RolloutError(f"the release has no {PLAN}", hint="build it again") from None
    except EdgekitError as error:
        raise RolloutError(f"this keeper cannot read {_in_one_line(error)}", hint=hint, details=error.message) from None
    folders = [folder for folder in (plan.site, plan.app) if folder]
    if not (
        is_application_name(plan.application) and plan.python_path.startswith("/") and all(map(is_safe_path, folders))
    ):
        raise RolloutError(f"{PLAN} names an application, program or folder that it must not", hint="build it again")
    return plan


def flaws_of(folder: Path, digest: str) -> tuple[str, ...]:
    """What of a release's files is missing or has another size. Contents are hashed when it is laid out.

    Raises:
        OSError: files cannot be looked at now, whatever is in them; so in all that follows.
    """
    try:
        manifest_json = (folder / MANIFEST).read_bytes()
        (folder / SIGNATURE).stat()
        if sha256_bytes(manifest_json) != digest:
            return (f"its {MANIFEST} was changed",)
        sizes = {entry["path"]: entry["bytes"] for entry in json.loads(manifest_json)["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        _pass_on_shortage(error)
        return (f"its {MANIFEST} or signature cannot be read: {error}",)
    return tuple(f"{path} is missing or cut" for path, size in sizes.items() if _size(folder / path) != size)


def files_missing(paths: Sequence[str]) -> RolloutError:
    """The error for a release whose blobs are not all there, or not what they should be."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return RolloutError(
        f"missing or damaged: {', '.join(paths[:_SHOWN])}{more}",
        hint="deploy the release again: what is wrong is sent anew",
        details="\n".join(paths),
    )


def damage_of(folder: Path, alive: Callable[[], None]) -> tuple[str, ...]:
    """Which files of a release without flaws have another content than was signed.

    Args:
        folder: the release's.
        alive: called before each file: all of them are read, which takes long.
    """
    files = {entry["path"]: entry["sha256"] for entry in json.loads((folder / MANIFEST).read_bytes())["files"]}
    return tuple(f"{path} is damaged" for path, sha256 in files.items() if _digest(folder / path, alive) != sha256)


def _digest(path: Path, alive: Callable[[], None]) -> str:
    """A file's SHA-256; empty where it cannot be read, as of a disk that gives no answer."""
    alive()
    try:
        return sha256_file(path)
    except OSError as error:
        _pass_on_shortage(error)
        return ""


def _pass_on_shortage(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        raise error


def _in_one_line(error: EdgekitError) -> str:
    """What is wrong with a file; of several mistakes how many."""
    return error.message.partition("\n")[0]


def _size(path: Path) -> int:
    """A regular file's size; -1 where there is none."""
    try:
        status = path.lstat()
    except OSError as error:
        _pass_on_shortage(error)
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1
