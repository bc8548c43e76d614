"""A binding of librknnrt, the board's own runtime of Rockchip's NPU: its structures, its calls, its errors.

Nothing of the vendor's SDK is used. Source of names, layouts and numbers: "RKNN Runtime API reference" 2.3.2, the
tables of structures and of error codes. Runtimes since 1.3 expect the 376 bytes of `rknn_tensor_attr` that are here
(rockchip-linux/rknpu2#20).
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from edgekit.errors import Cause, EngineError, InputError

LIBRARIES = ("/usr/lib/librknnrt.so", "/usr/lib/aarch64-linux-gnu/librknnrt.so", "librknnrt.so")
CORES = (1, 2, 4)
"""Masks of RK3588's three NPU cores."""
QUERY_COUNTS, QUERY_INPUT, QUERY_OUTPUT, QUERY_VERSIONS, QUERY_MEMORY = 0, 1, 2, 5, 6
TYPE_FLOAT32, TYPE_UINT8 = 0, 3
FORMAT_NHWC = 1
SYNC_TO_DEVICE, SYNC_FROM_DEVICE = 1, 2
_PRIORITY_MEDIUM = 0x1
_LEAVE_PRIORITY_ALONE = 0x2000
"""Else the runtime sets the whole process to nice -19; priorities are the keeper's."""
_UPDATE = "install a librknnrt that is not older than the engine's toolkit, or build for the target with that version"
_FAILURES: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        -1: ("it failed", "see the kernel's log: dmesg | grep -i rknpu"),
        -2: ("the NPU did not answer in time", "see the kernel's log: dmesg | grep -i rknpu"),
        -3: (
            "the NPU is not available",
            "boot the vendor's kernel with its rknpu driver; mainline's does not serve it",
        ),
        -4: ("there is not enough memory", "raise limits.memory_max, or take a smaller model"),
        -5: ("an argument is refused", "build the release again"),
        -6: ("the engine is not valid for this runtime", _UPDATE),
        -7: ("its context is not valid", "report this"),
        -8: ("its input is not valid", "build the release again"),
        -9: ("its output is not valid", "build the release again"),
        -10: ("this is another kind of NPU", "build for this board: edgekit target probe"),
        -11: ("the engine is of an old kind", _UPDATE),
        -12: ("the engine is of another optimisation level", _UPDATE),
        -13: ("the engine is for another SoC", "build for this board: edgekit target probe"),
    }
)
_CAUSES: Mapping[int, Cause] = MappingProxyType(
    {
        **dict.fromkeys((-1, -2, -3), "accelerator"),
        -4: "out_of_memory",
        **dict.fromkeys((-6, -11, -12), "engine_version"),
        **dict.fromkeys((-10, -13), "wrong_board"),
    }
)


class Counts(c.Structure):
    """`rknn_input_output_num`."""

    _fields_ = (("inputs", c.c_uint32), ("outputs", c.c_uint32))


