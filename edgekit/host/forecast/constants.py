"""Memory that a worker takes whatever its recipe, as measured: `.venv/bin/python tests/bench/memory_constants.py`.

All are of x86-64 with Python 3.11, FFmpeg 8 and glibc 2.36, medians of three workers of RTSP cameras in cgroups
of their own. On arm64 nothing was measured: the same libraries are built for it, of about the same size. What
`edgekit profile` measures on a board goes before all of these.
"""

from __future__ import annotations

from typing import Final

INTERPRETER_BYTES: Final = 13 << 20
"""Python with the worker's own modules, before numpy."""
LIBRARIES_BYTES: Final = 22 << 20
"""numpy, OpenCV, PyAV, prometheus_client, and a pipeline without cameras."""
RUNTIME_BYTES: Final = 6 << 20
"""ONNX Runtime beside them."""
KERNEL_BYTES: Final = 950 << 10
"""The kernel's own for a worker: page tables, stacks, sockets."""
CAMERA_BYTES: Final = 1580 << 10
"""Of a camera whatever its pictures: connection, demuxer, decoder, thread. A recording that is played takes as much."""
CAMERA_KERNEL_BYTES: Final = 40 << 10
DECODER_BYTES_A_PIXEL: Final = 5.85
"""Of a decoder with one reference picture, and one picture on its way."""
SURFACE_BYTES_A_PIXEL: Final = 2.05
"""Of one picture: 1.5 for 4:2:0, the rest for motion vectors and macroblock types. Source: FFmpeg,
libavcodec/h264_slice.c, `init_table_pools`: 16 vectors of 4 bytes in 2 lists for each of 256 pixels."""
STREAM_BITS_A_PIXEL: Final = 0.08
"""Of a camera's stream: about 4 Mbit/s at 1080p and 25 pictures a second, as network cameras are usually set."""
REFERENCES: Final = 4
"""Reference pictures of a camera that nobody has recorded. Source: ITU-T H.264 (2021), table A-1: 1080p at level 4."""
