"""Looks into a recipe's own code in `app/` without running it: is the class there, and which options does it take.

A rehearsal imports that code in a child of its own. This finds what can be found at once, with the other mistakes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from edgekit.host.catalogue.options_type import OptionsReader
from edgekit.schema.problem import Problem, closest_of
from edgekit.schema.reader import problems_in
from edgekit.schema.recipe import Recipe
from edgekit.schema.sink import PythonSink
from edgekit.schema.source import PythonSource
from edgekit.schema.stages.own import PythonStage

_MAX_SOURCE_BYTES = 4 << 20
_FACE = "edgekit.stage"
"""All of edgekit that a recipe's code may import: the rest changes from version to version."""


class _Missing(Exception):
    """An entry that cannot be found, and what was probably meant."""

    def __init__(self, expected: str, closest: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.closest = closest


def check_own_code(folder: Path, recipe: Recipe, file: str) -> Iterator[Problem]:
    """Every `python` source, stage or sink whose class is not in `app/` or takes other options; foreign imports."""
    yield from _check_imports(folder / "app", Path(file).parent / "app")
    for name, stage in recipe.pipeline.stages.items():
        if isinstance(stage, PythonStage):
            yield from _check_entry(folder / "app", stage, file, f"pipeline.stages.{name}")
    for name, source in recipe.pipeline.sources.items():
        if isinstance(source, PythonSource):
            yield from _check_entry(folder / "app", source, file, f"pipeline.sources.{name}")
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, PythonSink):
            yield from _check_entry(folder / "app", sink, file, f"pipeline.sinks.{name}")


def _check_imports(app: Path, shown: Path) -> Iterator[Problem]:
    """Every import of edgekit's own modules but the one that recipes may use."""
    for source in sorted(app.rglob("*.py")):
        if not source.is_file() or source.stat().st_size > _MAX_SOURCE_BYTES:
            continue
        try:
            tree = ast.parse(source.read_bytes())
        except (
            SyntaxError,
            ValueError,
            RecursionError,
            MemoryError,
        ):  # named where a stage is in it; else never run
            continue
        for line, module in _imports(tree):
            if module.partition(".")[0] == "edgekit" and module != _FACE:
                expected = f"imports {module}: a recipe's code may import {_FACE} and nothing else of edgekit"
                yield Problem(file=str(shown / source.relative_to(app)), key=f"line {line}", expected=expected)


def _imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and module of every import, wherever it stands."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module="edgekit", level=0, names=names):
                yield from ((node.lineno, f"edgekit.{alias.name}") for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield node.lineno, module


def _check_entry(app: Path, own: PythonStage | PythonSource | PythonSink, file: str, key: str) -> Iterator[Problem]:
    module, _, name = own.entry.partition(":")
    try:
        tree = _parse(app, module)
        found = _find(tree, name, module)
    except _Missing as missing:
        yield Problem(file=file, key=f"{key}.entry", expected=missing.expected, closest=missing.closest)
        return
    options = OptionsReader(tree).of_stage(found) if found is not None else None
    if options is not None:
        yield from problems_in(options, own.options, file, key=f"{key}.options")


def _parse(app: Path, module: str) -> ast.Module:
    """The module's source, as a tree. Raises _Missing."""
    if not app.is_dir():
        raise _Missing("the recipe has no app/ folder for its own code")
    path = app.joinpath(*module.split("."))
    sources = [path.with_name(f"{path.name}.py"), path / "__init__.py"]
    source = next((one for one in sources if one.is_file()), None)
    if source is None:
        there = sorted(_modules(app))
        raise _Missing(
            f"there is no module {module} in app/: {', '.join(there[:20]) or 'it is empty'}", closest_of(module, there)
        )
    if source.stat().st_size > _MAX_SOURCE_BYTES:
        raise _Missing(f"app/{source.relative_to(app)} is larger than any module")
    try:
        return ast.parse(source.read_bytes())
    except SyntaxError as error:
        raise _Missing(f"app/{source.relative_to(app)}, line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested without end
        raise _Missing(f"app/{source.relative_to(app)} is no Python: {error}") from None


def _modules(app: Path) -> Iterator[str]:
    for source in app.rglob("*.py"):
        parts = source.relative_to(app).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _find(tree: ast.Module, name: str, module: str) -> ast.ClassDef | None:
    """The class of that name; None where the module has the name from elsewhere. Raises _Missing."""
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if name in classes:
        return classes[name]
    others = set(_bound(tree))
    if name in others or "*" in others:
        return None
    there = ", ".join(classes) or "it has no class"
    raise _Missing(f"module {module} has no class {name}: {there}", closest_of(name, classes))


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that the module may bind at its top, in branches too; `*` where it takes all of another's."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name
            case ast.Import() | ast.ImportFrom():
                yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