class Attributes(c.Structure):
    """`rknn_tensor_attr`."""

    _fields_ = (
        ("index", c.c_uint32),
        ("rank", c.c_uint32),
        ("sizes", c.c_uint32 * 16),
        ("raw_name", c.c_char * 256),
        ("elements", c.c_uint32),
        ("bytes", c.c_uint32),
        ("format", c.c_int),
        ("type", c.c_int),
        ("quantisation", c.c_int),
        ("fraction", c.c_int8),
        ("zero_point", c.c_int32),
        ("scale", c.c_float),
        ("row_stride", c.c_uint32),
        ("strided_bytes", c.c_uint32),
        ("pass_through", c.c_uint8),
        ("height_stride", c.c_uint32),
    )

    @property
    def name(self) -> str:
        """As the model has it."""
        return bytes(self.raw_name).decode(errors="replace")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes, as many as there are."""
        return tuple(self.sizes[: min(self.rank, 16)])


class InputRequest(c.Structure):
    """`rknn_input`."""

    _fields_ = (
        ("index", c.c_uint32),
        ("buffer", c.c_void_p),
        ("bytes", c.c_uint32),
        ("pass_through", c.c_uint8),
        ("type", c.c_int),
        ("format", c.c_int),
    )


class OutputRequest(c.Structure):
    """`rknn_output`."""

    _fields_ = (
        ("want_float", c.c_uint8),
        ("is_preallocated", c.c_uint8),
        ("index", c.c_uint32),
        ("buffer", c.c_void_p),
        ("bytes", c.c_uint32),
    )


class Versions(c.Structure):
    """`rknn_sdk_version`."""

    _fields_ = (("runtime", c.c_char * 256), ("driver", c.c_char * 256))


class MemorySize(c.Structure):
    """`rknn_mem_size`."""

    _fields_ = (
        ("weights", c.c_uint32),
        ("internal", c.c_uint32),
        ("dma", c.c_uint64),
        ("sram", c.c_uint32),
        ("sram_free", c.c_uint32),
        ("reserved", c.c_uint32 * 10),
    )


class TensorMemory(c.Structure):
    """`rknn_tensor_mem`."""

    _fields_ = (
        ("address", c.c_void_p),
        ("physical", c.c_uint64),
        ("descriptor", c.c_int32),
        ("offset", c.c_int32),
        ("bytes", c.c_uint32),
        ("flags", c.c_uint32),
        ("private", c.c_void_p),
    )


_Answer = TypeVar("_Answer", bound=c.Structure)
_U32, _CONTEXT, _P = c.c_uint32, c.c_uint64, c.c_void_p
_CALLS: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "rknn_init": (c.POINTER(_CONTEXT), c.c_char_p, _U32, _U32, _P),
        "rknn_dup_context": (c.POINTER(_CONTEXT), c.POINTER(_CONTEXT)),
        "rknn_destroy": (_CONTEXT,),
        "rknn_query": (_CONTEXT, c.c_int, _P, _U32),
        "rknn_set_core_mask": (_CONTEXT, c.c_int),
        "rknn_inputs_set": (_CONTEXT, _U32, c.POINTER(InputRequest)),
        "rknn_run": (_CONTEXT, _P),
        "rknn_outputs_get": (_CONTEXT, _U32, c.POINTER(OutputRequest), _P),
        "rknn_create_mem": (_CONTEXT, _U32),
        "rknn_destroy_mem": (_CONTEXT, c.POINTER(TensorMemory)),
        "rknn_set_io_mem": (_CONTEXT, c.POINTER(TensorMemory), c.POINTER(Attributes)),
        "rknn_mem_sync": (_CONTEXT, c.POINTER(TensorMemory), c.c_int),
    }
)


def open_library(candidates: Iterable[str] = LIBRARIES) -> Librknnrt:
    """Load the board's runtime.

    Raises:
        InputError: it is not there, or lacks a call.
    """
    tried = []
    for name in candidates:
        try:
            return Librknnrt(c.CDLL(name))
        except OSError as error:
            tried.append(str(error))
        except AttributeError as error:
            raise InputError(f"{name} is too old: {error}", hint=_UPDATE, cause="engine_version") from None
    raise InputError(
        f"librknnrt.so cannot be loaded: {tried[-1] if tried else 'no place to look'}",
        hint="install the board maker's package that has /usr/lib/librknnrt.so",
        cause="missing_library",
    )


class Librknnrt:
    """The loaded library. Its calls leave the interpreter's lock while they run."""

    def __init__(self, library: c.CDLL) -> None:
        self._calls = {name: getattr(library, name) for name in _CALLS}
        for name, call in self._calls.items():
            call.argtypes = _CALLS[name]
            call.restype = c.POINTER(TensorMemory) if name == "rknn_create_mem" else c.c_int

    def open(self, engine: Path) -> Context:
        """Load an engine file. The runtime reads it by itself, so that it is in memory once.

        Raises:
            EngineError: the runtime refuses it.
        """
        handle = _CONTEXT()
        flags = _PRIORITY_MEDIUM | _LEAVE_PRIORITY_ALONE
        self.call("rknn_init", c.byref(handle), str(engine).encode(), 0, flags, None)
        return Context(self, handle)

    def call(self, name: str, *arguments: object) -> None:
        """Call it. Raises EngineError unless the answer is 0."""
        code = self._calls[name](*arguments)
        if code:
            reason, hint = _FAILURES.get(code, ("it gave an unknown code", _UPDATE))
            raise EngineError(f"{name}: {reason} ({code})", hint=hint, cause=_CAUSES.get(code, ""))

    def create_memory(self, handle: c.c_uint64, size: int) -> Any:
        """A pointer to memory that the NPU sees, too. Raises EngineError."""
        found = self._calls["rknn_create_mem"](handle, size)
        if not found:
            raise EngineError(
                f"rknn_create_mem: there are no {size} bytes for the NPU", hint=_FAILURES[-4][1], cause="out_of_memory"
            )
        return found


