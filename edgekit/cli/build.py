"""`edgekit build`: a recipe and a target become a signed release."""

from __future__ import annotations

import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.complete import TargetOption
from edgekit.cli.session import JsonFlag, local, output_for, settings_of
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.catalogue.recipes import RecipeFolder
    from edgekit.host.engine.engine import Engine
    from edgekit.host.rehearsal import Packages
    from edgekit.host.release.assemble import Content
    from edgekit.host.release.record import Built, Inputs
    from edgekit.host.settings import Settings
    from edgekit.host.wheel.resolve import Locked
    from edgekit.host.wheel.tree import Tree
    from edgekit.schema.manifest import FileEntry, Manifest
    from edgekit.schema.plan import WorkerPlan
    from edgekit.schema.target import Target


@examples(
    "edgekit build recipes/sorting-line --target host",
    "edgekit build recipes/sorting-line --target rk3588-debian12 --out out/line",
    "edgekit build recipes/sorting-line -t jetson-orin-nano-jp62 --builder bench-orin",
)
def build(
    ctx: typer.Context,
    recipe: Annotated[Path, typer.Argument(help="The recipe's folder.")],
    target: TargetOption,
    out: Annotated[Path | None, typer.Option(help="Folder of the release; by default below out/.")] = None,
    key: Annotated[Path | None, typer.Option(help="Signing key, or the public half of one in your agent.")] = None,
    builder: Annotated[str, typer.Option(help="Device that compiles engines, where only such a board can.")] = "",
    update_lock: Annotated[bool, typer.Option("--update-lock", help="Resolve anew; write the recipe's lock.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Build a recipe for a target: Python packages, engines, plan, SBOM, signature. Twice gives the same digest."""
    from edgekit.errors import TrustError
    from edgekit.host.cache import using
    from edgekit.host.catalogue.recipes import read_recipe
    from edgekit.host.catalogue.targets import find_target
    from edgekit.host.preflight import require
    from edgekit.host.release.record import BuildRecords, Built

    began = time.monotonic()
    settings, output = settings_of(ctx), output_for(as_json)
    folder = read_recipe(recipe)
    found = find_target(target, settings)
    if builder:
        check_builder(builder, found)
    signing_key = key or settings.signing_key
    if not signing_key.is_file():
        require("build")  # making a key takes what signing takes: told together
        raise TrustError(f"{signing_key} is not there: releases are signed", hint="edgekit keys init makes your key")
    path = out or Path("out", f"{folder.recipe.name}-{folder.recipe.version}-{found.name}")
    order = Order(folder=folder, target=found, key=signing_key, builder=builder, out=path, update_lock=update_lock)
    ctx.with_resource(using(settings.cache_dir))
    work = BuildRecords(settings.cache_dir).begin(inputs_of(order, settings, output), path)
    built = None if update_lock else work.before()
    if built is None:
        built = make_release(order, settings, output)
        work.done(Built(result=built.result | {"from_cache": True}, notes=built.notes))
    else:
        for note in built.notes:
            output.note(note)
    words = f"{path}: {folder.recipe.name} {folder.recipe.version} for {found.name}, {built.result['digest'][:12]}"
    output.result(built.result | {"seconds": round(time.monotonic() - began, 2)}, words)


def check_builder(builder: str, target: Target) -> None:
    """Refuse a builder device that nobody would ask. One that is asked is looked up when an engine has to be made.

    Raises:
        InputError: the target's engines are made on this machine.
    """
    from edgekit.errors import InputError
    from edgekit.host.engine.compile import choose_backend

    kind = choose_backend(target)
    if kind == "rknn" or kind not in {accelerator.kind for accelerator in target.accelerators}:
        raise InputError(
            f"--builder {builder}: engines for {target.name} are made on this machine, no device is asked",
            hint="leave --builder out",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be built."""

    folder: RecipeFolder
    target: Target
    key: Path
    """Signs the release."""
    builder: str
    """Device that compiles engines; empty: one that the fleet names."""
    out: Path
    update_lock: bool


def inputs_of(order: Order, settings: Settings, output: Output) -> Inputs:
    """Everything that can change what a build makes: the recipe, edgekit itself, its data, its Python, its settings."""
    import edgekit
    from edgekit.host.catalogue.targets import pyconfig_file, target_files
    from edgekit.host.release.record import Inputs

    target_file = target_files(settings).get(order.target.name, settings.data_dir)
    words = (repr(order.target), order.builder, str(order.out), str(order.key), repr(settings), sys.version)
    return Inputs(
        folders=(order.folder.folder, Path(edgekit.__file__).parent, settings.data_dir / "cross"),
        files=(
            target_file,
            pyconfig_file(target_file),
            order.key,
            settings.fleet_file,
            settings.pyenv_root / "versions",
            Path(sysconfig.get_path("purelib")),
        ),
        words=(*words, *_given_files(order, settings, output)),
    )


def _given_files(order: Order, settings: Settings, output: Output) -> tuple[str, ...]:
    """Requirements that are files, by digest: they may lie outside the recipe's folder, or behind links in it."""
    from edgekit.cli.wheel_kit import Kit
    from edgekit.host.requirements import names_file

    python = order.folder.recipe.python
    if not any(map(names_file, python.requirements)):
        return ()
    wanted = Kit(settings, order.target, output).wanted((), python, order.folder.folder)
    return repr(wanted.requirements), repr(wanted.files)


def make_release(order: Order, settings: Settings, output: Output) -> Built:
    """Do the whole build, step by step; what is in a cache is taken from there."""
    import hashlib

    from edgekit.cli.engine_kit import engine_bench
    from edgekit.cli.rehearsal import rehearse
    from edgekit.cli.wheel_kit import Kit
    from edgekit.host.engine.compile import compile_models
    from edgekit.host.preflight import require
    from edgekit.host.release.assemble import Signed, finish_manifest, write_release
    from edgekit.host.release.plan import plan_worker
    from edgekit.host.release.record import Built
    from edgekit.schema.manifest import SIGNATURE_NAMESPACE
    from edgekit.schema.reader import to_raw
    from edgekit.trust import sign

    folder, found, builder = order.folder, order.target, order.builder
    lock = folder.folder / "locks" / f"{found.name}.txt"
    require("build", more=Kit(settings, found, output).building_needs(lock))
    plan_worker(folder.recipe, found, (), has_app=folder.app is not None)  # what does not fit is said before compiling
    engines = compile_models(folder.recipe, folder.folder, found, engine_bench(settings, output, builder))
    plan = plan_worker(folder.recipe, found, [engine.entry for engine in engines], has_app=folder.app is not None)
    site = lay_out_site(settings, folder, found, engines, output, update_lock=order.update_lock)
    notes = (
        *(note for engine in engines for note in engine.notes),
        *(f"warning: {text}" for text in (*plan.warnings, *site.warnings)),
        *rehearse(folder, plan, engines, site.packages(found), settings, output),
    )
    for note in notes:
        output.note(note)
    content = gather(folder, plan, engines, site)
    entries = content.entries()
    manifest = finish_manifest(site.manifest(plan, found, engines, entries))
    with output.step("signing"):
        signature = sign(local(), manifest, key=order.key, namespace=SIGNATURE_NAMESPACE)
    signed = Signed(manifest=manifest, files=entries, signature=signature)
    write_release(order.out, content, signed, notes=settings.cache_dir / "digests")
    result = {
        "digest": hashlib.sha256(manifest).hexdigest(),
        "path": str(order.out),
        "target": found.name,
        "wheels": [f"{wheel.name}=={wheel.version}" for wheel in site.locked],
        "engines": [to_raw(engine.entry) for engine in engines],
        "files": len(entries),
        "bytes": sum(entry.bytes for entry in entries),
        "from_cache": site.from_cache and all(engine.from_cache for engine in engines),
    }
    return Built(result=result, notes=tuple(notes))


class Site:
    """The `site/` of a release, in two trees."""

    def __init__(self, resolved: Locked, wheels: Tree, own: Tree) -> None:
        self.locked = resolved.wheels
        self.warnings = resolved.warnings
        self.wheels = wheels
        self.own = own
        self.from_cache = resolved.from_cache and wheels.from_cache and own.from_cache

    def packages(self, target: Target) -> Packages:
        """What a rehearsal imports."""
        import platform

        from edgekit.host.rehearsal import Packages

        here = (platform.machine(), ".".join(platform.python_version_tuple()[:2]))
        return Packages(folder=self.wheels.folder, native=(target.os.arch, target.os.python) == here)

    def manifest(
        self, plan: WorkerPlan, target: Target, engines: tuple[Engine, ...], files: tuple[FileEntry, ...]
    ) -> Manifest:
        """What the release says of itself."""
        import edgekit
        from edgekit.host.release.plan import requires_of
        from edgekit.schema.manifest import FORMAT, Manifest

        return Manifest(
            format=FORMAT,
            application=plan.application,
            version=plan.version,
            target=target.name,
            edgekit=edgekit.__version__,
            requires=requires_of(plan, target, sum(entry.bytes for entry in files)),
            files=files,
            wheels=self.locked,
            engines=tuple(engine.entry for engine in engines),
        )


def lay_out_site(
    settings: Settings,
    folder: RecipeFolder,
    target: Target,
    engines: tuple[Engine, ...],
    out: Output,
    *,
    update_lock: bool,
) -> Site:
    """Resolve and unpack the Python packages, or take them from the cache."""
    import edgekit
    from edgekit.cli.wheel_kit import Kit, lock_files
    from edgekit.host.wheel.check.loads import loads_of
    from edgekit.host.wheel.layout import Bench, lay_out_own, lay_out_wheels
    from edgekit.host.wheel.needs import runners_of
    from edgekit.host.wheel.resolve import resolve

    kit = Kit(settings, target, out)
    runners = runners_of(engine.entry for engine in engines)
    wanted = kit.wanted(runners, folder.recipe.python, folder.folder)
    files = lock_files(settings, folder.folder, target, update=update_lock)
    locked = resolve(wanted, files, kit.uv, kit.builder(wanted), out)
    interpreter = kit.finder.find(target.os.python)
    if interpreter is None:
        out.note(f"no Python {target.os.python} here: bytecode is left out, and starts take longer on the board")
    bench = Bench(
        trees=settings.cache_dir / "sites",
        interpreter=interpreter,
        executor=kit.executor,
        progress=out,
        trial=kit.trial(wanted) if locked.built else None,
    )
    wheels = lay_out_wheels(wanted, locked, bench, kit.uv, loads_of(target, settings.data_dir / "cross"))
    own = lay_out_own(Path(edgekit.__file__).parent, bench)
    return Site(locked, wheels, own)


def gather(folder: RecipeFolder, plan: WorkerPlan, engines: tuple[Engine, ...], site: Site) -> Content:
    """Everything that goes into the release, by its path there."""
    import dataclasses

    from edgekit.cli.rehearsal import release_files
    from edgekit.host.release.assemble import Content
    from edgekit.host.release.sbom import make_sbom
    from edgekit.schema.reader import to_json

    files = {engine.entry.path: engine.file for engine in engines}
    files |= {engine.entry.tail: engine.tail.resolve() for engine in engines if engine.tail is not None}
    files |= release_files(folder)
    known = {}
    for tree in (site.wheels, site.own):
        for entry in tree.files:
            path = f"site/{entry.path}"
            files[path] = tree.folder / entry.path
            known[path] = dataclasses.replace(entry, path=path)
    entries = [engine.entry for engine in engines]
    sbom = make_sbom(folder.recipe, site.locked, entries, site.wheels.folder)
    return Content(files=files, texts={"plan.json": to_json(plan), "sbom.cdx.json": sbom}, known=known)
