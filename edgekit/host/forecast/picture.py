"""A picture of lanes over time, as SVG: a row for each thread, a bar for each frame that it works on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from edgekit.schema.forecast import Span

_ROW_PX, _BAR_PX, _LABEL_PX, _WIDTH_PX, _HEAD_PX = 22, 16, 170, 1100, 46
_COLOURS = ("#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5")
_TICKS = 10


def draw_lanes(spans: Sequence[Span], title: str) -> str:
    """Draw what threads do; a stream has one colour in all rows.

    Args:
        spans: at least one.
        title: of the picture.
    """
    threads = list(dict.fromkeys(sorted((span.thread for span in spans), key=_place)))
    streams = list(dict.fromkeys(sorted(span.stream for span in spans)))
    begin_ms, end_ms = min(span.begin_ms for span in spans), max(span.end_ms for span in spans)
    scale = (_WIDTH_PX - _LABEL_PX - 10) / max(end_ms - begin_ms, 1e-6)
    height = _HEAD_PX + _ROW_PX * len(threads) + 30
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH_PX}" height="{height}" font-family="sans-serif" '
        'font-size="12">',
        f'<rect width="{_WIDTH_PX}" height="{height}" fill="white"/>',
        f'<text x="8" y="18" font-size="14">{escape(title)}</text>',
    ]
    lines += _legend(streams)
    lines += _ticks(end_ms - begin_ms, scale, _HEAD_PX + _ROW_PX * len(threads))
    for row, thread in enumerate(threads):
        lines.append(f'<text x="8" y="{_HEAD_PX + row * _ROW_PX + 13}">{escape(thread)}</text>')
    for span in spans:
        x = _LABEL_PX + (span.begin_ms - begin_ms) * scale
        width = max((span.end_ms - span.begin_ms) * scale, 0.5)
        y = _HEAD_PX + threads.index(span.thread) * _ROW_PX
        about = f"{span.stream}: {span.end_ms - span.begin_ms:.2f} ms"
        lines.append(
            f'<rect x="{x:.2f}" y="{y}" width="{width:.2f}" height="{_BAR_PX}" '
            f'fill="{_colour(streams, span.stream)}"><title>{escape(about)}</title></rect>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def _place(thread: str) -> tuple[bool, str]:
    """Decoding comes first."""
    return "/" not in thread, thread


def _colour(streams: Sequence[str], stream: str) -> str:
    return _COLOURS[streams.index(stream) % len(_COLOURS)]


def _legend(streams: Sequence[str]) -> list[str]:
    lines = []
    for number, stream in enumerate(streams[: len(_COLOURS)]):
        x = _LABEL_PX + number * 110
        lines.append(f'<rect x="{x}" y="26" width="10" height="10" fill="{_colour(streams, stream)}"/>')
        lines.append(f'<text x="{x + 14}" y="35">{escape(stream)}</text>')
    return lines


def _ticks(length_ms: float, scale: float, bottom: int) -> list[str]:
    lines = []
    for number in range(_TICKS + 1):
        x = _LABEL_PX + length_ms * scale * number / _TICKS
        lines.append(f'<line x1="{x:.1f}" y1="{_HEAD_PX - 4}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        lines.append(
            f'<text x="{x - 10:.1f}" y="{bottom + 16}" fill="#555">{length_ms * number / _TICKS:.0f} ms</text>'
        )
    return lines
