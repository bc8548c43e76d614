"""A TensorRT of a recorded version: it has what that version has and nothing else, and takes what that one takes.

Underneath ONNX Runtime does the work, on memory that `tests.fakes.pycuda` hands out. A plan is a header of the
documented layout with the ONNX file behind it.
"""

from __future__ import annotations

import ctypes
import enum
import json
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort

from tests.fakes.pycuda import Driver
from tests.fakes.recorded_api import Api

FREE_FORM = ("ILogger", "IGpuAllocator", "IProgressMonitor")
"""Classes that users derive from."""
_ENUMS = (
    "BuilderFlag", "NetworkDefinitionCreationFlag", "MemoryPoolType", "DataType", "DeviceType", "TensorIOMode",
)  # fmt: skip
DTYPES = {np.dtype(np.float32): "FLOAT", np.dtype(np.float16): "HALF", np.dtype(np.int32): "INT32"}


class Strict:
    """Has only recorded members; every call is checked against the recorded signatures."""

    _api: Api
    _cls: str

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        run = self._api.member(self._cls, name)
        if run is None:
            raise AttributeError(f"{self._cls} of TensorRT {self._api.version} has no {name}")
        if run.get("attr", "").startswith("wo"):
            raise AttributeError(f"{self._cls}.{name} cannot be read")
        found = object.__getattribute__(self, name)
        return _checked(self._api, self._cls, name, found) if "sig" in run else found

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            run = self._api.member(self._cls, name)
            if run is None or run.get("attr", "")[:2] not in ("rw", "wo"):
                raise AttributeError(f"{self._cls}.{name} of TensorRT {self._api.version} cannot be set")
        object.__setattr__(self, name, value)


def _checked(api: Api, cls: str, name: str, call: Any) -> Any:
    def checked(*args: Any, **keywords: Any) -> Any:
        signatures = api.signatures(cls, name)
        if not any(one.takes(len(args), frozenset(keywords)) for one in signatures):
            raise TypeError(f"{cls}.{name} of TensorRT {api.version} does not take {args} {keywords}")
        return call(*args, **keywords)

    return checked


class HostMemory(bytes):
    """IHostMemory."""

    nbytes = property(len)


class Trt:
    """The module. `fails` names calls that fail as TensorRT fails: None, False or -1."""

    def __init__(self, version: str, cuda: Driver, *, dla_cores: int = 0) -> None:
        self._made = SimpleNamespace(
            api=Api(version), cuda=cuda, fails=set(), dla_cores=dla_cores, alive=[], log=lambda *_: None
        )
        self.__version__ = version
        for name in _ENUMS:
            setattr(self, name, enum.IntEnum(name, self._made.api.enum(name)))  # type: ignore[misc]
        severity = enum.IntEnum("Severity", self._made.api.enum("ILogger.Severity"))  # type: ignore[misc]
        self.ILogger = type("ILogger", (), {"Severity": severity})
        self.IGpuAllocator = type("IGpuAllocator", (), {})
        if self._made.api.class_is_there("IProgressMonitor"):
            self.IProgressMonitor = type("IProgressMonitor", (), {})
        for cls in (Builder, OnnxParser, Runtime):
            setattr(self, cls.__name__, self._class(cls))

    @property
    def fails(self) -> set[str]:
        return self._made.fails

    @property
    def alive(self) -> list[str]:
        """Engines, contexts and runtimes that nobody let go of."""
        return self._made.alive

    def nptype(self, trt_type: Any) -> type:
        return {"FLOAT": np.float32, "HALF": np.float16, "INT32": np.int32}[trt_type.name]

    def _class(self, cls: type) -> Any:
        api = self._made.api
        bound = type(cls.__name__, (cls,), {"_api": api, "_cls": cls.__name__, "_trt": self})

        def make(*args: Any, **keywords: Any) -> Any:
            signatures = api.signatures(cls.__name__, "__init__")
            if signatures and not any(one.takes(len(args), frozenset(keywords)) for one in signatures):
                raise TypeError(f"{cls.__name__} of TensorRT {api.version} does not take {args}")
            return bound(*args, **keywords)

        return make

    def _new(self, cls: type, *args: Any) -> Any:
        return type(cls.__name__, (cls,), {"_api": self._made.api, "_cls": cls.__name__, "_trt": self})(*args)

    def _fail(self, call: str, said: str) -> bool:
        if call in self._made.fails:
            self._made.log(self.ILogger.Severity.ERROR, said)
            return True
        return False


