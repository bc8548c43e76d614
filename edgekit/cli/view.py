"""`edgekit view`: what an application on a device sees, in a browser or as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.keeper_session import DeviceArgument, OneApplication, access_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import examples

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.workflow.view import SavedPicture, Viewed


@examples("edgekit view gate-7", "edgekit view gate-7 --open", "edgekit view gate-7 --save gate.jpg --stream north")
def view(
    ctx: typer.Context,
    device: DeviceArgument,
    application: OneApplication = "",
    save: Annotated[Path | None, typer.Option(help="Save one picture as this .jpg, without a browser.")] = None,
    stream: Annotated[str, typer.Option(help="Whose picture; the only stream needs no name.")] = "",
    open_browser: Annotated[bool, typer.Option("--open", help="Open a browser.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of this machine's loopback; 0: a free one.")] = 0,
    as_json: JsonFlag = False,
) -> None:
    """See an application's cameras with what is found in them, until interrupted; or save one picture."""
    from edgekit.host.workflow.view import check_name, open_preview, save_picture

    out = output_for(as_json)
    if save is not None:
        check_name(save)
    elif stream:
        raise typer.BadParameter("it goes with --save; in the browser all streams are shown", param_hint="--stream")
    with open_preview(device, application, access_of(ctx)) as viewed:
        if save is None:
            _serve(viewed, port, out, open_browser=open_browser)
        else:
            saved = save_picture(viewed, stream, save)
            out.result(saved, _words(saved))


def _serve(viewed: Viewed, port: int, out: Output, *, open_browser: bool) -> None:
    """The address goes to standard output alone: who reads a log must not find a token in it."""
    from contextlib import ExitStack

    from edgekit.host.workflow.view import served, shown_in_browser

    with ExitStack() as kept:
        server = kept.enter_context(served(viewed, port))
        out.line({"device": viewed.device, "application": viewed.application, "url": server.url}, server.url)
        out.note(f"{viewed.device}: {viewed.application} is shown there until you press Ctrl-C")
        if open_browser and not kept.enter_context(shown_in_browser(server.url)):
            out.note("no browser was found: open the address in one")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.note("closed")


def _words(saved: SavedPicture) -> str:
    size = f"{saved.width_px}x{saved.height_px}"
    old = "" if saved.state == "live" else f"; the stream is {saved.state}"
    return f"{saved.file}: {saved.stream} of {saved.application} on {saved.device}, {size}{old}"
