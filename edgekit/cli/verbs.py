"""What all commands and groups of commands have in common: examples in their help, `help`, and `--json` anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from edgekit.cli.session import JsonFlag, settings_of
from edgekit.host.private import check_folders

_Verb = TypeVar("_Verb", bound=Callable[..., Any])
_EXAMPLES = "examples"


def examples(*lines: str) -> Callable[[_Verb], _Verb]:
    """Give a verb the command lines that its help shows. A test reads each as the command line would."""

    def note(verb: _Verb) -> _Verb:
        setattr(verb, _EXAMPLES, lines)
        return verb

    return note


def examples_of(command: object) -> tuple[str, ...]:
    """A command's examples."""
    found = getattr(getattr(command, "callback", None), _EXAMPLES, ())
    return tuple(found)


class Verbs(typer.Typer):
    """A group of commands."""

    def __init__(self, help: str, *, root: bool = False) -> None:
        """Make an empty group.

        Args:
            help: what its commands are for.
            root: whether it is `edgekit` itself, which also brings shell completion.
        """
        super().__init__(
            name="edgekit" if root else None,
            help=help,
            cls=_Group,
            no_args_is_help=True,
            invoke_without_command=True,
            add_completion=root,
            pretty_exceptions_enable=False,
            rich_markup_mode=None,
            context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        )
        if not root:
            self.callback()(_group)

    def command(self, name: str | None = None, **options: Any) -> Callable[[_Verb], _Verb]:
        """Add a command. See `typer.Typer.command`."""
        return super().command(name, cls=_Command, **options)


def hand_down_json(ctx: typer.Context, as_json: bool) -> None:
    """Have `--json` before a command mean the same as behind it; alone it lists the group's commands as JSON."""
    if as_json and ctx.invoked_subcommand is None:
        print(json.dumps({"command": ctx.command_path, **_described(ctx.command)}))
    elif as_json:
        ctx.default_map = _all_json(ctx.command)


def _group(ctx: typer.Context, as_json: JsonFlag = False) -> None:
    hand_down_json(ctx, as_json)


class _Command(TyperCommand):
    def invoke(self, ctx: Any) -> Any:
        """Run it, unless others may write into the user's folders. Help has been shown by then."""
        check_folders(settings_of(ctx))
        return super().invoke(ctx)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Show the examples as they are: a line that is broken cannot be copied."""
        lines = examples_of(self)
        if lines:
            with formatter.section("Examples"):
                formatter.write("".join(f"{'':{formatter.current_indent}}{line}\n" for line in lines))
        super().format_epilog(ctx, formatter)


class _Group(TyperGroup):
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read `help build` as `build --help`."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands, each with its whole first sentence."""
        del ctx
        rows = [(name, _sentence(command)) for name, command in self.commands.items() if not command.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _sentence(command: Any) -> str:
    return str(command.get_short_help_str(limit=1000))


def _described(command: Any) -> dict[str, Any]:
    """A group's commands with their help, groups in it included."""
    named = getattr(command, "commands", None)
    if named is None:
        return {"help": _sentence(command), "examples": list(examples_of(command))}
    return {"help": _sentence(command), "commands": {name: _described(child) for name, child in named.items()}}


def _all_json(command: Any) -> dict[str, Any]:
    """Defaults that turn JSON on in every command below."""
    return {"as_json": True, **{name: _all_json(child) for name, child in getattr(command, "commands", {}).items()}}
