"""`edgekit settings`: values of an application that differ from board to board."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgekit.cli.keeper_session import ActivationOutput, BreakLock, DeviceArgument, OneApplication, access_of
from edgekit.cli.session import JsonFlag, output_for
from edgekit.cli.verbs import Verbs, examples

if TYPE_CHECKING:
    from rich.table import Table

    from edgekit.host.workflow.board_settings import ApplicationSettings, SettingOnBoard

app = Verbs("Values that differ from board to board: camera addresses, thresholds, passwords; fleet.toml gives them.")


@app.command()
@examples("edgekit settings show gate-7", "edgekit settings show gate-7 sorting-line --json")
def show(
    ctx: typer.Context, device: DeviceArgument, application: OneApplication = "", as_json: JsonFlag = False
) -> None:
    """Show what an application on a device runs with; secrets only by name."""
    from edgekit.host.workflow.board_settings import compare_settings

    state = compare_settings(device, application, access_of(ctx), fleet=False)
    output_for(as_json).result(state, _shown(state))


@app.command()
@examples("edgekit settings diff gate-7", "edgekit settings diff gate-7 sorting-line")
def diff(
    ctx: typer.Context, device: DeviceArgument, application: OneApplication = "", as_json: JsonFlag = False
) -> None:
    """Show what `settings push` would change; nothing is changed."""
    from edgekit.host.workflow.board_settings import compare_settings

    state = compare_settings(device, application, access_of(ctx))
    output_for(as_json).result({**_raw(state), "changed": list(state.changed)}, _differences(state))


@app.command()
@examples("edgekit settings push gate-7", "edgekit settings push gate-7 sorting-line")
def push(
    ctx: typer.Context,
    device: DeviceArgument,
    application: OneApplication = "",
    break_lock: BreakLock = False,
    as_json: JsonFlag = False,
) -> None:
    """Give an application what fleet.toml says; if it is not healthy with that, it has its old values again."""
    from edgekit.host.workflow.board_settings import push_settings

    out = output_for(as_json)
    watch = ActivationOutput(device, out)
    state = push_settings(device, application, access_of(ctx), watch, break_lock=break_lock)
    name = f"{device}: {state.application}"
    text = f"{name} runs with the new settings: {', '.join(state.changed)}" if state.pushed else _unchanged(state)
    out.result({**_raw(state), "changed": list(state.changed)}, text)


def _raw(state: ApplicationSettings) -> dict[str, object]:
    from edgekit.schema.reader import to_raw

    raw: dict[str, object] = to_raw(state)
    return raw


def _shown(state: ApplicationSettings) -> Table | str:
    from edgekit.cli.output import table

    if not state.settings:
        return f"{state.device}: {state.application} declares no settings"
    rows = [(one.name, one.kind, _value(one), one.about) for one in state.settings]
    return table(("setting", "kind", "value", "what it is for"), rows)


def _value(one: SettingOnBoard) -> str:
    if one.secret:
        return "(secret, given)" if one.given else "(secret, not given)"
    return _text(one.value) + ("" if one.given else " (default)")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _differences(state: ApplicationSettings) -> str:
    changes = [one for one in state.settings if one.changes]
    if not changes:
        return _unchanged(state)
    lines = [
        f"{one.name}: {'another secret' if one.secret else f'{_text(one.value)} -> {_text(one.wanted)}'}"
        for one in changes
    ]
    return "\n".join([*lines, f"edgekit settings push {state.device} {state.application} changes this"])


def _unchanged(state: ApplicationSettings) -> str:
    if state.in_fleet:
        return f"{state.device}: {state.application} has what fleet.toml gives: nothing to change"
    return f"{state.device}: fleet.toml gives {state.application} no settings: it keeps what it has"
