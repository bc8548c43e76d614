"""Settings on the board: one file for each set of values, named by its digest, readable by the keeper alone.

A release and the settings that it runs with change together or not at all: the saved state names both, and each file
is on disk before the state that names it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.releases import Release
from edgekit.errors import EdgekitError, InputError, RolloutError
from edgekit.schema.control import ReleaseRef, SettingsAnswer
from edgekit.schema.filling import fill_plan
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.settings import BoardSettings, SettingValue, complete, is_secret
from edgekit.trust import sha256_bytes


class SettingsFiles:
    """All applications' files below one prefix. The keeper's loop alone writes and removes them."""

    def __init__(self, layout: Layout, disk: Filesystem) -> None:
        self._layout = layout
        self._disk = disk

    def keep(self, application: str, content: bytes) -> None:
        """Make a file durable; there twice is there once. Raises OSError."""
        folder = self._layout.settings_folder(application)
        file = folder / sha256_bytes(content)
        if _read(file) == content:
            return
        for needed in (folder.parent, folder):
            self._disk.keep_folder(needed)
        aside = file.with_suffix(".tmp")
        self._disk.remove(aside)
        self._disk.extend(aside, 0, content)  # the one way to write that nobody else may read
        self._disk.sync_file(aside)
        self._disk.rename(aside, file)
        self._disk.sync_folder(folder)

    def saved(self, release: Release) -> Release:
        """A release whose settings are on disk now; those that it ran with before, where others find no room there.

        Raises:
            RolloutError: they cannot be saved, and it has not run before or those are gone.
        """
        if not release.settings:
            return release
        try:
            self.keep(release.ref.application, release.settings)
        except OSError as error:
            if release.earlier is None:
                hint = "free space on the device, or check its disk"
                raise RolloutError(f"the settings could not be saved: {error}", hint=hint) from error
            return _with(release, self.content(release.earlier))
        return release

    def content(self, ref: ReleaseRef) -> bytes:
        """The settings that a release runs with; empty where it has none.

        Raises:
            RolloutError: they are gone, or not what they were.
        """
        if not ref.settings:
            return b""
        found = _read(self._layout.settings_folder(ref.application) / Path(ref.settings).name)
        if found is None or sha256_bytes(found) != ref.settings:
            wrong = "are gone" if found is None else "are damaged"
            hint = "edgekit settings push gives them anew"
            raise RolloutError(f"the settings of {ref.application} {wrong} on the device", hint=hint)
        return found

    def collect(self, application: str, kept: Collection[str]) -> None:
        """Remove what no release of an application runs with any more. What does not go goes the next time."""
        folder = self._layout.settings_folder(application)
        with contextlib.suppress(OSError):
            for name in self._disk.names(folder):
                if name not in kept:
                    self._disk.remove(folder / name)

    def forget(self, application: str) -> None:
        """Remove all of an application's."""
        self.collect(application, ())
        with contextlib.suppress(OSError):
            self._disk.remove_folder(self._layout.settings_folder(application))

    def given(self, release: Release, content: bytes, used: ReleaseRef | None) -> Release:
        """A release with the values that a client gives; those in use are taken where they are the same.

        Raises:
            InputError: they do not fit what the release declares.
        """
        values = _values(content, release.ref.application)
        fill_plan(release.plan, values, _origin(release))
        with contextlib.suppress(EdgekitError):
            if used and used.settings and _values(self.content(used), used.application) == values:
                content = self.content(used)
        return _with(release, content if release.plan.settings else b"")

    def kept(self, release: Release, *used: ReleaseRef | None) -> Release:
        """A release with values that the board has: of the first of these, as far as it declares them, that fit.

        Those that it ran with, if it is one of these, do too where the values find no room on disk.

        Raises:
            InputError: a value is missing that has no default, or none of them fit.
        """
        release = replace(
            release, earlier=next((ref for ref in used if ref and ref.digest == release.ref.digest), None)
        )
        for ref in used:
            with contextlib.suppress(EdgekitError):
                content = self.content(ref) if ref else b""
                values = _values(content, release.ref.application)
                declared = {name: value for name, value in values.items() if name in release.plan.settings}
                if not declared:
                    continue
                fill_plan(release.plan, declared, _origin(release))
                if declared != values:
                    content = to_message(replace(from_message(BoardSettings, content, "settings"), values=declared))
                return _with(release, content)
        fill_plan(release.plan, {}, _origin(release))
        return _with(release, b"")

    def answer(self, ref: ReleaseRef, plan: WorkerPlan, offered: bytes) -> SettingsAnswer:
        """What a release runs with, for people; secrets only by name.

        Args:
            ref: the release.
            plan: its plan.
            offered: other values, to learn which would change; empty: none.

        Raises:
            EdgekitError: what it runs with is damaged, or the offered values do not fit.
        """
        values = _values(self.content(ref), ref.application)
        changed: tuple[str, ...] = ()
        if offered:
            others = _values(offered, ref.application)
            fill_plan(plan, others, f"settings of {ref.application}")
            now, then = _completed(plan, values), complete(plan.settings, others)
            changed = tuple(name for name in plan.settings if now.get(name) != then[name])
        secret = {name for name, setting in plan.settings.items() if is_secret(setting)}
        return SettingsAnswer(
            application=ref.application,
            digest=ref.settings,
            release=ref.digest,
            declared=plan.settings,
            values={name: value for name, value in values.items() if name not in secret},
            secrets=tuple(sorted(secret & values.keys())),
            changed=changed,
        )


def secret_values(plan: WorkerPlan, content: bytes) -> tuple[str, ...]:
    """The secrets among a worker's settings: what must not be told. Nothing where they cannot be read."""
    with contextlib.suppress(EdgekitError):
        values = _values(content, plan.application)
        secret = [values.get(name) for name, setting in plan.settings.items() if is_secret(setting)]
        return tuple(value for value in secret if isinstance(value, str))
    return ()


def _completed(plan: WorkerPlan, values: dict[str, object]) -> dict[str, SettingValue]:
    """What a release runs with, defaults among it; nothing where its values do not fit any more."""
    try:
        fill_plan(plan, values, "settings")
    except InputError:
        return {}
    return complete(plan.settings, values)


def _with(release: Release, content: bytes) -> Release:
    digest = sha256_bytes(content) if content else ""
    return replace(release, ref=replace(release.ref, settings=digest), settings=content)


def _values(content: bytes, application: str) -> dict[str, object]:
    return from_message(BoardSettings, content, f"settings of {application}").values if content else {}


def _origin(release: Release) -> str:
    return f"settings of {release.ref.application}"


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
