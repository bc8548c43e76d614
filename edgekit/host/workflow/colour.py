"""Finds out what wrong colours cost a recipe: its own pictures, converted wrong, through its own stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgekit.errors import InputError
from edgekit.host.cache_users import using
from edgekit.host.catalogue.recipes import RecipeFolder, read_recipe
from edgekit.host.engine.compile import find_pictures
from edgekit.host.golden.changes import changes, rounded
from edgekit.host.golden.colour_cost import ColourCost, PictureCost, picture_cost, whole_cost
from edgekit.host.golden.sheet import Tile, check_sheet_name, draw_sheet
from edgekit.host.golden.writing import write_new
from edgekit.host.own_folder import temporary_folder
from edgekit.host.rehearsal import Rehearsal, run_rehearsal
from edgekit.host.workflow.golden_frames import float_rehearsal
from edgekit.host.workflow.workstation import Workstation
from edgekit.imaging.mistakes import ColourMistake, mistakes_with
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.detection import Detection
from edgekit.schema.rehearsal import Grab, RehearsalReply
from edgekit.schema.source import DecodedOptions, Matrix, Range
from edgekit.schema.units import counted

_NEAR_PX = 20.0
"""What lies nearer to a detection of the right colours is the same thing; golden's tolerance where that is larger."""
_USUAL: tuple[Matrix, Range] = ("709", "limited")
"""Of cameras that are not asked here."""
Found = tuple[tuple[Detection, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourReport:
    """What was found."""

    recipe: str
    source: str
    """Whose colours are taken for others, and what they are, in words."""
    pictures: int
    detections: int
    """With the right colours."""
    stages: tuple[str, ...]
    """Those that the pictures passed."""
    costs: tuple[ColourCost, ...]
    sheet: Path
    """The picture with most changes, once for each mistake."""
    shown: str
    """Its name."""


def find_colour_costs(recipe: Path, most: int, sheet: Path | None, station: Workstation) -> ColourReport:
    """Let a recipe's pictures pass its stages, right and with every mistake.

    Args:
        recipe: its folder.
        most: how many pictures are taken at most.
        sheet: where the annotated picture goes; None: below `out/`.
        station: this machine.

    Raises:
        InputError: the recipe's code fails, or nothing is found in any picture.
        EngineError: a model cannot be run.
    """
    folder = read_recipe(recipe, unwritten=("golden.expected",))
    place = sheet or Path("out", f"{folder.recipe.name}-colour.png")
    check_sheet_name(place)
    with using(station.settings.cache_dir), temporary_folder("edgekit-colour-") as scratch:
        trial = _Trial(folder, Path(scratch), station)
        files, right = trial.right(most)
        colours, source = trial.stream
        mistakes = mistakes_with(*colours)
        wrong = trial.wrong(files, mistakes)
        near = max(_NEAR_PX, folder.recipe.golden.position_px if folder.recipe.golden else 0.0)
        costs = [[picture_cost(*both, near) for both in zip(right, found, strict=True)] for _, found in wrong]
        shown = _most_changed(costs)
        tiles = [Tile(caption=f"right: {source}", file=files[shown], found=right[shown])]
        for mistake, (made, found) in zip(mistakes, wrong, strict=True):
            now = rounded(found[shown])
            changed = changes(rounded(right[shown]), now, position_px=near, score=1.0)
            tiles.append(Tile(caption=mistake.words, file=made[shown], found=now, changes=changed))
        write_new(place, draw_sheet(tiles, place.suffix.lower()))
        return ColourReport(
            recipe=folder.recipe.name,
            source=source,
            pictures=len(files),
            detections=sum(map(len, right)),
            stages=trial.passed,
            costs=tuple(whole_cost(one.name, one.words, each) for one, each in zip(mistakes, costs, strict=True)),
            sheet=place,
            shown=files[shown].name,
        )


class _Trial:
    """One recipe's stages, and its pictures as they are and as they become."""

    def __init__(self, folder: RecipeFolder, scratch: Path, station: Workstation) -> None:
        self._folder, self._scratch, self._station = folder, scratch, station
        self._rehearsal: Rehearsal = float_rehearsal(folder, station)
        self._streams: RehearsalReply = RehearsalReply()
        self.passed: tuple[str, ...] = ()

    def right(self, most: int) -> tuple[tuple[Path, ...], Found]:
        """The pictures, and what is found in them. Raises InputError where that is nothing."""
        pictures = _pictures(self._folder, most)
        wanted = dataclasses.replace(self._rehearsal, pictures=pictures)
        if not pictures:
            grabbed = self._scratch / "right"
            grabbed.mkdir()
            wanted = dataclasses.replace(wanted, grab=Grab(folder=str(grabbed), count=most))
        reply = self._run(wanted, "the recipe's pictures")
        files = tuple(map(Path, reply.grabbed)) or pictures
        if not any(reply.pictures):
            raise InputError(
                f"nothing is found in {counted(len(files), 'picture')} by {', '.join(reply.passed) or 'no stage'}",
                hint="name pictures with something in them in golden.frames or a model's calibration",
            )
        self._streams, self.passed = reply, reply.passed
        return files, reply.pictures

    def wrong(
        self, files: Sequence[Path], mistakes: Sequence[ColourMistake]
    ) -> tuple[tuple[tuple[Path, ...], Found], ...]:
        """For each mistake the pictures as it makes them, and what is found in them."""
        made = [self._written(files, mistake) for mistake in mistakes]
        every = tuple(file for some in made for file in some)
        reply = self._run(dataclasses.replace(self._rehearsal, pictures=every), f"{len(mistakes)} mistakes")
        each = len(files)
        return tuple((some, reply.pictures[at * each : (at + 1) * each]) for at, some in enumerate(made))

    @property
    def stream(self) -> tuple[tuple[Matrix, Range], str]:
        """Matrix and range of the recipe's first source, and that in words."""
        name, source = next(iter(self._folder.recipe.pipeline.sources.items()))
        for one in self._streams.streams:
            if one.name == name and one.matrix is not None:
                return (one.matrix, one.range), f"{name} is BT.{one.matrix} {one.range}"
        matrix, range_ = _USUAL
        if isinstance(source, DecodedOptions):
            matrix, range_ = source.matrix or matrix, source.range or range_
            if source.matrix and source.range:
                return (matrix, range_), f"{name} is BT.{matrix} {range_}"
        return (matrix, range_), f"{name} does not say it here, taken as BT.{matrix} {range_}"

    def _run(self, rehearsal: Rehearsal, what: str) -> RehearsalReply:
        with self._station.progress.step(f"running the float model and the recipe's stages on {what}"):
            reply = run_rehearsal(rehearsal, self._station.sandbox)
        if reply.unjudged:
            raise InputError(
                f"what is found cannot be said on this machine: {reply.unjudged}",
                hint="let stages without state do without what only a board has, or give that one stateless = False",
            )
        return reply

    def _written(self, files: Sequence[Path], mistake: ColourMistake) -> tuple[Path, ...]:
        folder = self._scratch / mistake.name
        folder.mkdir()
        made = []
        for number, file in enumerate(files):
            rgb = np.asarray(cv2.cvtColor(read_picture_file(file).pixels, cv2.COLOR_BGR2RGB), np.uint8)
            place = folder / f"{number:04}-{file.stem}.png"
            cv2.imwrite(str(place), cv2.cvtColor(mistake.apply(rgb), cv2.COLOR_RGB2BGR))
            made.append(place)
        return tuple(made)


def _pictures(folder: RecipeFolder, most: int) -> tuple[Path, ...]:
    """Golden frames first, then calibration pictures, evenly spread; none where the recipe names none."""
    golden = [folder.file(frame) for frame in folder.recipe.golden.frames] if folder.recipe.golden else []
    named = [find_pictures(folder.folder, name, model) for name, model in folder.recipe.models.items()]
    others = [file for files in named for file in files if file not in golden]
    left = max(0, most - len(golden))
    spread = [others[len(others) * number // left] for number in range(left)] if len(others) > left else others
    return tuple(dict.fromkeys([*golden, *spread]))[:most]


def _most_changed(costs: Sequence[Sequence[PictureCost]]) -> int:
    """The picture in which most decisions change, over all mistakes."""
    sums = [sum(one.changed for one in picture) for picture in zip(*costs, strict=True)]
    return sums.index(max(sums))
