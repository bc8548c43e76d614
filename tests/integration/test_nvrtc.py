"""CUDA kernels compiled on this machine, without a GPU: read back, the same again, and what a user meets who cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import uv

from edgekit.errors import EngineError
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.nvrtc.compiler import Nvrtc
from edgekit.host.engine.nvrtc.cubin import read_cubin
from edgekit.host.progress import Silent
from edgekit.host.sandbox.sandbox import Sandbox
from tests.fakes.wheel_user import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
SOURCE = ROOT / "cross" / "kernels" / "src" / "picture.cu"
KERNEL = "edgekit_picture"


def nvrtc(folder: Path, data: Path = ROOT / "cross" / "nvrtc.toml") -> Nvrtc:
    executor = LocalExecutor()
    return Nvrtc(
        folder=folder,
        data=data,
        uv=uv.find_uv_bin(),
        executor=executor,
        sandbox=Sandbox(executor, Silent()),
        progress=Silent(),
    )


@pytest.fixture(scope="module")
def compiler(tmp_path_factory: pytest.TempPathFactory) -> Nvrtc:
    return nvrtc(tmp_path_factory.mktemp("toolkits"))


@pytest.mark.parametrize(("jetpack", "cuda"), [("6.2", "12.6"), ("7.2", "13.2")])
def test_a_kernel_for_orin_is_what_was_asked_for(compiler: Nvrtc, jetpack: str, cuda: str) -> None:
    made = read_cubin(compiler.compile(SOURCE, KERNEL, sm="8.7", cuda=cuda).read_bytes())
    assert made.sm == "8.7" and list(made.kernels) == [KERNEL]
    assert 16 <= made.kernels[KERNEL] <= 64  # more would leave multiprocessors half empty
    print(f"\nJetPack {jetpack}: SM {made.sm}, {made.kernels[KERNEL]} registers")


def test_it_comes_out_the_same_again(compiler: Nvrtc, tmp_path: Path) -> None:
    first = compiler.compile(SOURCE, KERNEL, sm="8.7", cuda="12.6")
    assert compiler.compile(SOURCE, KERNEL, sm="8.7", cuda="12.2") == first  # one compiler for a major version
    again = nvrtc(tmp_path)
    shutil.copytree(compiler.folder / "nvrtc-12.6.85", tmp_path / "nvrtc-12.6.85", symlinks=True)
    assert again.compile(SOURCE, KERNEL, sm="8.7", cuda="12.6").read_bytes() == first.read_bytes()


def test_each_refusal_says_what_helps(compiler: Nvrtc, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"CUDA 11.4 is locked") as old:
        compiler.compile(SOURCE, KERNEL, sm="8.7", cuda="11.4")
    assert "12, 13" in old.value.hint
    with pytest.raises(EngineError, match=r"does not compile for SM 1\.3") as unknown:
        compiler.compile(SOURCE, KERNEL, sm="1.3", cuda="12.6")
    assert "gpu-architecture" in unknown.value.details
    broken = tmp_path / "broken.cu"
    broken.write_text("extern 'C' nothing")
    with pytest.raises(EngineError, match=r"broken.cu does not compile") as wrong:
        compiler.compile(broken, KERNEL, sm="8.7", cuda="12.6")
    assert "broken.cu" in wrong.value.details
    other = tmp_path / "other.cu"
    other.write_text('extern "C" __global__ void other(int *to) { *to = 1; }')
    with pytest.raises(EngineError, match=r"made other for SM 8\.7, asked was edgekit_picture"):
        compiler.compile(other, KERNEL, sm="8.7", cuda="12.6")


def test_a_compiler_that_is_another_is_not_installed(tmp_path: Path) -> None:
    text = (ROOT / "cross" / "nvrtc.toml").read_text()
    (tmp_path / "nvrtc.toml").write_text(text.replace("800927308ccc", "000000000000").replace("3f3134f50963", "1" * 12))
    with pytest.raises(EngineError, match=r"nvidia-cuda-nvrtc-cu12==12.6.85.*cannot be fetched") as refused:
        nvrtc(tmp_path / "toolkits", tmp_path / "nvrtc.toml").compile(SOURCE, KERNEL, sm="8.7", cuda="12.6")
    assert "UV_FIND_LINKS" in refused.value.hint
