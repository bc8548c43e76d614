"""Gives the checked wheel of a source package for a target: from the cache, or built."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlparse
from urllib.request import url2pathname

from packaging.utils import parse_wheel_filename

from edgekit.errors import WheelError
from edgekit.host.locking import locked
from edgekit.host.notes import Notes
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.downloads import Downloads
from edgekit.host.wheel.cross.environment import Extras, Workshop, making_digest
from edgekit.host.wheel.cross.failure import first_error, not_of_probes
from edgekit.host.wheel.cross.paths import CrossPaths
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.cross.store import BuiltWheel, CachedWheel, WheelStore
from edgekit.trust import sha256_file

if TYPE_CHECKING:
    from edgekit.host.wheel.cross.builder import Builder, Made

_FORMAT = 4
"""Raise it when the same inputs are to give another wheel."""
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*==[\w.+!-]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A wheel, and whether it came from the cache."""

    cached: CachedWheel
    pins: str
    """What it was built with, as `uv pip sync` reads it."""
    from_cache: bool
    tools: Mapping[str, str] = field(default_factory=dict)
    """Digests of what it is compiled with: toolchain, headers, rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A raw wheel after check and repair."""

    wheel: Path
    platform: str
    """The platform tag that is true of it."""
    grafted: tuple[str, ...]


