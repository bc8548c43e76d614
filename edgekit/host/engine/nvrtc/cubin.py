"""What a compiled CUDA program says of itself: an ELF file.

    .text.NAME    the code of a kernel
    .nv.info      u8 format, u8 attribute, u16 size, then its value: attribute 0x2f is u32 symbol, u32 registers

Source: measured on NVRTC 12.6 and 13.2; CUDA Binary Utilities, "cuobjdump --dump-resource-usage".
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from edgekit.errors import EngineError
from edgekit.host.engine.files.gpu_code import find_gpu_code

_REGISTERS, _SIZED = 0x2F, 0x04
_HINT = "report this"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cubin:
    """A program for one GPU."""

    sm: str
    """Its compute capability: `8.7`."""
    kernels: dict[str, int]
    """Registers of a thread, by the kernel's name."""


def read_cubin(data: bytes) -> Cubin:
    """Read a program back.

    Raises:
        EngineError: it is none.
    """
    code = find_gpu_code(data)
    if len(code) != 1 or code[0].portable:
        raise EngineError("what NVRTC made is no program for one GPU", hint=_HINT)
    try:
        file = ELFFile(io.BytesIO(data))
        table = file.get_section_by_name(".symtab")
        if not isinstance(table, SymbolTableSection):
            raise EngineError("what NVRTC made has no symbols", hint=_HINT)
        names = [section.name.removeprefix(".text.") for section in file.iter_sections() if _is_code(section.name)]
        info = file.get_section_by_name(".nv.info")
        registers = {table.get_symbol(at).name: count for at, count in _registers(info.data() if info else b"")}
    except (ELFError, struct.error, UnicodeDecodeError) as error:
        raise EngineError(f"what NVRTC made cannot be read: {error}", hint=_HINT) from None
    return Cubin(sm=str(code[0]), kernels={name: registers.get(name, 0) for name in sorted(names)})


def _is_code(section: str) -> bool:
    return section.startswith(".text.")


def _registers(info: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at + 4 <= len(info):
        form, attribute, size = struct.unpack_from("<BBH", info, at)
        at += 4
        if form != _SIZED:  # the value is the size's two bytes
            continue
        if attribute == _REGISTERS:
            yield struct.unpack_from("<II", info, at)
        at += size
