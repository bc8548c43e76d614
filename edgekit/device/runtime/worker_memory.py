"""What a worker tells of its memory: pictures by who has them, engines, and what was asked of Python code."""

from __future__ import annotations

from edgekit.device.runtime.frames.leases import HeldLease
from edgekit.device.runtime.pipeline import Pipeline
from edgekit.device.runtime.python_memory import PythonWatch
from edgekit.schema.memory import MOST_HOLDERS, EngineMemory, LeaseHolder, StreamLeaseCount, WorkerMemory


class MemoryTeller:
    """Of one worker. Any thread may ask."""

    def __init__(self, engines: tuple[EngineMemory, ...] = (), python: PythonWatch | None = None) -> None:
        self._engines, self._python = engines, python or PythonWatch()

    def tell(self, pipeline: Pipeline, now_s: float) -> WorkerMemory:
        """How it stands at a time of the pipeline's clock."""
        pool, held, counts = pipeline.pool, list[HeldLease](), []
        for feed in pipeline.feeds:
            holders = feed.leases.holders()
            held += holders
            counts.append(
                StreamLeaseCount(
                    stream=feed.leases.stream,
                    most=feed.leases.most,
                    held=feed.leases.held,
                    outlived=sum(one.outlives for one in holders),
                )
            )
        held.sort(key=lambda one: one.since_s)
        return WorkerMemory(
            pool_bytes=pool.bytes,
            pool_most_bytes=pool.budget_bytes or 0,
            pool_pictures=pool.lent,
            leases=tuple(counts),
            holders=tuple(_holder(one, now_s) for one in held[:MOST_HOLDERS]),
            engines=self._engines,
            python=self._python.answer,
        )


def _holder(held: HeldLease, now_s: float) -> LeaseHolder:
    return LeaseHolder(
        stream=held.stream,
        lane=held.lane,
        place=held.place,
        age_s=round(max(0.0, now_s - held.since_s), 3),
        outlives=held.outlives,
    )
