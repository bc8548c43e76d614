"""Builds a wheel from one source package with its PEP 517 back end.

The front end runs as this machine and installs build requirements for it; only the back end's hooks see the board.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from build import BuildBackendException, BuildException, ProjectBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pyproject_hooks import BuildBackendWarning

from edgekit.errors import EdgekitError, WheelError
from edgekit.executor import Completed
from edgekit.host.installed import INSTALLER_FILES, check_installed
from edgekit.host.progress import Progress
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.left import read_left
from edgekit.host.sandbox.sandbox import SandboxKind
from edgekit.host.wheel.cross.build_box import NOTES, OUT, Hook, build_box, make_folders
from edgekit.host.wheel.cross.compiler_names import shadow_compilers
from edgekit.host.wheel.cross.environment import (
    COMPILERS,
    OBJECTS,
    SYSTEM_PATH,
    Extras,
    Workshop,
    cross_environment,
    install_shim,
    write_meson_file,
)
from edgekit.host.wheel.cross.failure import Failure, explain_failure
from edgekit.host.wheel.cross.folders import copy_folder
from edgekit.host.wheel.cross.machine_code import check_machine_code, foreign_code
from edgekit.host.wheel.cross.rust import fetch_crates, find_rust, needs_rust
from edgekit.host.wheel.cross.sources import Source, unpack_source
from edgekit.host.wheel.cross.warmup import languages_of, warm_up
from edgekit.host.wheel.cross.workshop import Tools
from edgekit.host.wheel.refusal import is_offline

_TIMEOUT_S = 4 * 3600.0
_MAX_NOTE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be built."""

    source: Source
    archive: Path
    """The source package, or a folder of sources."""
    extras: Extras
    pins: str
    """Build requirements as locked earlier, lines with hashes; empty: to be found out."""
    work: Path
    """The build's folder: always the same for the same job, because some back ends write it into their output."""
    log: Path
    """Gets all output."""
    cross: Path
    """The data folder `cross`: what failures mean, and which Debian package has a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A wheel as the back end made it, not yet checked."""

    wheel: Path
    pins: str
    """What it was built with."""
    backend: str
    failed: str
    """What the compiler printed where it failed, though the build went on."""
    sandbox: SandboxKind
    """What the back end ran in."""


class Builder:
    """Runs builds, one at a time."""

    def __init__(self, shop: Workshop, tools: Tools) -> None:
        self._shop, self._tools = shop, tools

    def build(self, job: Job) -> Made:
        """Build a wheel in the job's folder.

        Raises:
            WheelError: it does not build; the message says what failed first, the hint what is probably missing.
        """
        shutil.rmtree(job.work, ignore_errors=True)
        job.work.mkdir(parents=True)
        job.log.parent.mkdir(parents=True, exist_ok=True)
        job.log.write_text(f"{job.source} for {self._shop.abi}\n", encoding="utf-8")
        build = _Build(job, self._shop, self._tools)
        try:
            return build.run(self._tools.progress)
        finally:
            for note in build.left_out():
                self._tools.progress.note(f"{job.source}: {note}")