def _only(value: Any, kind: Any) -> None:
    assert type(value) is kind, f"{value!r} is no {kind.__name__}"


class Builder(Strict):
    def __init__(self, logger: Any) -> None:
        if "Builder" in self._trt.fails:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._trt._made.log = logger.log
        object.__setattr__(self, "num_DLA_cores", self._trt._made.dla_cores)
        self._allocator = None

    def create_network(self, flags: int = 0) -> Any:
        explicit = self._api.enum("NetworkDefinitionCreationFlag").get("EXPLICIT_BATCH")
        if self._api.version.startswith("8.") and not flags & (1 << explicit):
            raise AssertionError("8.x takes ONNX with explicit batches alone")
        return self._trt._new(INetworkDefinition)

    def create_builder_config(self) -> Any:
        return self._trt._new(IBuilderConfig)

    def create_optimization_profile(self) -> Any:
        return self._trt._new(IOptimizationProfile)

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        if self._trt._fail("build_serialized_network", "Could not find any implementation for node {ForeignNode[a]}."):
            return None
        allocator = self.__dict__.get("gpu_allocator")
        if allocator is not None:
            with ThreadPoolExecutor(1) as own:  # TensorRT allocates from threads of its own
                taken = list(own.map(lambda size: allocator.allocate(size, 256, 0), (1 << 20, 3 << 20)))
            assert allocator.allocate(0, 256, 0) == 0
            assert all(allocator.deallocate(address) for address in taken)
        monitor = config.__dict__.get("progress_monitor")
        if monitor is not None:
            monitor.phase_start("Building engine", None, 2)
            monitor.phase_start("Timing", "Building engine", 900)
            assert monitor.step_complete("Timing", 3)
            assert monitor.step_complete("Building engine", 0)
            monitor.phase_finish("Timing")
            monitor.phase_finish("Building engine")
        if any(-1 in network._shape(i) for i in range(network.num_inputs)) and not config._profiles:
            said = "Network has dynamic or shape inputs, but no optimization profile has been defined."
            self._trt._made.log(self._trt.ILogger.Severity.ERROR, said)
            return None
        self._trt._made.log(self._trt.ILogger.Severity.WARNING, "a warning of the builder")
        if config._cache is not None:
            config._cache._content += b"timed;"
        facts = {"flags": sorted(flag.name for flag in config._flags), "pools": config._pools, "dla": config.DLA_core}
        return HostMemory(_plan(self._api.version, network._model, {**facts, "profiles": config._profiles}))


def _plan(version: str, model: bytes, facts: dict[str, Any]) -> bytes:
    """Source: edgekit/host/engine/files/plan_file.py."""
    numbers = [int(part) for part in ([*version.split("."), "0", "0", "0"])[:4]]
    told = json.dumps(facts).encode()
    body = struct.pack("<I", len(told)) + told + model
    head = b"ftrt" + struct.pack("<IIIQ", 0, 2, 0, 64 + len(body)) + bytes(number & 0xFF for number in numbers)
    return head.ljust(64, b"\0") + body


def facts_of(plan: bytes) -> dict[str, Any]:
    """What a fake plan was built with."""
    (length,) = struct.unpack_from("<I", plan, 64)
    return json.loads(plan[68 : 68 + length])


