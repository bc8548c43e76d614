"""`edgekit init`: a recipe that works, to change piece by piece; or one for a model of the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of, workstation_of
from edgekit.cli.verbs import examples
from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.draft import DraftedRecipe


@examples(
    "edgekit init my-line",
    "edgekit init my-line --in ~/recipes",
    "edgekit init gate --from best.onnx --pictures samples --camera rtsp://viewer@10.0.0.5/stream1 --mqtt 10.0.0.2",
    "edgekit init gate --from best.onnx --set order=BGR --set pixels=0..255 --set fit=stretch --labels classes.txt",
)
def init(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="The new recipe's name: lower-case letters, digits and dashes.")],
    model: Annotated[
        Path | None, typer.Option("--from", help="An ONNX model: its own file tells shapes, classes and exporter.")
    ] = None,
    answers: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="KEY=VALUE for what the model's file does not say: size, layout, order, pixels, fit, bars, "
            "align, head, activation, labels, precision, threshold. Repeatable.",
        ),
    ] = None,
    labels: Annotated[str, typer.Option(help="File with the classes' names, one a line.")] = "",
    pictures: Annotated[
        Path | None, typer.Option(help="Folder with pictures of the cameras: for int8's ranges and golden frames.")
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="[NAME=]rtsp://[USER@]HOST/PATH; the address goes to fleet.toml. Repeatable."),
    ] = None,
    mqtt: Annotated[str, typer.Option(help="[USER@]HOST[:PORT] of the broker that gets events and counts.")] = "",
    folder: Annotated[Path, typer.Option("--in", help="Folder to make it in.")] = Path("recipes"),
    as_json: JsonFlag = False,
) -> None:
    """Write a recipe that works: the shipped one under a new name, or one for a model of your own (--from)."""
    out = output_for(as_json)
    if model is None:
        _check_alone(answers, labels, pictures, camera, mqtt)
        _copy(ctx, name, folder, out)
        return
    from edgekit.cli.questions import Person
    from edgekit.host.workflow.draft import DraftWords, draft_request, look_into_model, write_draft

    station = workstation_of(ctx, out)
    told = [*(answers or ()), *([f"labels={labels}"] if labels else [])]
    words = DraftWords(name=name, parent=folder, answers=told, pictures=pictures, cameras=camera or (), broker=mqtt)
    request = draft_request(words)
    if any(end.password for end in (*request.cameras, *([request.broker] if request.broker else []))):
        out.note("a password stood in the command line, which shells remember: leave it out, and it is asked for")
    looked = look_into_model(model, station)
    if (person := Person.at_terminal(as_json=as_json)) is not None:
        request = person.complete(looked, request)
    done = write_draft(looked, request)
    out.result(_facts(done), "\n".join(_words(done)))


def _copy(ctx: typer.Context, name: str, folder: Path, out: Output) -> None:
    from edgekit.host.catalogue.template import write_recipe

    path = write_recipe(settings_of(ctx).data_dir / "recipes" / "sorting-line", name, folder)
    out.result({"name": name, "path": str(path)}, f"{path}/recipe.toml\nnext: edgekit build {path} --target host")


def _check_alone(
    answers: list[str] | None, labels: str, pictures: Path | None, camera: list[str] | None, mqtt: str
) -> None:
    given = {"--set": answers, "--labels": labels, "--pictures": pictures, "--camera": camera, "--mqtt": mqtt}
    odd = [option for option, value in given.items() if value]
    if odd:
        raise InputError(f"{odd[0]} is for a recipe of your own model", hint="add --from MODEL.onnx")


def _facts(done: DraftedRecipe) -> dict[str, object]:
    settings = done.settings
    return {
        "name": done.name,
        "path": str(done.path),
        "known": done.known,
        "copied": done.copied,
        "fleet_file": str(done.fleet_file) if settings.written else "",
        "add_to_fleet": "" if settings.written else settings.section,
        "fleet_lacks": settings.later,
        "secrets_to_write": [str(file) for file in settings.missing],
        "next": _next(done),
    }


def _words(done: DraftedRecipe) -> list[str]:
    settings = done.settings
    lines = [f"{done.path}/recipe.toml", *(f"  {known}" for known in done.known), f"copied: {_copied(done.copied)}"]
    if settings.written:
        lines.append(f"{done.fleet_file}: [settings.{done.name}] added; no address stands in the recipe")
    elif settings.section:
        lines += [f"{done.fleet_file} has [settings.{done.name}] already, and was left alone; the new one is:", ""]
        lines += [settings.section, ""]
    lines += [f"{done.fleet_file} has yet to give {name}: before you deploy" for name in settings.later]
    lines += [f"write the password to {file}, and chmod 600 it" for file in settings.missing]
    return [*lines, "next:", *(f"  {line}" for line in _next(done))]


def _copied(files: tuple[str, ...]) -> str:
    """Files of a folder as a count."""
    folders: dict[str, int] = {}
    for file in files:
        parent = file.rpartition("/")[0]
        folders[parent or file] = folders.get(parent or file, 0) + 1
    return ", ".join(name if count == 1 and name in files else f"{name}/ ({count})" for name, count in folders.items())


def _next(done: DraftedRecipe) -> list[str]:
    golden = [f"edgekit golden {done.path}", f"edgekit golden {done.path} --write"]
    has_frames = any(file.startswith("golden/") for file in done.copied)
    return [*(golden if has_frames else []), f"edgekit build {done.path} --target host --out out/{done.name}"]
