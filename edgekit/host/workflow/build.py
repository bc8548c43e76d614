"""Builds a signed release of a recipe for a target. A build whose every input is as it was does nothing."""

from __future__ import annotations

from pathlib import Path

from edgekit.host.cache_users import using
from edgekit.host.release.record import BuildRecord, Built, builds_folder
from edgekit.host.workflow.build_inputs import BuildOptions, inputs_of, outline_of
from edgekit.host.workflow.workstation import Workstation


def build_release(recipe: Path, target: str, options: BuildOptions, station: Workstation) -> Built:
    """Build a recipe for a target: Python packages, engines, plan, SBOM, signature. Twice gives the same digest.

    Args:
        recipe: its folder.
        target: a target's name.
        options: what the user chose.
        station: this machine.

    Raises:
        InputError: a mistake in recipe, target or options.
        TrustError: there is no key to sign with.
        WheelError: a package cannot be had or built.
        EngineError: an engine cannot be made, or finds other things than it must.
    """
    built = _same_again(recipe, target, options, station)
    if built is None:
        return _read_and_build(recipe, target, options, station)
    for note in built.notes:
        station.progress.note(note)
    return built


def _same_again(recipe: Path, target: str, options: BuildOptions, station: Workstation) -> Built | None:
    """The report of this very build, where every input is as it was and its release lies there, whole."""
    cache = station.settings.cache_dir
    if options.update_lock or not builds_folder(cache).is_dir():
        return None
    outline = outline_of(recipe, target, options, station.settings)
    if outline is None:
        return None
    with using(cache):
        return BuildRecord(inputs_of(outline, station.settings), outline.out, cache).find()


def _read_and_build(recipe: Path, target: str, options: BuildOptions, station: Workstation) -> Built:
    from edgekit.host.workflow.release_job import outline_of_job, read_job  # noqa: PLC0415  heavy, and seldom needed

    job = read_job(recipe, target, options, station.settings)
    cache = station.settings.cache_dir
    with using(cache):
        record = BuildRecord(inputs_of(outline_of_job(job, station), station.settings), job.out, cache)
        built = None if job.update_lock else record.find()
        if built is None:
            from edgekit.host.workflow.release import make_release  # noqa: PLC0415  heavy, and seldom needed

            built = make_release(job, station)
            record.save(built)
        else:
            for note in built.notes:
                station.progress.note(note)
    return built
