"""Puts together what engines are made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekit.cli.session import local

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.cli.output import Output
    from edgekit.host.engine.bench import EngineBench
    from edgekit.host.engine.builder.devices import BuilderDevice, Builders, KitFile
    from edgekit.host.engine.store import EngineStore
    from edgekit.host.settings import Settings
    from edgekit.schema.fleet import Device
    from edgekit.schema.target import AcceleratorKind, Target


def engine_store(settings: Settings) -> EngineStore:
    """The cache of engines."""
    from edgekit.host.engine.store import EngineStore

    return EngineStore(settings.cache_dir / "engines")


def engine_bench(settings: Settings, out: Output, builder: str = "") -> EngineBench:
    """What `compile_models` takes. Nothing is fetched, and no device asked, until an engine needs it.

    Args:
        settings: the user's.
        out: the command's output.
        builder: a device that compiles what this machine cannot, instead of those that fleet.toml labels for it.
    """
    import uv as uv_package

    from edgekit.host.engine.bench import EngineBench
    from edgekit.host.engine.rknn.toolkit import Toolkits
    from edgekit.host.wheel.interpreter import Finder
    from edgekit.host.wheel.uv import Uv

    executor, program = local(), uv_package.find_uv_bin()
    finder = Finder(uv=Uv(executor, program), executor=executor, pyenv_root=settings.pyenv_root)

    def python(minor: str) -> Path | None:
        found = finder.find(minor)
        return found.path if found else None

    toolkits = Toolkits(
        folder=settings.cache_dir / "toolkits",
        locks=settings.data_dir / "cross",
        uv=program,
        find_links=settings.find_links,
        python=python,
        executor=executor,
        progress=out,
    )
    return EngineBench(
        store=engine_store(settings),
        toolkits=toolkits,
        builders=builders(settings, out, builder),
        executor=executor,
        progress=out,
    )


def builders(settings: Settings, out: Output, named: str) -> Builders:
    """Devices that compile engines: the one that is named, else those of the target that are labelled `builder`."""
    from edgekit.host.engine.builder.devices import LABEL, Builders
    from edgekit.host.link.inventory import find_device, known_devices
    from edgekit.host.user import user_at_machine

    def find(target: Target) -> tuple[BuilderDevice, ...]:
        if named:
            return (_builder(find_device(named, settings)),)
        known = known_devices(settings).values()
        return tuple(_builder(device) for device in known if device.target == target.name and LABEL in device.labels)

    return Builders(
        find=find,
        kit=lambda target, kind: builder_kit(settings, out, target, kind),
        holder=user_at_machine(),
    )


def _builder(device: Device) -> BuilderDevice:
    from edgekit.host.engine.builder.devices import BuilderDevice
    from edgekit.host.link.connection import connect

    return BuilderDevice(name=device.name, connect=lambda: connect(device), prefix=device.prefix)


def builder_kit(settings: Settings, out: Output, target: Target, kind: AcceleratorKind) -> tuple[KitFile, ...]:
    """Python packages with which a device compiles and tries engines, laid out as a release's are."""
    from pathlib import Path

    import edgekit
    from edgekit.cli.wheel_kit import Kit
    from edgekit.host.engine.builder.devices import KitFile
    from edgekit.host.wheel.check.loads import loads_of
    from edgekit.host.wheel.layout import Bench, lay_out_own, lay_out_wheels
    from edgekit.host.wheel.needs import wanted_for_builder
    from edgekit.host.wheel.resolve import LockFiles, resolve

    kit, wanted = Kit(settings, target, out), wanted_for_builder(target, kind)
    locked = resolve(wanted, LockFiles(recipe=None, cache_dir=settings.cache_dir), kit.uv, kit.builder(wanted), out)
    interpreter = kit.finder.find(target.os.python)
    bench = Bench(trees=settings.cache_dir / "sites", interpreter=interpreter, executor=kit.executor, progress=out)
    trees = (
        lay_out_wheels(wanted, locked, bench, kit.uv, loads_of(target, settings.data_dir / "cross")),
        lay_out_own(Path(edgekit.__file__).parent, bench, builder=True),
    )
    return tuple(KitFile(entry=entry, file=tree.folder / entry.path) for tree in trees for entry in tree.files)
