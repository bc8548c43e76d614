"""Applications beside each other on accelerators: who has which core, and whether there is time for all."""

from __future__ import annotations

from edgekit.judging.accelerators import either, find_overuse, not_added_up
from edgekit.schema.accelerators import AcceleratorUse


def use(*used: str, shared: bool = False, **percent: float) -> AcceleratorUse:
    """Names with `_` for spaces in `percent`."""
    busy = {name.replace("_", " "): value for name, value in percent.items()}
    return AcceleratorUse(used=used, shared=shared, busy_percent=busy)


ZERO, ONE, DLA = "NPU core 0", "NPU core 1", "DLA core 0"


def test_a_core_is_one_applications_alone() -> None:
    (found,) = find_overuse("gate", use(ZERO, ONE), {"yard": use(ONE), "far": use("NPU core 2")})
    assert found.message == "gate computes on NPU core 1, which yard has, and neither gate nor yard agrees to share"
    assert "share_accelerators = true in [limits] of gate and yard" in found.hint
    assert "limits.npu_cores" in found.hint and "edgekit stop DEVICE yard" in found.hint
    assert not list(find_overuse("gate", use(ZERO), {"yard": use(ONE)}))


def test_both_have_to_agree() -> None:
    (found,) = find_overuse("gate", use(DLA, shared=True), {"yard": use(DLA)})
    assert found.message.endswith("and yard does not agree to share") and "of yard, give" in found.hint
    assert not list(find_overuse("gate", use(DLA, shared=True), {"yard": use(DLA, shared=True)}))


def test_every_neighbour_is_named_and_nobody_is_his_own() -> None:
    others = {"yard": use(ZERO), "hall": use(ONE), "gate": use(ZERO, ONE)}
    found = list(find_overuse("gate", use(ZERO, ONE), others))
    assert [one.message.split(", which ")[1][:4] for one in found] == ["hall", "yard"]


def test_a_gpu_needs_no_agreement_and_has_an_end() -> None:
    others = {"yard": use("GPU", GPU=50.0), "hall": use("GPU", GPU=20.0), "dark": use("GPU")}
    assert not list(find_overuse("gate", use("GPU", GPU=30.0), others))
    (found,) = find_overuse("gate", use("GPU", GPU=31.0), others)
    assert found.message == (
        "GPU has not enough time for its applications: gate 31 % + hall 20 % + yard 50 % = 101 % of 100 %"
    )
    assert "max_fps" in found.hint


def test_alone_it_has_to_fit_too() -> None:
    (found,) = find_overuse("gate", use(ZERO, NPU_core_0=130.0), {})
    assert found.message.endswith("gate 130 % of 100 %")


def test_who_is_not_measured_is_named_and_not_refused() -> None:
    others = {"yard": use("GPU", GPU=99.0)}
    assert not list(find_overuse("gate", use("GPU"), others)), "what is not known is no reason"
    assert not_added_up("gate", use("GPU"), others) == (
        "how busy GPU will be is not known: gate was built without a profile of it",
    )
    assert not_added_up("gate", use("GPU"), {}) == (), "alone it takes nothing from anybody"
    assert not_added_up("gate", use("GPU", GPU=1.0), others) == ()


def test_of_several_releases_the_most_counts() -> None:
    found = either([use(ZERO, shared=True, NPU_core_0=10.0), use(ONE, NPU_core_0=20.0)])
    assert found == use(ZERO, ONE, NPU_core_0=20.0)