class Preparer(Protocol):
    """Prepares what building a package takes."""

    def __call__(self, source: Source) -> tuple[Workshop, Extras]:
        """The workshop, with the compiler that the package's rule asks for, and the rule's extras."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossBuilder:
    """Builds source packages for one target."""

    paths: CrossPaths
    prepare: Preparer
    inspect: Callable[[Path, Extras], Inspected]
    """Checks a wheel and repairs what can be; raises WheelError."""
    recheck: Callable[[Path, Extras], None]
    """Checks it again, whole, when it is finished; raises WheelError."""
    trial: Callable[[Source, Path], None]
    """Imports its modules as on the board; raises WheelError."""
    builder: Callable[[Workshop], Builder]
    locate: Callable[[Source], str]
    """Asks the index where a source package can be had."""
    downloads: Downloads
    progress: Progress

    def wheel(self, source: Source, pins: str = "", *, again: bool = False) -> Result:
        """The wheel of a source package.

        Args:
            source: the package.
            pins: build requirements as a recipe's lock has them; empty: as at its first build here, or found anew.
            again: build it even if it is there, and see whether the same bytes come out.

        Raises:
            WheelError: it does not build, what comes out cannot load on the target, or, `again`, differs.
        """
        shop, extras = self.prepare(source)
        asked = [_FORMAT, making_digest(), source.name, source.version, source.sha256, str(shop.abi), shop.abi.soabi]
        asked += [shop.toolchain.digest, shop.python.digest, extras.digest]
        job_id = _digest(asked)[:16]
        remembered = Notes(self.paths.pins)
        pins = pins or (remembered.read(job_id) or b"").decode()
        tools = _tools(shop, extras)
        found = self._find(asked, pins, tools)
        if found is not None and not again:
            return found
        self.paths.work.mkdir(parents=True, exist_ok=True)
        work = self.paths.work / f"{source.name}-{source.version}-{job_id}"
        # Its path is always the same, as some back ends write it into what they make: one build at a time.
        waiting = f"{source}: waiting for another build of it"
        with locked(work.with_name(f"{work.name}.lock"), lambda: self.progress.step(waiting)):
            pins = pins or (remembered.read(job_id) or b"").decode()
            found = self._find(asked, pins, tools)  # another build may have made it meanwhile
            if found is not None and not again:
                return found
            try:
                return self._build(source, pins, work, asked)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _find(self, asked: list[object], pins: str, tools: Mapping[str, str]) -> Result | None:
        cached = self._store().find(_key(asked, pins)) if pins else None
        return Result(cached=cached, pins=pins, from_cache=True, tools=tools) if cached else None

    def _store(self) -> WheelStore:
        return WheelStore(self.paths.wheels, self.progress)

    def _build(self, source: Source, pins: str, work: Path, asked: list[object]) -> Result:
        # A wheel from the cache is there in a moment: what only building takes is imported here.
        from edgekit.host.wheel.cross.builder import Job  # noqa: PLC0415
        from edgekit.host.wheel.cross.repack import repack_wheel  # noqa: PLC0415

        began = time.monotonic()
        shop, extras = self.prepare(source)
        job = Job(
            source=source,
            archive=self._archive(source),
            extras=extras,
            pins=pins,
            work=work,
            log=self.paths.logs / f"{source.name}-{source.version}-{shop.abi}.log",
            cross=self.paths.cross,
        )
        made = self.builder(shop).build(job)
        with self.progress.step(f"{source}: checking"):
            inspected = self.inspect(made.wheel, extras)
            if inspected.platform == "any":
                self._check_nothing_compiled(made, job.log)
            (work / "finished").mkdir()
            about = _provenance(source, shop, made, inspected)
            wheel = repack_wheel(inspected.wheel, inspected.platform, about, work / "finished")
            self.recheck(wheel, extras)
        self.trial(source, wheel)
        record = _record(about, wheel, made.sandbox, time.monotonic() - began)
        cached = self._store().put(_key(asked, made.pins), wheel, record)
        before = cached.record.sha256
        if before != record.sha256:
            raise WheelError(
                f"{source} came out with other bytes than before: {record.sha256[:12]}, not {before[:12]}",
                hint="its build writes times, paths or an order of its own: see its sources",
            )
        Notes(self.paths.pins).write(_digest(asked)[:16], made.pins.encode())
        return Result(cached=cached, pins=made.pins, from_cache=False, tools=_tools(shop, extras))

    def _check_nothing_compiled(self, made: Made, log: Path) -> None:
        """Judge a wheel without compiled files.

        Some packages swallow that compiling failed, with the compiler's own words; the wheel is then refused. One whose
        name says that it was compiled for this Python may mean it so: the user is told.
        """
        failed = made.failed or "\n".join(re.findall(r".*(?:\berror: |failed with exit code).*", _read(log)))
        if real := not_of_probes(failed):
            raise WheelError(
                f"{made.wheel.name} came out without its compiled part, which failed to compile: {first_error(real)}",
                hint=f"see {log}; or take a package that needs no compiler",
            )
        if any(tag.abi != "none" for tag in parse_wheel_filename(made.wheel.name)[3]):
            self.progress.note(f"{made.wheel.name} is named as compiled and has no compiled file; see {log}")

    def _archive(self, source: Source) -> Path:
        if not source.filename:  # a folder of sources
            return Path(url2pathname(urlparse(source.url).path))
        if cached := self.downloads.cached(source.sha256, source.filename):
            return cached
        url = source.url or self.locate(source)
        return self.downloads.fetch(url, source.sha256)


def _tools(shop: Workshop, extras: Extras) -> Mapping[str, str]:
    tools = {"toolchain": shop.toolchain.digest, "Python headers": shop.python.digest, "rule": extras.digest}
    return {name: digest for name, digest in tools.items() if digest}


def _provenance(source: Source, shop: Workshop, made: Made, inspected: Inspected) -> Provenance:
    return Provenance(
        source=source.filename or source.name,
        source_sha256=source.sha256,
        backend=made.backend,
        compiler=f"zig {shop.toolchain.zig}",
        runtime=shop.toolchain.runtime,
        abi=str(shop.abi),
        headers=shop.python.origin,
        built_with=tuple(sorted(_PIN.findall(made.pins))),
        grafted=inspected.grafted,
    )


def _record(made: Provenance, wheel: Path, sandbox: str, seconds: float) -> BuiltWheel:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return BuiltWheel(
        name=name,
        version=str(version),
        filename=wheel.name,
        sha256=sha256_file(wheel),
        bytes=wheel.stat().st_size,
        made=made,
        seconds=round(seconds, 1),
        sandbox=sandbox,
    )


def _key(asked: list[object], pins: str) -> str:
    """Cache key of a wheel: covers everything that affects it."""
    return _digest([*asked, sorted(_PIN.findall(pins))])


def _digest(made_of: list[object]) -> str:
    return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
