"""Our code against the recorded API of every supported TensorRT, read from its syntax tree.

A name tells its class: `builder` is a Builder, `config` an IBuilderConfig, and so on (`CLASSES`), also with an
underscore in front or as `self._x`; `trt` is the module, `cuda` is pycuda.driver. Every attribute and call on them must
exist in every supported version, with that number of arguments and those keywords, unless the same function asks for it
first with `hasattr`; then one version that has it is enough.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgekit
from tests.fakes.recorded_api import SUPPORTED, Api, Signature, recorded

PACKAGE = Path(edgekit.__file__).parent
FILES = (
    "device/runner/nvinfer.py",
    "device/runner/tensorrt.py",
    "device/runner/cuda.py",
    "device/runner/cuda_picture.py",
    "device/runner/cuda_streams.py",
    "device/builder/tensorrt.py",
    "device/builder/accounting.py",
)
CLASSES = {
    "builder": "Builder",
    "config": "IBuilderConfig",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "profile": "IOptimizationProfile",
    "cache": "ITimingCache",
    "kept": "ITimingCache",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "problem": "ParserError",
}
"""`tensor` is one of numpy's in the runner, and an ITensor in the builder."""
ITENSOR_FILES = ("device/builder/tensorrt.py",)
ENUM_NAMES = {"flags": ("BuilderFlag", "NetworkDefinitionCreationFlag"), "pools": ("MemoryPoolType",)}
APIS = tuple(Api(version) for version in SUPPORTED)
PYCUDA = json.loads((Path(__file__).parents[3] / "cases/pycuda-api.json").read_text())["members"]


def check(text: str, *, tensors: bool = False) -> list[str]:
    """Everything in a module that some version would not take."""
    wrong: list[str] = []
    tree = ast.parse(text)
    for function in _functions(tree):
        wrong += _Reader(function, tensors=tensors).read()
    return sorted(set(wrong))


def _functions(node: ast.AST) -> Iterator[ast.FunctionDef]:
    """Functions and methods; those inside a function belong to it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield child
        else:
            yield from _functions(child)


class _Reader:
    """One function."""

    def __init__(self, function: ast.AST, *, tensors: bool) -> None:
        self.function = function
        self.classes = {**CLASSES, **({"tensor": "ITensor"} if tensors else {})}
        self.asked = set(self._asked())
        self.enums = dict(self._enums())
        self.calls = {id(node.func): node for node in ast.walk(function) if isinstance(node, ast.Call)}

    def read(self) -> Iterator[str]:
        for node in ast.walk(self.function):
            if isinstance(node, ast.Attribute):
                yield from self._attribute(node)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield from self._enum_arguments(node)
            if isinstance(node, ast.ClassDef):
                yield from self._subclass(node)

    def _asked(self) -> Iterator[str]:
        for node in ast.walk(self.function):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in ("hasattr", "getattr")
            ):
                name = node.args[1]
                if isinstance(name, ast.Constant):
                    yield str(name.value)

    def _enums(self) -> Iterator[tuple[str, str]]:
        """Variables that stand for an enumeration: `flags = trt.BuilderFlag`."""
        for node in ast.walk(self.function):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute) and _is_trt(node.value.value):
                for target in node.targets:
                    if isinstance(target, ast.Name) and node.value.attr in recorded()["enums"]:
                        yield target.id, node.value.attr

    def _attribute(self, node: ast.Attribute) -> Iterator[str]:
        base, name = node.value, node.attr
        call = self.calls.get(id(node))
        if _is_trt(base):
            yield from self._module(name, call)
        elif isinstance(base, ast.Attribute) and _is_trt(base.value) and base.attr in recorded()["enums"]:
            yield from self._there(f"{base.attr}.{name}", [name in api.enum(base.attr) for api in APIS], name)
        elif _name(base) in self.enums:
            enum = self.enums[_name(base)]
            yield from self._there(f"{enum}.{name}", [name in api.enum(enum) for api in APIS], name)
        elif isinstance(base, ast.Attribute) and base.attr == "ILogger" and name == "Severity":
            return
        elif ast.unparse(base).endswith("ILogger.Severity"):
            yield from self._there(f"Severity.{name}", [name in api.enum("ILogger.Severity") for api in APIS], name)
        elif _name(base) in ("cuda", "_cuda"):
            yield from self._pycuda(name, call)
        elif (cls := self.classes.get(_name(base).lstrip("_"))) is not None:
            yield from self._member(cls, name, call)

    def _module(self, name: str, call: ast.Call | None) -> Iterator[str]:
        known = {"__version__"} | set(recorded()["enums"])
        if name in known:
            return
        if name in recorded()["functions"]:
            yield from self._takes(name, [api.function(name) for api in APIS], call)
        elif name in recorded()["classes"]:
            yield from self._there(name, [api.class_is_there(name) for api in APIS], name)
            if call is not None:
                yield from self._takes(name, [api.signatures(name, "__init__") for api in APIS], call)
        else:
            yield f"there is no trt.{name}"

    def _member(self, cls: str, name: str, call: ast.Call | None) -> Iterator[str]:
        told = f"{cls}.{name}"
        yield from self._there(told, [api.member(cls, name) is not None for api in APIS], name)
        if call is not None:
            having = [api for api in APIS if api.member(cls, name) is not None]
            yield from self._takes(told, [api.signatures(cls, name) for api in having], call)

    def _there(self, told: str, where: list[bool], name: str) -> Iterator[str]:
        if not (any(where) if name in self.asked else all(where)):
            missing = [api.version for api, there in zip(APIS, where, strict=True) if not there]
            yield f"{told} is not in {missing[0]}"

    def _takes(self, told: str, overloads: list[tuple[Signature, ...]], call: ast.Call | None) -> Iterator[str]:
        if call is None:
            return
        keywords = frozenset(keyword.arg for keyword in call.keywords if keyword.arg)
        for signatures in overloads:
            if not any(one.takes(len(call.args), keywords) for one in signatures):
                yield f"{told} does not take {ast.unparse(call)}"
                return

    def _pycuda(self, name: str, call: ast.Call | None) -> Iterator[str]:
        if name not in PYCUDA:
            yield f"there is no pycuda.driver.{name}"
        elif call is not None and isinstance(PYCUDA[name], list):
            names = tuple(part.rstrip("?") for part in PYCUDA[name])
            optional = frozenset(part.rstrip("?") for part in PYCUDA[name] if part.endswith("?"))
            yield from self._takes(f"pycuda.driver.{name}", [(Signature(names, optional),)], call)

    def _enum_arguments(self, node: ast.Call) -> Iterator[str]:
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr in ("set_flag", "clear_flag", "set_memory_pool_limit") and isinstance(
            node.args[0], ast.Constant
        ):
            yield f"a number instead of an enumeration: {ast.unparse(node)}"

    def _subclass(self, node: ast.ClassDef) -> Iterator[str]:
        for base in node.bases:
            if isinstance(base, ast.Attribute) and _is_trt(base.value):
                ours = {part.name for part in node.body if isinstance(part, ast.FunctionDef)} - {"__init__"}
                theirs = set(recorded()["classes"][base.attr])
                yield from (f"{base.attr} has no {name} to override" for name in sorted(ours - theirs))


def _is_trt(node: ast.AST) -> bool:
    return _name(node) == "trt"


def _name(node: ast.AST) -> str:
    """`config` of `config`, `self._config` and `loaded.config`."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


