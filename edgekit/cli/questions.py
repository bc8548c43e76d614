"""Asks a person at a terminal what a model's file does not say."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import typer

from edgekit.errors import InputError

if TYPE_CHECKING:
    from edgekit.host.catalogue.draft.ends import DraftEnd
    from edgekit.host.catalogue.draft.question import OpenQuestion
    from edgekit.host.workflow.draft import DraftRequest, LookedInto


class Person:
    """Whoever sits at the terminal. Questions go to standard error: the answer of the command is standard output's."""

    @classmethod
    def at_terminal(cls, *, as_json: bool) -> Person | None:
        """The one who can be asked; None in a script."""
        return cls() if sys.stdin.isatty() and sys.stderr.isatty() and not as_json else None

    def complete(self, looked: LookedInto, request: DraftRequest) -> DraftRequest:
        """Ask for all that is open.

        Raises:
            InputError: no recipe can be written for this model.
        """
        from edgekit.host.workflow.draft import open_questions

        while questions := open_questions(looked, request):
            request = dataclasses.replace(request, answers={**request.answers, **self._answers(questions)})
        if not request.cameras:
            request = dataclasses.replace(request, cameras=self._camera())
        cameras = tuple(self._with_password(camera, f"camera {camera.name}") for camera in request.cameras)
        broker = request.broker and self._with_password(request.broker, "the broker")
        return dataclasses.replace(request, cameras=cameras, broker=broker)

    def _answers(self, questions: tuple[OpenQuestion, ...]) -> dict[str, str]:
        answers = {}
        for question in questions:
            shown = f" ({', '.join(question.choices)})" if question.choices else f" (such as {question.example})"
            answer = ""
            while not answer or (question.choices and answer not in question.choices):
                answer = typer.prompt(f"{question.about}{shown}", err=True).strip()
            answers[question.key] = answer
        return answers

    def _camera(self) -> tuple[DraftEnd, ...]:
        from edgekit.host.catalogue.draft.ends import parse_cameras

        while True:
            asked = "A camera's address, rtsp://USER@HOST/PATH; nothing: later, in fleet.toml"
            answer = typer.prompt(asked, default="", show_default=False, err=True).strip()
            try:
                return parse_cameras([answer]) if answer else ()
            except InputError as error:
                typer.echo(f"{error.message}: {error.hint}", err=True)

    def _with_password(self, end: DraftEnd, whose: str) -> DraftEnd:
        if not end.login or end.password is not None:
            return end
        asked = f"Password of {end.user} for {whose}; nothing: later, in a file"
        given = typer.prompt(asked, default="", show_default=False, hide_input=True, err=True)
        return dataclasses.replace(end, password=given or None)
