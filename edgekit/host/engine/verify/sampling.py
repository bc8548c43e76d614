"""Looks whether a model bears that a board scales frames in its own way: `sampling = "any"` in its contract."""

from __future__ import annotations

import dataclasses

from edgekit.errors import EngineError
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.host.engine.verify.agreement import compare
from edgekit.host.engine.verify.verdict import first_fault


def check_sampling(source: ModelSource) -> None:
    """Refuse a model whose answers hang on how its pictures were made smaller.

    Its float model answers on the recipe's pictures, once with single samples or two beside each other (`linear`),
    once with the mean of all (`area`): what a board's hardware does lies between them. Both have to agree as an engine
    has to with its float model, by the recipe's tolerance. Nothing is said without pictures, or of another sampling.

    Raises:
        EngineError: they do not.
    """
    pictures, model = source.pictures, source.model
    if model.contract.sampling != "any" or not pictures.files:
        return
    path = source.tail.whole if source.tail else source.path
    means = Pictures(
        golden=pictures.golden,
        calibration=pictures.calibration,
        contract=dataclasses.replace(model.contract, sampling="area"),
    )
    agreement = compare(answers_of(path, pictures.tensors), answers_of(path, means.tensors), pictures.names)
    for one in agreement:
        if fault := first_fault(one, model.tolerance):
            raise EngineError(
                f'models.{source.name}: it hangs on how pictures are made smaller, and its sampling is "any": {fault}',
                hint=f'write sampling = "linear" in models.{source.name}.input, or widen its tolerance',
                details="\n".join(str(each) for each in agreement),
            )