@pytest.mark.parametrize("file", FILES)
def test_what_we_call_is_there_in_every_version(file: str) -> None:
    assert check((PACKAGE / file).read_text(), tensors=file in ITENSOR_FILES) == []


def test_versions_are_never_compared_and_files_are_all_seen() -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in (PACKAGE / "device").rglob("*.py")
        if ".trt" in path.read_text() or "(trt" in path.read_text() or "cuda." in path.read_text()
    }
    assert users - {"device/runner/cuda_probe.py", "device/builder/__init__.py"} <= set(FILES)
    for file in FILES:
        assert "version_tuple" not in (PACKAGE / file).read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(config): config.set_flagg(1)", "IBuilderConfig.set_flagg is not in 8.6.1"),
        ("def f(builder, n, c): builder.build_engine(n, c)", "Builder.build_engine is not in 10.3.0"),
        ("def f(config): config.builder_optimization_level = 3\ndef g(config): config.int8_calibrator = 1",
         "IBuilderConfig.int8_calibrator is not in 11.0.0.114"),
        ("def f(context): context.execute_async_v3()", "IExecutionContext.execute_async_v3 does not take"),
        ("def f(context): context.execute_async_v3(1, 2)", "IExecutionContext.execute_async_v3 does not take"),
        ("def f(trt, config): config.set_flag(trt.BuilderFlag.FP16)", "BuilderFlag.FP16 is not in 11.0.0.114"),
        ("def f(trt):\n flags = trt.BuilderFlag\n return flags.FP61 if hasattr(flags, 'FP61') else 0",
         "BuilderFlag.FP61 is not in 8.6.1"),
        ("def f(config): config.set_flag(1)", "a number instead of an enumeration"),
        ("def f(trt): return trt.Bilder()", "there is no trt.Bilder"),
        ("def f(trt): return trt.Builder()", "Builder does not take trt.Builder()"),
        ("def f(trt):\n class M(trt.ILogger):\n  def logg(self): pass", "ILogger has no logg to override"),
        ("def f(engine): return engine.device_memory_size_v2", "ICudaEngine.device_memory_size_v2 is not in 8.6.1"),
        ("def f(cuda): cuda.memcpy_htod_asinc(1, 2)", "there is no pycuda.driver.memcpy_htod_asinc"),
        ("def f(cuda): cuda.mem_alloc()", "pycuda.driver.mem_alloc does not take"),
        ("def f(self): self._context.set_tensor_address('x')", "IExecutionContext.set_tensor_address does not take"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_found(text: str, told: str) -> None:
    assert any(told in one for one in check(text)), check(text)


def test_what_is_asked_for_first_may_be_missing() -> None:
    assert (
        check("def f(trt, config):\n if hasattr(trt.BuilderFlag, 'FP16'): config.set_flag(trt.BuilderFlag.FP16)") == []
    )