class INetworkDefinition(Strict):
    def __init__(self) -> None:
        self._model = b""
        self._proto: Any = None

    def _read(self, model: bytes) -> None:
        self._model, self._proto = model, onnx.load_model_from_string(model)
        weights = {tensor.name for tensor in self._proto.graph.initializer}
        self._inputs = [value for value in self._proto.graph.input if value.name not in weights]
        object.__setattr__(self, "num_inputs", len(self._inputs))
        object.__setattr__(self, "num_outputs", len(self._proto.graph.output))

    def _shape(self, index: int) -> tuple[int, ...]:
        return tuple(size.dim_value or -1 for size in self._inputs[index].type.tensor_type.shape.dim)

    def get_input(self, index: int) -> Any:
        return self._trt._new(ITensor, self._inputs[index].name, self._shape(index))


class ITensor(Strict):
    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "shape", shape)


class OnnxParser(Strict):
    def __init__(self, network: Any, logger: Any) -> None:
        self._network, self._errors = network, []
        object.__setattr__(self, "num_errors", 0)

    def parse_from_file(self, model: str) -> bool:
        try:
            self._network._read(Path(model).read_bytes())
        except Exception:
            self._errors = [self._trt._new(ParserError, "Failed to parse the ONNX model.", -1, "", "")]
        else:
            for index, node in enumerate(self._network._proto.graph.node):
                if not onnx.defs.has(node.op_type):
                    said = "Plugin not found, are the plugin name, version, and namespace correct?"
                    self._errors.append(self._trt._new(ParserError, said, index, node.name, node.op_type))
        object.__setattr__(self, "num_errors", len(self._errors))
        return not self._errors

    def get_error(self, index: int) -> Any:
        return self._errors[index]


class ParserError(Strict):
    def __init__(self, said: str, index: int, name: str, operator: str) -> None:
        self._said, self._index, self._name, self._operator = said, index, name, operator

    def desc(self) -> str:
        return self._said

    def node(self) -> int:
        return self._index

    def node_name(self) -> str:
        return self._name

    def node_operator(self) -> str:
        return self._operator

    def code(self) -> str:
        return "ErrorCode.INVALID_NODE"


