"""The house keeps its shape: no circle of imports, one class name for one thing, short files, contracts by folder."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import grimp

import edgekit

PACKAGE = Path(edgekit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 350
_CIRCLES: list[set[str]] = []
_LONG: set[str] = set()
_TWICE: set[str] = set()


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import each other in a ring (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for other in sorted(graph.get(module, ())):
            if other not in index:
                visit(other)
            if other in stack:
                low[module] = min(low[module], low[other])
        if low[module] == index[module]:
            ring = set(stack[stack.index(module) :])
            del stack[stack.index(module) :]
            if len(ring) > 1 or module in graph.get(module, ()):
                found.append(ring)

    for module in sorted(graph):
        if module not in index:
            visit(module)
    return found


def classes(source: str) -> list[str]:
    """Names of a module's own classes, private ones too; a class within a class or a function is nobody else's."""
    return [node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]


def test_no_module_imports_itself_through_others() -> None:
    built = grimp.build_graph("edgekit", cache_dir=None)
    graph = {module: built.find_modules_directly_imported_by(module) for module in built.modules}
    assert len(graph) > 300
    assert circles(graph) == _CIRCLES


def test_a_circle_would_be_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [{"a", "b", "c"}]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_one_class_name_is_one_thing() -> None:
    names = Counter(name for file in FILES for name in classes(file.read_text()))
    assert len(names) > 300
    assert {name for name, count in names.items() if count > 1} == _TWICE


def test_files_are_short() -> None:
    lengths = {file.relative_to(PACKAGE).as_posix(): len(file.read_text().splitlines()) for file in FILES}
    assert {name for name, lines in lengths.items() if lines > MAX_LINES} == _LONG


def test_every_session_of_onnx_runtime_is_exact_in_int8() -> None:
    making = [text for file in FILES if "SessionOptions()" in (text := file.read_text())]
    assert len(making) >= 3
    assert all("add_session_config_entry(*EXACT_INT8)" in text for text in making)
