"""What must hold between `[serve]`, the models that it serves, and the lanes that run them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from edgekit.host.catalogue.mistake import Mistake
from edgekit.schema.problem import closest_of
from edgekit.schema.recipe import Recipe
from edgekit.schema.serve import MIN_TOKEN, Serve, is_loopback
from edgekit.schema.settings import SettingPlace, is_secret
from edgekit.schema.stages import lane_of_model


def serve_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    """Every mistake in what is served that no field shows alone."""
    serve = recipe.serve
    served = [name for name, model in recipe.models.items() if model.serve]
    if not served and serve != Serve():
        yield Mistake("serve", "is for models that are served: write serve = true in one of [models]")
    if 0 < serve.port < 1024:
        yield Mistake("serve.port", f"expected 0, or 1024 to 65535, found {serve.port}: the worker has no privileges")
    if served and serve.port and serve.token is None and not is_loopback(serve.address):
        yield Mistake("serve.token", f"missing; others reach {serve.address}, and who comes has to show one")
    if serve.port == 0 and serve.token is not None:
        yield Mistake("serve.port", "missing; a token is for a port: who reaches the keeper's socket is let in")
    yield from _lane(recipe, served)


def open_token(recipe: Recipe, places: Collection[SettingPlace]) -> Iterator[Mistake]:
    """A token that stands in the recipe, or comes from a setting that is no secret."""
    if recipe.serve.token is None:
        return
    setting = next((place.setting for place in places if place.keys == ("serve", "token")), None)
    if setting is None:
        wanted = f"a token of {MIN_TOKEN} characters or more is a setting"
        yield Mistake("serve.token", f'{wanted}: write {{ setting = "NAME" }}, and [settings.NAME] with secret = true')
    elif not is_secret(recipe.settings[setting]):
        yield Mistake(f"settings.{setting}.secret", "expected true: it lets clients in")


def _lane(recipe: Recipe, served: list[str]) -> Iterator[Mistake]:
    pipeline, lane = recipe.pipeline, recipe.serve.lane
    alone = [name for name in served if lane_of_model(name, pipeline.stages, recipe.models) is None]
    if lane is None:
        if alone:
            wanted = f"missing; no stage runs model {alone[0]}: name the lane that runs it for its clients"
            yield Mistake("serve.lane", wanted)
        return
    working = {one.lane for one in (*pipeline.stages.values(), *pipeline.sinks.values())}
    if lane not in pipeline.lanes:
        yield Mistake("serve.lane", f"there is no lane {lane}", closest_of(lane, pipeline.lanes))
    elif lane not in working:
        yield Mistake("serve.lane", f"expected a lane with stages or sinks: nothing runs on {lane}")