class IBuilderConfig(Strict):
    def __init__(self) -> None:
        self._flags: set[Any] = set()
        self._pools: dict[str, int] = {}
        self._profiles: list[Any] = []
        self._cache: Any = None
        self._core = -1
        object.__setattr__(self, "progress_monitor", None)
        object.__setattr__(self, "avg_timing_iterations", 1)
        object.__setattr__(self, "builder_optimization_level", 3)

    @property
    def DLA_core(self) -> int:
        return self._core

    @DLA_core.setter
    def DLA_core(self, core: int) -> None:
        if core < self._trt._made.dla_cores:
            self._core = core

    default_device_type = property(lambda self: self._kind, lambda self, kind: _only(kind, self._trt.DeviceType))

    def set_flag(self, flag: Any) -> None:
        _only(flag, self._trt.BuilderFlag)
        self._flags.add(flag)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        _only(pool, self._trt.MemoryPoolType)
        self._pools[pool.name] = pool_size

    def add_optimization_profile(self, profile: Any) -> int:
        if self._trt._fail("add_optimization_profile", "Invalid optimization profiles"):
            return -1
        self._profiles.append(profile._shapes)
        return len(self._profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: Any) -> Any:
        return self._trt._new(ITimingCache, bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch, "a foreign cache may give wrong results"
        if cache._content.startswith(b"foreign"):
            return False
        self._cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return self._cache


class IOptimizationProfile(Strict):
    def __init__(self) -> None:
        self._shapes: dict[str, Any] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self._shapes[input] = [list(min), list(opt), list(max)]


class ITimingCache(Strict):
    def __init__(self, content: bytes) -> None:
        self._content = content

    def serialize(self) -> Any:
        return HostMemory(self._content)


class Runtime(Strict):
    def __init__(self, logger: Any) -> None:
        if "Runtime" in self._trt.fails:
            raise TypeError("pybind11::init(): factory function returned nullptr")
        self._trt._made.log = logger.log
        self._trt.alive.append("runtime")
        object.__setattr__(self, "DLA_core", -1)

    def __del__(self) -> None:
        if "runtime" in self._trt.alive:
            self._trt.alive.remove("runtime")

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
        self._trt._made.cuda.require_current()
        data, error = bytes(serialized_engine), self._trt.ILogger.Severity.ERROR
        if data[:4] != b"ftrt":
            self._trt._made.log(error, "Serialization assertion header.magicTag == kEXPECTED_MAGIC_TAG failed.")
            return None
        mine = [int(part) & 0xFF for part in ([*self._api.version.split("."), "0", "0", "0"])[:4]]
        if list(data[24:28]) != mine:
            said = "The engine plan file is not compatible with this version of TensorRT, expecting library version"
            self._trt._made.log(error, f"{said} {self._api.version} got another one.")
            return None
        return self._trt._new(ICudaEngine, data, self)


class ICudaEngine(Strict):
    """It keeps its runtime alive, and a context keeps it, as in the real bindings (pybind11's keep_alive)."""

    def __init__(self, plan: bytes, runtime: Any) -> None:
        self._runtime = runtime
        (length,) = struct.unpack_from("<I", plan, 64)
        model = plan[68 + length :]
        options = ort.SessionOptions()
        options.log_severity_level = 3
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._given = {value.name: value for value in self._session.get_inputs()}
        self._made = {value.name: value for value in self._session.get_outputs()}
        self._names = [*self._made, *self._given]
        object.__setattr__(self, "num_io_tensors", len(self._names))
        object.__setattr__(self, "device_memory_size", 4096)
        object.__setattr__(self, "device_memory_size_v2", 8192)
        self._trt.alive.append("engine")

    def __del__(self) -> None:
        if "engine" in self._trt.alive:
            assert "runtime" in self._trt.alive, "the runtime went before its engine"
            self._trt.alive.remove("engine")

    def get_tensor_name(self, index: int) -> str:
        return self._names[index]

    def get_tensor_mode(self, name: str) -> Any:
        return self._trt.TensorIOMode.INPUT if name in self._given else self._trt.TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        kind = {**self._given, **self._made}[name].type
        return self._trt.DataType["HALF" if "float16" in kind else "INT32" if "int" in kind else "FLOAT"]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return tuple(size if isinstance(size, int) else -1 for size in {**self._given, **self._made}[name].shape)

    def create_execution_context(self, strategy: Any = None) -> Any:
        self._trt._made.cuda.require_current()
        if self._trt._fail("create_execution_context", "cudaError 2: out of memory"):
            return None
        return self._trt._new(IExecutionContext, self)


class IExecutionContext(Strict):
    def __init__(self, engine: Any) -> None:
        self._engine, self._shapes, self._addresses = engine, {}, {}
        self._trt.alive.append("context")

    def __del__(self) -> None:
        if "context" in self._trt.alive:
            assert "engine" in self._trt.alive, "the engine went before its context"
            self._trt.alive.remove("context")

    def set_input_shape(self, name: str, shape: Any) -> bool:
        if self._trt._fail("set_input_shape", "API Usage Error (Parameter check failed)"):
            return False
        self._shapes[name] = tuple(shape)
        return True

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        shape = self._shapes.get(name) or self._engine.get_tensor_shape(name)
        given = next(iter(self._shapes.values()), ())
        return tuple(given[i] if size < 0 and i == 0 and given else size for i, size in enumerate(shape))

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        cuda = self._trt._made.cuda
        cuda.require_current()
        cuda.require_stream(stream_handle)
        if self._trt._fail("execute_async_v3", "IExecutionContext::enqueueV3: Error Code 1: Cuda Runtime"):
            return False
        feeds = {name: self._array(name) for name in self._engine._given}
        names = list(self._engine._made)
        for name, value in zip(names, self._engine._session.run(names, feeds), strict=True):
            np.copyto(self._array(name), value)
        cuda.launched += 1
        return True

    def _array(self, name: str) -> Any:
        shape = self.get_tensor_shape(name)
        dtype = np.dtype(self._trt.nptype(self._engine.get_tensor_dtype(name)))
        count = int(np.prod(shape, dtype=int)) * dtype.itemsize
        address = self._addresses[name]
        self._trt._made.cuda.require_memory(address, count)
        return np.frombuffer((ctypes.c_char * count).from_address(address), dtype).reshape(shape)
