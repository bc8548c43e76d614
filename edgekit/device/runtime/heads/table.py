"""The heads by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgekit.device.runtime.heads.lists import end2end, nanodet, rtdetr, yolov5, yolov8, yolox
from edgekit.device.runtime.heads.maps import split_maps, yolov5_maps, yolox_maps
from edgekit.device.runtime.heads.pairs import boxes_scores, detr, listed, ssd
from edgekit.device.runtime.heads.setup import Head

HEADS: Mapping[str, Head] = MappingProxyType(
    {
        "yolov8": yolov8,
        "yolov5": yolov5,
        "yolov5_maps": yolov5_maps,
        "yolox": yolox,
        "yolox_maps": yolox_maps,
        "split_maps": split_maps,
        "nanodet": nanodet,
        "end2end": end2end,
        "rtdetr": rtdetr,
        "detr": detr,
        "listed": listed,
        "boxes_scores": boxes_scores,
        "ssd": ssd,
    }
)
FINISHED = frozenset({"end2end", "rtdetr", "detr", "listed"})
"""Those that give no two boxes of one thing: nothing is suppressed."""
