"""Puts a pipeline's served models and their server together."""

from __future__ import annotations

import socket

from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.server.figures import ServingFigures
from edgekit.device.runtime.server.model import ServedModel
from edgekit.device.runtime.server.service import OipService
from edgekit.device.runtime.server.serving import ModelServer
from edgekit.errors import InputError
from edgekit.schema.plan import WorkerPlan


def model_server(plan: WorkerPlan, pipeline: Pipeline, listener: socket.socket | None) -> ModelServer | None:
    """The server of a plan's served models, not started; None where there are none.

    Args:
        plan: says which.
        pipeline: runs them; its figures tell of the server from now on.
        listener: the keeper's socket; None: it gave none.

    Raises:
        InputError: a model cannot be served.
    """
    if plan.serve is None or not plan.served:
        return None
    lanes = {lane.name: lane for lane in pipeline.lanes}
    models = {
        name: ServedModel(name, plan.engines[name].runner, pipeline.runners[name], lanes[lane])
        for name, lane in plan.served.items()
    }
    for model in models.values():
        if model.unservable:
            raise InputError(model.unservable, hint=f"take serve = true out of [models.{model.name}] in recipe.toml")
    figures = pipeline.figures.serving = ServingFigures(models)
    service = OipService(models, plan.serve.requests, figures)
    return ModelServer(plan.serve, service, figures, listener, _beside_lanes(plan))


def _beside_lanes(plan: WorkerPlan) -> tuple[int, ...]:
    """The application's CPUs that no lane runs on; none: there are no such, and the server runs among the lanes."""
    taken = {cpu for lane in plan.lanes.values() for cpu in lane.cpus}
    return tuple(cpu for cpu in plan.limits.cpuset_cpus if cpu not in taken)
