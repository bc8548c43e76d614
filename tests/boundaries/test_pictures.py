"""No lane stands still for another one's picture: what copies pixels lets go of the interpreter's lock.

`np.copyto`, `ndarray.copy`, `cv2` and `os.pwrite` do. `.tobytes()`, `bytes(view)` and `view[a:b] = data` of a
memoryview or a mapping do not: a counting thread beside them kept half of its rate.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import edgekit

DEVICE = Path(edgekit.__file__).parent / "device"
FILES = sorted(file for room in ("runtime", "runner") for file in (DEVICE / room).rglob("*.py"))
SMALL = {
    "runner/cuda_picture.py: job.colours[:] = plan.colours",
    "runner/cuda_picture.py: bars[channel].tobytes()",
    "runtime/sinks/clip_file.py: packet.data.tobytes()",
    "runtime/sources/packets.py: bytes([_LENGTH_PREFIXED])",
    "runner/librknnrt.py: bytes(self.raw_name)",
    "runtime/sources/connection.py: bytes(packet.get_sidedata(_PRFT))",
    "runtime/sinks/preview/painter.py: data.tobytes()",
    "runtime/sources/gstreamer.py: bytes([slot])",
    "runtime/server/tensors.py: bytes(head)",
    "runtime/server/service.py: body[end:end + len(piece)] = piece",
    "runtime/server/service.py: bytes(piece)",
    "runtime/server/service.py: bytes(body[-1])",
}
"""Known not to be pictures: names, what is encoded, what comes by HTTP in pieces of 64 KiB, and a model's answer, which
the HTTP library copies once more itself."""


def held(source: str) -> list[str]:
    """Calls and assignments that copy with the lock held, as they stand there."""
    return [ast.unparse(node) for node in ast.walk(ast.parse(source)) if _copies(node)]


def _copies(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="tobytes" | "tostring")):
            return True
        case ast.Call(func=ast.Name(id="bytes" | "bytearray"), args=[given, *_]):
            return not isinstance(given, ast.Constant)
        case ast.Assign(targets=[ast.Subscript(value=ast.Name() | ast.Attribute(), slice=ast.Slice())], value=value):
            return not isinstance(value, ast.List)
    return False


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("shared.buf[:] = frame.data", 1),
        ("memory[begin : begin + size] = data", 1),
        ("sign = crc32(grid.tobytes())", 1),
        ("data = bytes(memoryview(picture))", 1),
        ("tensor[0, :, 2:5] = picture", 0),
        ("np.copyto(plane, other)", 0),
        ("b = bytes(16)", 0),
        ("sys.path[:0] = [folder]", 0),
    ],
)
def test_such_a_line_would_be_seen(line: str, count: int) -> None:
    assert len(held(line)) == count


def test_no_picture_is_copied_with_the_lock_held() -> None:
    found = {f"{file.relative_to(DEVICE).as_posix()}: {line}" for file in FILES for line in held(file.read_text())}
    assert found - SMALL == set(), "copy pictures with np.copyto, or os.pwrite; name what is small in SMALL"
    assert SMALL - found == set(), "it is gone: take it out of SMALL"
