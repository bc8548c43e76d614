"""Which CUDA a package is for, told by names and versions as they are on indexes."""

from __future__ import annotations

import pytest

from edgekit.errors import WheelError
from edgekit.host.wheel.gpu import Named, check_names, cuda_of, doubt, misfits
from edgekit.host.wheel.needs import Board, Index, Rules

ORIN6 = Board(target="jetson-orin-nano-jp62", cuda="12.6", sm="8.7")
ORIN7 = Board(target="jetson-orin-jp72", cuda="13.2", sm="8.7")
ROCK = Board(target="rk3588-debian12")


@pytest.mark.parametrize(
    ("name", "version", "cuda"),
    [
        ("torch", "2.9.0+cu126", (12, 6)),
        ("torch", "2.1.0+cu118", (11, 8)),
        ("torch", "2.14.1", ()),
        ("torch", "2.13.0+cpu", ()),
        ("nvidia-cuda-runtime-cu12", "12.6.77", (12, 6)),
        ("nvidia-cuda-runtime", "13.0.96", (13, 0)),
        ("cuda-toolkit", "13.2.2", (13, 2)),
        ("nvidia-cudnn-cu13", "9.24.0.43", (13,)),
        ("nvidia-cufft", "12.0.0.61", ()),
        ("nvidia-cublas", "13.1.1.3", (13,)),
        ("nvidia-ml-py", "13.615.71", ()),
        ("cuda-bindings", "13.5.0", (13,)),
        ("cupy-cuda12x", "14.2.0", (12,)),
        ("nvidia-dali-cuda120", "1.50", (12, 0)),
        ("numpy", "2.2.6", ()),
    ],
)
def test_the_cuda_of_a_package(name: str, version: str, cuda: tuple[int, ...]) -> None:
    assert cuda_of(Named(name=name, version=version)) == cuda


@pytest.mark.parametrize(
    ("name", "version", "boards"),
    [
        ("torch", "2.9.0+cu126", (ORIN6,)),
        ("torch", "2.9.0+cu128", ()),
        ("torch", "2.9.0+cu124", (ORIN6,)),
        ("cuda-toolkit", "13.2.2", (ORIN7,)),
        ("cuda-toolkit", "13.4.0", ()),
        ("nvidia-cudnn-cu12", "9.3", (ORIN6,)),
        ("numpy", "2.2.6", (ORIN6, ORIN7, ROCK)),
    ],
)
def test_a_board_takes_its_own_cuda_and_older_minors(name: str, version: str, boards: tuple[Board, ...]) -> None:
    package = Named(name=name, version=version)
    assert tuple(board for board in (ORIN6, ORIN7, ROCK) if not misfits([package], board)) == boards


@pytest.mark.parametrize("name", ["tensorrt", "tensorrt-cu12", "tensorrt-cu13-bindings", "tensorrt-lean-cu12-libs"])
def test_tensorrt_is_in_no_release(name: str) -> None:
    for board, reason in ((ORIN6, "JetPack has it"), (ROCK, "rk3588-debian12 has no NVIDIA GPU")):
        with pytest.raises(WheelError, match=reason):
            check_names([name], board)
    check_names(["tensorrt-cutlass-tools", "torch-tensorrt", "numpy"], ORIN6)


def test_what_is_for_gpus_alone_is_refused_where_there_is_none() -> None:
    check_names(["onnxruntime-gpu"], ORIN6)
    with pytest.raises(WheelError, match="is for NVIDIA GPUs, and rk3588-debian12 has none") as refused:
        check_names(["onnxruntime-gpu"], ROCK)
    assert refused.value.hint == "write onnxruntime"


def test_a_doubt_is_told_unless_the_recipe_says_where_the_package_is_from() -> None:
    cpu, server = Named(name="torch", version="2.10.0"), Named(name="cuda-toolkit", version="13.2.2")
    assert "computes on the CPU alone" in doubt([cpu], ORIN6, Rules(), frozenset())
    assert "is built for servers" in doubt([cpu, server], ORIN7, Rules(), frozenset())
    assert "is built for servers" in doubt([Named(name="onnxruntime-gpu", version="1.24")], ORIN7, Rules(), frozenset())
    declared = Rules(indexes=(Index(name="jetson", url="https://x/", packages=frozenset({"torch"})),))
    for rules, own in ((declared, frozenset[str]()), (Rules(), frozenset({"torch"}))):
        assert not doubt([cpu], ORIN6, rules, own)
    assert not doubt([cpu], ROCK, Rules(), frozenset()) and not doubt([], ORIN6, Rules(), frozenset())
