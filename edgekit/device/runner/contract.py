"""What a colour contract means for a tensor."""

from __future__ import annotations

from edgekit.schema.recipe import ColourContract


def expected_shape(contract: ColourContract) -> tuple[int, int, int, int]:
    """Shape of the input tensor that a contract describes, batch of one."""
    if contract.layout == "NCHW":
        return (1, contract.channels, contract.height_px, contract.width_px)
    return (1, contract.height_px, contract.width_px, contract.channels)
