"""Lanes over time as SVG: a row for each thread, a bar for each frame, a colour for each stream."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from edgekit.host.forecast.picture import draw_lanes
from edgekit.schema.forecast import Span

SPANS = (
    Span(thread="detect", stream="north", begin_ms=1005.0, end_ms=1015.0),
    Span(thread="decode/north", stream="north", begin_ms=1000.0, end_ms=1004.0),
    Span(thread="detect", stream="south <b>", begin_ms=1015.0, end_ms=1025.0),
)


def test_it_is_xml_with_a_row_for_each_thread_and_a_bar_for_each_frame() -> None:
    tree = ET.fromstring(draw_lanes(SPANS, "two & more"))
    texts = [element.text for element in tree.iter() if element.tag.endswith("text")]
    assert texts[0] == "two & more" and texts.index("decode/north") < texts.index("detect")
    assert "south <b>" in texts and "25 ms" in texts
    bars = [element for element in tree.iter() if element.tag.endswith("rect") and len(element)]
    assert len(bars) == 3 and bars[0][0].text == "north: 10.00 ms"
    rows = {bar.get("y") for bar in bars}
    assert len(rows) == 2 and bars[0].get("fill") == bars[1].get("fill") != bars[2].get("fill")
    assert float(bars[2].get("x", 0)) > float(bars[0].get("x", 0)) > float(bars[1].get("x", 0))


def test_a_moment_alone_can_be_drawn() -> None:
    ET.fromstring(draw_lanes((Span(thread="a", stream="b", begin_ms=1.0, end_ms=1.0),), "one"))
