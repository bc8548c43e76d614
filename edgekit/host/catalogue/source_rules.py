"""What must hold between the options of one source. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.recipe import Recipe
from edgekit.schema.source import RecipeSource, Roi, SyntheticSource


def source_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in a recipe's sources that no field shows alone."""
    for name, source in recipe.pipeline.sources.items():
        key = f"pipeline.sources.{name}"
        if source.roi is not None:
            yield from _roi(f"{key}.roi", source.roi, source)


def _roi(key: str, roi: Roi, source: RecipeSource) -> Iterator[Mistake]:
    for name in ("left_px", "top_px", "width_px", "height_px"):
        if (number := getattr(roi, name)) % 2:
            yield Mistake(f"{key}.{name}", f"expected an even number, found {number}")
    right, bottom = roi.left_px + roi.width_px, roi.top_px + roi.height_px
    if isinstance(source, SyntheticSource) and (right > source.width_px or bottom > source.height_px):
        whole = f"{source.width_px}x{source.height_px}"
        yield Mistake(key, f"expected a part of the picture, which is {whole}; this ends at {right},{bottom}")
