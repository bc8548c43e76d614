"""`edgekit mem` for people: what is known has a line, and who keeps a picture is named."""

from __future__ import annotations

from dataclasses import replace

from edgekit.cli.mem import describe_memory
from edgekit.schema.memory import (
    AcceleratorMemory,
    EngineMemory,
    GroupMemory,
    LeaseHolder,
    MemoryAnswer,
    MemoryGrowth,
    ProcessMemory,
    PythonMemory,
    PythonSite,
    StreamLeaseCount,
    WorkerMemory,
)

MIB = 1 << 20
WORKER = WorkerMemory(
    pool_bytes=3 * MIB,
    pool_most_bytes=32 * MIB,
    pool_pictures=1,
    leases=(
        StreamLeaseCount(stream="north", most=7, held=2),
        StreamLeaseCount(stream="south", most=7, held=7, outlived=5),
    ),
    holders=(
        LeaseHolder(stream="south", lane="look", place="plates", age_s=63.2, outlives=True),
        LeaseHolder(stream="south", lane="look", place="", age_s=61.0, outlives=True),
        LeaseHolder(stream="south", lane="write", place="upload", age_s=12.0),
        LeaseHolder(stream="north", lane="look", place="find", age_s=0.1),
    ),
    engines=(
        EngineMemory(name="net", runner="rknn", file_bytes=5 * MIB, loaded_bytes=2 * MIB, accelerator_bytes=9 * MIB),
        EngineMemory(name="cpu", runner="onnxruntime", file_bytes=MIB, loaded_bytes=4 * MIB),
    ),
    python=PythonMemory(
        number=1,
        seconds=10.0,
        bytes=MIB,
        sites=(PythonSite(file="numeric.py", line=232, bytes=MIB, blocks=3, callers=("app/plates.py:12",)),),
    ),
)
FOUND = MemoryAnswer(
    application="gate-watch",
    pid=812,
    limits="enforced",
    max_bytes=256 * MIB,
    high_bytes=240 * MIB,
    group=GroupMemory(
        current_bytes=118 * MIB,
        peak_bytes=130 * MIB,
        anon_bytes=90 * MIB,
        file_bytes=20 * MIB,
        shmem_bytes=MIB,
        kernel_bytes=7 * MIB,
        reclaimable_bytes=18 * MIB,
    ),
    processes=(
        ProcessMemory(
            pid=812,
            name="python3",
            resident_bytes=140 * MIB,
            proportional_bytes=110 * MIB,
            anon_bytes=90 * MIB,
            file_bytes=49 * MIB,
            shmem_bytes=MIB,
        ),
    ),
    growth=MemoryGrowth(per_hour_bytes=0.12 * MIB, bound_bytes=0.4 * MIB, seconds=1800.0, samples=360),
    accelerators=(AcceleratorMemory(owner="process 812, rk_dmabuf", source="dma-buf", bytes=12 * MIB),),
    worker=WORKER,
    sinks={"clips": 14 * MIB, "lines": 0},
)


def test_all_that_is_known() -> None:
    assert "\n".join(describe_memory("gate-7", FOUND)) == (
        """\
gate-7: gate-watch, process 812
  limit       256.0 MiB, enforced, high 240.0 MiB
  cgroup      118.0 MiB, peak 130.0 MiB: 90.0 MiB anon, 20.0 MiB file (18.0 MiB can go at once), 1.0 MiB shmem, \
7.0 MiB kernel
  process     812 python3: 140.0 MiB resident (90.0 MiB anon, 49.0 MiB file, 1.0 MiB shmem), 110.0 MiB its share
  growth      +0.12 ± 0.40 MiB an hour (95 %, 360 samples in the last 1800 s)
  accelerator process 812, rk_dmabuf: 12.0 MiB (dma-buf)
  sink        clips: 14.0 MiB of encoded video
  engine      net (rknn): 5.0 MiB on disk, the process grew by 2.0 MiB while it was loaded, 9.0 MiB on the accelerator
  engine      cpu (onnxruntime): 1.0 MiB on disk, the process grew by 4.0 MiB while it was loaded
  pictures    3.0 MiB of 32.0 MiB for kept pictures, 1 held
  leases      north: 2 of 7 in use
  leases      south: 7 of 7 in use, 5 of them after their frame's end
  held        south: plates of lane look has kept an array for 63 s after its frame's end: keep a copy with frame.keep()
  held        south: somebody unknown, last in lane look, has kept an array for 61 s after its frame's end: \
keep a copy with frame.keep()
  held        south: upload of lane write for 12 s
  python      1.0 MiB allocated in 10 s and still there
                 1.0 MiB in 3 blocks  numeric.py:232
                         called in app/plates.py:12"""
    )


def test_what_is_not_known_is_said_or_has_no_line() -> None:
    bare = MemoryAnswer(application="sorter", pid=5, limits="advisory", max_bytes=64 * MIB)
    assert describe_memory("gate-7", bare) == [
        "gate-7: sorter, process 5",
        "  limit       64.0 MiB, advisory",
        "  growth      not known yet: the worker has just begun",
        "  pictures    the worker has told nothing yet, or is of an older edgekit",
    ]


def test_why_python_is_not_known() -> None:
    python = PythonMemory(number=1, seconds=0.0, trouble="another question is on its way: ask again")
    told = describe_memory("gate-7", replace(FOUND, worker=replace(WORKER, python=python)))
    assert told[-1] == "  python      another question is on its way: ask again"
