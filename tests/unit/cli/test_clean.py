"""Nothing that a terminal would obey gets from elsewhere to the user; no secret gets into a log."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.cli.clean import clean, fit_to_show, secrets_of, without_secrets
from edgekit.cli.output import CleanConsole, Output, table
from edgekit.errors import InputError

HOSTILE = "a\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J\x1bPq#0\x1b\\\u202egnp\u2066\x08\x00\x7fz"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (HOSTILE, "aredgnpz"),
        ("50 %\r100 %\r\nnext\r\r\nlast", "50 %\n100 %\nnext\nlast"),
        ("a\tb\nc", "a\tb\nc"),
        ("übung, 中文, 😀, e\u0301", "übung, 中文, 😀, e\u0301"),
        ("[bold]not markup[/bold] :smile:", "[bold]not markup[/bold] :smile:"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended", "0;never ended"),
        ("one\u2028two", "one\ntwo"),
        ("file \udcff", "file \\udcff"),
        ("https://ann:s3cret@pypi.example/simple and git@host", "https://***@pypi.example/simple and git@host"),
    ],
)
def test_what_is_left_of_a_text(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_line_without_end_is_cut_where_it_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert fit_to_show(f"{'a' * 10_000}\nb\n{'c' * 8192}") == f"{'a' * 8192} ...\nb\n{'c' * 8192}"
    output = Output(as_json=False)
    output.note("n" * 3_000_000)
    output.result({}, "r" * 3_000_000)
    output.line({}, "l" * 3_000_000)
    output.error(InputError("e" * 3_000_000, hint="h" * 3_000_000, details="d" * 3_000_000))
    told = capsys.readouterr()
    assert max(map(len, (told.out + told.err).splitlines())) < 10_000


@given(st.text(st.characters()))
def test_nothing_that_controls_is_ever_left(text: str) -> None:
    left = set(clean(text)) - {"\t", "\n"}
    assert not [c for c in left if unicodedata.category(c) in ("Cc", "Cs") or unicodedata.bidirectional(c) in _TURNS]
    assert clean(clean(text)) == clean(text) or "\x1b" not in text


_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@pytest.mark.parametrize("opener", ["\x1b]", "\x9d", "\x1b[", "\x9b", "\r", "-----BEGIN PRIVATE KEY-----"])
def test_long_hostile_text_is_quick(opener: str) -> None:
    """A pattern that starts over at every opener would take hours for this."""
    assert len(without_secrets(clean(opener * 300_000), ())) < 12_000_000


def test_every_way_to_the_screen_is_clean(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(as_json=False)
    out.note(HOSTILE)
    out.result({}, HOSTILE)
    out.result({}, table(["head", HOSTILE], [[HOSTILE, "[red]x[/red]"]]))
    out.line({}, HOSTILE)
    with out.step(HOSTILE, usually=HOSTILE), out.amount(HOSTILE, 10) as advance:
        advance(10)
    out.error(InputError(HOSTILE, hint=HOSTILE, details=HOSTILE), Path(HOSTILE))
    shown = "".join(capsys.readouterr())
    assert not set(shown) & set("\x00\x07\x08\x1b\x7f\x9b\x9d\u202e\u2066")
    assert shown.count("aredgnpz") >= 12
    assert "[red]x[/red]" in shown


def test_a_terminal_gets_colours_of_our_own_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    screen = io.StringIO()
    console = CleanConsole()
    console.file = screen
    console._force_terminal = True
    console.print("\x1b[32mgreen\x1b[0m", style="bold")
    assert "green" in screen.getvalue()
    assert "\x1b[32m" not in screen.getvalue()


def test_json_tells_the_whole_text_and_controls_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).result({"text": HOSTILE}, HOSTILE)
    line = capsys.readouterr().out
    assert json.loads(line) == {"text": HOSTILE}
    assert line.isascii() and line.rstrip("\n").isprintable()


def test_rows_are_whole_where_nobody_looks_and_folded_where_it_is_narrow() -> None:
    long = "one-very-long-name-" * 12
    wide, narrow = CleanConsole(), CleanConsole()
    narrow.width = 30
    for console in (wide, narrow):
        console.file = io.StringIO()
        console.print(table(["name", "size"], [[long, "1 KiB"]]))
    assert f"{long}  1 KiB" in wide.file.getvalue()
    shown = narrow.file.getvalue()
    assert max(map(len, shown.splitlines())) <= 30
    assert "".join(line[:22].strip() for line in shown.splitlines()[1:]).startswith("one-very-long-name-one")
    assert "…" not in shown


def test_secrets_are_found_by_their_names_and_taken_out() -> None:
    environ = {
        "UV_INDEX_CORP_PASSWORD": "hunter22",
        "GITHUB_TOKEN": "ghp_abcdef",
        "HOME": "/home/ann",
        "PIN_SECRET": "1",
    }
    secrets = secrets_of(environ)
    text = "user hunter22 at ghp_abcdef in /home/ann 1\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"
    assert set(secrets) == {"hunter22", "ghp_abcdef"}
    told = without_secrets(text, secrets)
    assert not [word for word in ("hunter22", "ghp_abcdef", "AAAA") if word in told]
    assert "/home/ann 1" in told