class Context:
    """An engine that is loaded, or a further way to run the same one. One thread at a time may use it."""

    def __init__(self, runtime: Librknnrt, handle: c.c_uint64) -> None:
        self._runtime = runtime
        self._handle = handle
        self._open = True

    def duplicate(self) -> Context:
        """A context on the same weights. Close it before this one."""
        handle = _CONTEXT()
        self._runtime.call("rknn_dup_context", c.byref(self._handle), c.byref(handle))
        return Context(self._runtime, handle)

    def bind_core(self, mask: int) -> None:
        """Run on these NPU cores only."""
        self._runtime.call("rknn_set_core_mask", self._handle, mask)

    def inputs(self) -> tuple[Attributes, ...]:
        """Of every input."""
        return self._attributes(QUERY_INPUT, self._query(QUERY_COUNTS, Counts()).inputs)

    def outputs(self) -> tuple[Attributes, ...]:
        """Of every output."""
        return self._attributes(QUERY_OUTPUT, self._query(QUERY_COUNTS, Counts()).outputs)

    def versions(self) -> tuple[str, str]:
        """Of runtime and driver."""
        found = self._query(QUERY_VERSIONS, Versions())
        return found.runtime.decode(errors="replace"), found.driver.decode(errors="replace")

    def memory_bytes(self) -> tuple[int, int]:
        """That the weights take, and the tensors between layers."""
        found = self._query(QUERY_MEMORY, MemorySize())
        return found.weights, found.internal

    def run(self, inputs: c.Array[InputRequest]) -> None:
        """Hand over inputs and run; their buffers are free again afterwards."""
        self._runtime.call("rknn_inputs_set", self._handle, len(inputs), inputs)
        self._runtime.call("rknn_run", self._handle, None)

    def run_bound(self) -> None:
        """Run on the memory that was bound."""
        self._runtime.call("rknn_run", self._handle, None)

    def fetch(self, outputs: c.Array[OutputRequest]) -> None:
        """Copy outputs into buffers of the caller's."""
        self._runtime.call("rknn_outputs_get", self._handle, len(outputs), outputs, None)

    def create_memory(self, size: int) -> BoundMemory:
        """Memory that the NPU sees, too: an input is read from it, or an output written to it, once it is bound.

        Raises:
            EngineError: there is none.
        """
        return BoundMemory(self._runtime, self._handle, self._runtime.create_memory(self._handle, size))

    def close(self) -> None:
        """Free it. May be called twice."""
        if self._open:
            self._open = False
            self._runtime.call("rknn_destroy", self._handle)

    def _attributes(self, command: int, count: int) -> tuple[Attributes, ...]:
        return tuple(self._query(command, Attributes(index=index)) for index in range(count))

    def _query(self, command: int, answer: _Answer) -> _Answer:
        self._runtime.call("rknn_query", self._handle, command, c.byref(answer), c.sizeof(answer))
        return answer


class BoundMemory:
    """Memory of a context that is shared with the NPU. Close it before the context."""

    def __init__(self, runtime: Librknnrt, handle: c.c_uint64, pointer: Any) -> None:
        self._runtime, self._handle, self._pointer = runtime, handle, pointer

    @property
    def content(self) -> memoryview:
        """For `numpy.frombuffer`; valid until `close`."""
        memory = self._pointer.contents
        return memoryview((c.c_uint8 * memory.bytes).from_address(memory.address)).cast("B")

    @property
    def descriptor(self) -> int:
        """Its dma-buf, by which other hardware reaches it; the memory begins where that does."""
        return int(self._pointer.contents.descriptor)

    def bind(self, attributes: Attributes) -> None:
        """Read this input from here from now on, or write this output to here."""
        self._runtime.call("rknn_set_io_mem", self._handle, self._pointer, c.byref(attributes))

    def sync(self, direction: int) -> None:
        """Make one side's writes seen by the other: `SYNC_TO_DEVICE`, `SYNC_FROM_DEVICE`."""
        self._runtime.call("rknn_mem_sync", self._handle, self._pointer, direction)

    def close(self) -> None:
        """Free it. May be called twice."""
        if self._pointer is not None:
            pointer, self._pointer = self._pointer, None
            self._runtime.call("rknn_destroy_mem", self._handle, pointer)
