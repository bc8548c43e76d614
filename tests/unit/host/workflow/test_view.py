"""Which application is shown, and why none is: before anything is opened."""

from __future__ import annotations

import stat
import webbrowser
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from edgekit import errors
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.workflow.view import open_preview, shown_in_browser
from edgekit.schema.control import ApplicationStatus
from edgekit.schema.control_features import FEATURES
from edgekit.schema.sink import PreviewSink
from tests.fakes.devices import access_to
from tests.fakes.keeper_link import APPLICATION, WORKER, FakeLink
from tests.fakes.recipe_folder import TEXT, write_good

SHOWN = replace(APPLICATION, worker=replace(WORKER, preview=True))


def application_of(link: FakeLink, name: str = "") -> str:
    with open_preview("gate-7", name, access_to({"gate-7": link})) as viewed:
        return viewed.application


@pytest.mark.parametrize("name", ["", "sorter"])
def test_the_one_that_shows_pictures(name: str) -> None:
    assert application_of(FakeLink(application=SHOWN), name) == "sorter"


@pytest.mark.parametrize(
    ("application", "name", "kind", "message", "hint"),
    [
        (None, "", errors.NothingSelected, "has no application", "edgekit deploy"),
        (SHOWN, "gate", errors.NothingSelected, "no application 'gate' on gate-7", "it has: sorter"),
        (APPLICATION, "", errors.InputError, "sorter on gate-7 shows no pictures", "[pipeline.sinks.preview]"),
        (
            replace(SHOWN, phase="stopped", worker=replace(WORKER, pid=0)),
            "",
            errors.Unreachable,
            "no worker of sorter runs on gate-7: it is stopped",
            "edgekit start gate-7 sorter",
        ),
        (
            replace(SHOWN, worker=replace(WORKER, pid=0, state="backoff", last_exit="killed by SIGSEGV")),
            "",
            errors.Unreachable,
            "no worker of sorter runs on gate-7: killed by SIGSEGV",
            "edgekit logs gate-7 sorter",
        ),
    ],
    ids=["nothing", "unknown", "shows-nothing", "stopped", "crashes"],
)
def test_why_there_is_nothing_to_see(
    application: ApplicationStatus | None, name: str, kind: type[errors.EdgekitError], message: str, hint: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        application_of(FakeLink(application=application), name)
    assert hint in caught.value.hint


def test_a_keeper_from_before_is_told_to_be_renewed() -> None:
    features = tuple(one for one in FEATURES if one != "preview")
    with pytest.raises(errors.InputError, match="is older and cannot show pictures") as caught:
        application_of(FakeLink(application=SHOWN, features=features))
    assert caught.value.hint == "edgekit provision gate-7"


def test_a_browser_is_given_a_file_that_nobody_else_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: given.append(url) or True)
    with shown_in_browser("http://127.0.0.1:1/?token=abc") as opened:
        assert opened and given[0].startswith("file:///") and "abc" not in given[0]
        file = Path(given[0].removeprefix("file://"))
        assert "url=http://127.0.0.1:1/?token=abc" in file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600 and stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert not file.exists()


def test_the_lines_that_the_hint_gives_make_a_recipe_that_shows_pictures(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError) as caught:
        application_of(FakeLink(application=APPLICATION))
    lines = dedent(caught.value.hint.partition("\n\n")[2])
    recipe = read_recipe(write_good(tmp_path / "belt", f"{TEXT}\n{lines}"))
    assert any(isinstance(sink, PreviewSink) for sink in recipe.recipe.pipeline.sinks.values())
