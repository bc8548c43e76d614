"""Puts together what engines are made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from edgekit.cli.output import Output
    from edgekit.host.engine.backends import Bench
    from edgekit.host.engine.store import EngineStore
    from edgekit.host.settings import Settings


def engine_store(settings: Settings) -> EngineStore:
    """The cache of engines."""
    from edgekit.host.engine.store import EngineStore

    return EngineStore(settings.cache_dir / "engines")


def engine_bench(settings: Settings, out: Output) -> Bench:
    """What `compile_models` takes. Nothing is fetched until an engine needs it."""
    import uv as uv_package

    from edgekit.executor.local import LocalExecutor
    from edgekit.host.engine.backends import Bench
    from edgekit.host.engine.rknn.toolkit import Toolkits
    from edgekit.host.wheel.interpreter import Finder
    from edgekit.host.wheel.uv import Uv

    executor, program = LocalExecutor(), uv_package.find_uv_bin()
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
    return Bench(store=engine_store(settings), toolkits=toolkits, executor=executor, progress=out)