class _Build:
    """One running build."""

    def __init__(self, job: Job, shop: Workshop, tools: Tools) -> None:
        self._job, self._shop, self._tools, self._uv = job, shop, tools, tools.uv
        self._venv = job.work / "venv"
        self._notes = job.work / NOTES / "compiler"
        self._environment: dict[str, str] = {}
        self._readable: tuple[Path, ...] = ()

    def run(self, progress: Progress) -> Made:
        job, extras = self._job, self._job.extras
        warnings.simplefilter("ignore", BuildBackendWarning)  # the log has them
        sources = self._sources()
        self._shop.install()
        shipped = foreign_code(sources, self._shop.abi.arch)
        languages = languages_of(sources)
        make_folders(job.work, warm_up(self._shop, languages, self._tools.executor, progress))
        try:
            builder = ProjectBuilder(sources, python_executable=f"{self._venv}/bin/python", runner=self._run_hook)
            static = _with_rules(builder.build_system_requires, extras.requirements)
            backend = builder._backend
            config = self._prepare(backend, static)
            with progress.step(f"{job.source}: build requirements"):
                pins = self._install(static, config, builder)
            with progress.step(f"{job.source}: compiling for {self._shop.abi}"):
                wheel = self._take(builder.build("wheel", job.work / OUT, config))
        except BuildBackendException as error:
            raise self._failed(error.exception) from None
        except BuildException as error:
            raise self._failed(error) from None
        check_machine_code(job.source, (sources, wheel), shipped, self._shop.abi.arch, self._log())
        failed = self._left(self._notes.with_suffix(".failed"))
        if failed:
            self._note(f"What the compiler printed where it failed:\n{failed}")
        sandbox = self._tools.sandbox.kind
        return Made(wheel=wheel, pins=pins, backend=backend, failed=failed, sandbox=sandbox)

    def left_out(self) -> list[str]:
        """Arguments that did not reach the compiler though they may have been meant, by reason."""
        reasons: dict[str, list[str]] = {}
        for line in dict.fromkeys(self._left(self._notes).splitlines()):
            argument, _, reason = line.partition("\t")
            reasons.setdefault(reason, []).append(argument)
        return [f"compiled without {', '.join(found)}: {reason}" for reason, found in reasons.items()]

    def _sources(self) -> Path:
        job = self._job
        if job.archive.is_dir():
            sources = copy_folder(job.archive, job.work / "source")
        else:
            sources = unpack_source(job.archive, job.work / "source")
        for name, text in job.extras.files.items():
            file = sources / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return sources

    def _prepare(self, backend: str, requirements: Sequence[str]) -> dict[str, list[str]]:
        """Set the hooks' environment; give their settings."""
        job, shop = self._job, self._shop
        meson = backend.startswith("mesonpy")
        shadow_compilers(shop.toolchain, job.work / COMPILERS, SYSTEM_PATH)
        cross = cross_environment(shop, job.extras, self._venv, job.work, optimise=not meson)
        if needs_rust(requirements):
            cross |= self._equip_rust(cross)
        self._environment = {**cross, "EDGEKIT_NOTES": str(self._notes)}
        config = {key: list(values) for key, values in job.extras.config_settings.items()}
        if meson:
            file = write_meson_file(shop, self._venv, job.work)
            config.setdefault("setup-args", []).append(f"--cross-file={file}")
        return config

    def _equip_rust(self, cross: Mapping[str, str]) -> Mapping[str, str]:
        """Fetch what cargo takes; give its variables."""
        job, shop, tools = self._job, self._shop, self._tools
        rust = find_rust(job.source, shop, job.work / OBJECTS / "crates", cross["PATH"], tools.executor)
        self._readable = rust.readable
        sources = job.work / "source"
        hook = Hook(script=sources, exchange=job.work / "home", environment=cross, cwd=sources)
        with tools.progress.step(f"{job.source}: fetching crates"):
            fetch_crates(job.source, sources, rust, self._box(hook), tools.sandbox)
        return rust.environment

    def _box(self, hook: Hook) -> Box:
        box = build_box(self._job.work, self._shop, self._job.extras, hook)
        return dataclasses.replace(box, readable=(*box.readable, *self._readable))

    def _install(self, static: Sequence[str], config: Mapping[str, Sequence[str]], builder: ProjectBuilder) -> str:
        """Install build requirements; give the pins.

        What the back end asks for is asked as the board (setup.py may look at the platform), and installed as this
        machine.
        """
        pins = self._job.pins or self._lock(static)
        self._fill(pins)
        if not self._job.pins:
            asked = _with_rules(builder.get_requires_for_build("wheel", config), self._job.extras.requirements)
            if {str(Requirement(text)) for text in asked} - {str(Requirement(text)) for text in static}:
                pins = self._lock(sorted({*static, *asked}))
                self._fill(pins)
        return pins

    def _lock(self, requirements: Sequence[str]) -> str:
        done = self._uv.lock_here(requirements, self._shop.interpreter.path)
        self._said(done, "its build requirements")
        return done.text

    def _fill(self, pins: str) -> None:
        """Fill a new environment: uv starts its interpreter, outside of the sandbox, while nothing is in it yet."""
        shutil.rmtree(self._venv, ignore_errors=True)
        self._said(self._uv.make_environment(self._venv, self._shop.interpreter.path), "a virtual environment")
        self._said(self._uv.fill_environment(self._venv, pins), "its build requirements")
        for site in self._venv.glob("lib/python*/site-packages"):
            check_installed(site, WheelError, INSTALLER_FILES)
        install_shim(self._shop, self._venv)

    def _run_hook(
        self, cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None
    ) -> None:
        """See `build.ProjectBuilder`: run a hook as if on the board."""
        job, environment = self._job, {**self._environment, **(extra_environ or {})}
        hook = Hook(script=Path(cmd[1]), exchange=Path(cmd[-1]), environment=environment, cwd=Path(cwd or job.work))
        done = self._tools.sandbox.run(cmd, self._box(hook), timeout_s=_TIMEOUT_S)
        self._note(done.output)
        if done.returncode:
            raise self._explained(done.output)
        if not hook.has_answered():
            raise self._explained(f"{done.output}\nits back end ended without an answer")

    def _take(self, made: str) -> Path:
        """Move a wheel out of the build's reach; a link would lead to whatever the build likes."""
        wheel = Path(made)
        if wheel.parent != self._job.work / OUT or wheel.is_symlink() or not wheel.is_file():
            message = f"{self._job.source} does not build: its back end gives {wheel.name}, which is no file"
            raise WheelError(message, hint=f"see {self._job.log}")
        taken = self._job.work / "made" / wheel.name
        taken.parent.mkdir()
        return wheel.rename(taken)

    def _said(self, done: Completed, what: str) -> None:
        self._note(done.stderr.decode(errors="replace"))
        if done.returncode:
            reason, hint = self._why_not(done.output)
            message = f"{self._job.source} does not build: {what} cannot be had{reason}"
            raise WheelError(message, hint=hint, details=done.output)

    def _why_not(self, output: str) -> tuple[str, str]:
        if is_offline(output):
            return ", as the package index is out of reach", "check the network"
        if unbuilt := re.search(r"\b([\w.-]+?)(?:[=<>~]=\S+)? has no (?:usable )?wheels", output):
            hint = f"pin a version of {unbuilt[1]} that has a wheel in build-system.requires of its pyproject.toml"
            return f": {unbuilt[1]} has no wheel for this machine", hint
        return "", f"see {self._job.log}"

    def _note(self, text: str) -> None:
        with self._job.log.open("a", encoding="utf-8", errors="replace") as log:
            log.write(text + "\n")

    def _failed(self, error: Exception | None) -> EdgekitError:
        if isinstance(error, EdgekitError):
            return error
        self._note(str(error))
        return self._explained(self._log())

    def _explained(self, output: str) -> EdgekitError:
        job = self._job
        modules = tuple({path.name.split(".", maxsplit=1)[0] for path in (job.work / "source").rglob("*.so")})
        alone = self._tools.sandbox.kind != "none"
        failure = Failure(source=job.source, output=output, log=job.log, modules=modules, alone=alone)
        return explain_failure(failure, job.cross)

    def _log(self) -> str:
        log = self._job.log
        return log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""

    @staticmethod
    def _left(note: Path) -> str:
        return read_left(note, _MAX_NOTE_BYTES).decode(errors="replace")


def _with_rules(asked: Iterable[str], ruled: Sequence[str]) -> list[str]:
    """Build requirements, those of a rule in place of the sources' own for the same packages.

    oldest-supported-numpy asks for one numpy exactly, so it goes where a rule names numpy.
    """
    named: set[str] = {canonicalize_name(Requirement(text).name) for text in ruled}
    named |= {"oldest-supported-numpy"} if "numpy" in named else set()
    own = {text for text in asked if canonicalize_name(Requirement(text).name) not in named}
    return sorted({*own, *ruled})
