"""`edgekit engine`: compiled models, what is in them and what is kept here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.session import JsonFlag, output_for, settings_of
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from rich.console import RenderableType

    from edgekit.host.engine.record import EngineRecord
    from edgekit.host.workflow.engine_cache import ShownFile

app = Verbs("Compiled models: what is in them, and what is kept here.")
_DAY_S = 86400.0
_NONE = "no engines were compiled here yet"


@app.command()
@examples("edgekit engine show out/line/files/engines/parts.rknn", "edgekit engine show model.onnx --json")
def show(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="An .rknn or TensorRT engine, or an ONNX model.")],
    as_json: JsonFlag = False,
) -> None:
    """Tell what a file says of itself; for an engine made here also where its operators run and how exact it is."""
    from edgekit.executor.local import LocalExecutor
    from edgekit.host.workflow.engine_cache import show_engine

    shown = show_engine(file, settings_of(ctx), LocalExecutor())
    result = {"file": str(file), "kind": shown.kind, "facts": shown.facts, "record": shown.record}
    output_for(as_json).result(result, _tables(shown))


@app.command(name="list")
@examples("edgekit engine list")
def list_(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    """List the engines that were compiled here: for what, how exact, how large, when last used."""
    from edgekit.cli.output import table
    from edgekit.host.workflow.engine_cache import engine_store
    from edgekit.schema.units import format_bytes

    cached = engine_store(settings_of(ctx)).list()
    headers = ("model", "target", "kind", "precision", "cosine", "size", "built in", "unused for", "key")
    rows = []
    for one in cached:
        record = one.record
        cosine = min((output.cosine_min for output in record.agreement), default=0.0)
        exact = f"{cosine:.5f}" if record.agreement else ""
        unused = f"{(time.time() - one.used_s) / _DAY_S:.0f} d"
        size, built = format_bytes(record.bytes), f"{record.seconds:.1f} s"
        precision = record.facts.get("precision", "")
        rows.append((record.model, record.target, record.kind, precision, exact, size, built, unused, one.key[:12]))
    engines = [{"key": one.key, "path": str(one.file), "used_s": one.used_s, "record": one.record} for one in cached]
    output_for(as_json).result({"engines": engines}, table(headers, rows) if cached else _NONE)


@app.command()
@examples("edgekit engine verify", "edgekit engine verify out/line/files/engines/parts.rknn")
def verify(
    ctx: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(help="Engine files; none: all that are kept here.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check that engines are what was verified when they were made; exit code 5 when one is not."""
    from edgekit.host.workflow.engine_cache import verify_engines

    checked = verify_engines(files or (), settings_of(ctx))
    lines = []
    for one in checked:
        record = one.engine.record
        fine = "; ".join(map(str, record.agreement)) or "whole, not verified"
        lines.append(f"{record.model} for {record.target}: {f'damaged: {one.fault}' if one.fault else fine}")
    engines = [{"path": one.path, "key": one.engine.key, "fault": one.fault} for one in checked]
    output_for(as_json).result({"engines": engines}, "\n".join(lines) or _NONE)
    if any(one.fault for one in checked):
        raise typer.Exit(5)


def _tables(shown: ShownFile) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    facts = Table(box=None, show_header=False)
    record = shown.record
    for name, value in [*shown.facts.items(), *(_record_rows(record) if record else ())]:
        facts.add_row(Text(name), Text(value))
    if record is None or not record.layers:
        return facts
    layers = Table("operator", "name", "runs on", "type", "cycles", "reads and writes", box=None)
    for layer in record.layers:
        cells = (
            layer.kind,
            layer.name,
            layer.place,
            layer.dtype,
            str(layer.cycles),
            f"{layer.traffic_bytes >> 10} KiB",
        )
        layers.add_row(*(Text(cell, style="bold" if layer.place == "CPU" else "") for cell in cells))
    return Group(facts, Text(), layers)


def _record_rows(record: EngineRecord) -> list[tuple[str, str]]:
    """How an engine was made, and how each group of its outputs' channels agrees."""
    from edgekit.host.engine.verify.channels import summarise

    rows = [("made for", record.target), ("compiled in", f"{record.seconds:.1f} s")]
    if "tail" in record.facts:
        rows += [
            ("tail", record.facts["tail"]),
            ("tail takes", record.facts["tail_inputs"]),
            ("tail's time", f"{record.tail_ms:.2f} ms a frame, on one core of the machine that built it"),
        ]
    for one in record.agreement:
        rows += [("verified", str(one)), *(("", text) for text in summarise(one.channels))]
    return rows
