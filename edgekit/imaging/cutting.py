"""Parts of pictures."""

from __future__ import annotations

from dataclasses import replace

from edgekit.imaging.image import Image, RgbImage, Yuv420Image
from edgekit.schema.source import Roi


def cut(image: Image, roi: Roi) -> Image:
    """A part of a picture, as views of its memory. Its corner and size are even, as chroma is."""
    rows, columns = slice(roi.top_px, roi.top_px + roi.height_px), slice(roi.left_px, roi.left_px + roi.width_px)
    match image:
        case RgbImage():
            return replace(image, pixels=image.pixels[rows, columns])
        case Yuv420Image():
            half = slice(rows.start // 2, rows.stop // 2), slice(columns.start // 2, columns.stop // 2)
            return Yuv420Image(
                y=image.y[rows, columns],
                u=image.u[half],
                v=image.v[half],
                spec=replace(image.spec, width_px=roi.width_px, height_px=roi.height_px),
            )
