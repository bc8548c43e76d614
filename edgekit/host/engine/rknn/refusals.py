"""Finds what the NPU's compiler cannot take before it runs. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from edgekit.host.engine.model.faults import DYNAMIC, node_name
from edgekit.host.engine.model.prepare.quantised import QUANTISED
from edgekit.schema.recipe import ColourContract, Model

_FOREIGN = "export the model with operators of ONNX alone"
_FLOAT = "give the float model that it was made from"
_NOT_LOWERED = """
    Acos Acosh Asin Asinh Atan Atanh BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Celu CenterCropPad Col2Im
    Compress Cosh DFT Det IsInf IsNaN LpPool Mean MeanVarianceNormalization Min Mish NegativeLogLikelihoodLoss
    OptionalGetElement Or ReduceL1 ReduceProd ScatterElements Selu Shrink Sign Sinh Size SoftmaxCrossEntropyLoss
    Softsign Tan TfIdfVectorizer Trilu Xor
"""
"""Operators that the compiler accepts, says "No lowering found" of, and leaves to a custom operator that no board has.

Source: measured with rknn-toolkit2 2.3.2 on ONNX's own test model of every operator. What they do depends on shapes for
some others too: `complaints.not_lowered` looks for the same words in the compiler's output.
"""


def refusals(model: onnx.ModelProto, recipe: Model) -> tuple[str, ...]:
    """Every reason why a model cannot become an engine, each a sentence; none where it can be tried."""
    return (*_nodes(model), *_contract(recipe.contract), *_kept(model, recipe))


def _nodes(model: onnx.ModelProto) -> Iterator[str]:
    for index, node in enumerate(model.graph.node):
        name = node_name(node, index)
        if node.domain not in ("", "ai.onnx"):
            yield f"node {name}: operator {node.op_type} of domain {node.domain} is no part of ONNX: {_FOREIGN}"
        elif node.op_type in QUANTISED:
            yield f"node {name}: operator {node.op_type} is quantised in a form of ONNX Runtime's own: {_FLOAT}"
        elif node.op_type in DYNAMIC:
            yield f"node {name}: operator {node.op_type} makes outputs of no fixed size: end the model before it"
        elif node.op_type in _NOT_LOWERED.split():
            yield f"node {name}: operator {node.op_type} runs neither on RK3588's NPU nor in its runtime: replace it"


def _contract(contract: ColourContract) -> Iterator[str]:
    for scale in contract.scales:
        if not scale > 0:
            yield f"the input's scale is {scale:g}, and RKNN takes scales above zero: turn the sign in the model"


def _kept(model: onnx.ModelProto, recipe: Model) -> Iterator[str]:
    made = {name for node in model.graph.node for name in node.output}
    for name in recipe.quantisation.keep_float:
        if name not in made:
            yield f"quantisation.keep_float names {name}, which no node makes: name tensors of the model"
    if recipe.precision == "int8" and not recipe.calibration:
        yield 'precision = "int8" needs pictures to find ranges with: name them in calibration'
