"""A GRU cell in parts, so that products shared by several steps are computed once.

PyTorch's GRUCell multiplies its complete input and its state at every call. In parts, the shared
products can be reused, and the linear map in front of the cell can be merged with the cell's own,
because there is no nonlinearity between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class InputMap:
    """x W + b: the encoding of x followed by the input matrix of a cell."""

    W: Float[Tensor, "inputs gates"]
    b: Float[Tensor, " gates"]


def input_map(encode: nn.Linear, cell: nn.GRUCell) -> InputMap:
    """Return the product of the encoding and the cell's input matrix."""
    W = encode.weight.t() @ cell.weight_ih.t()
    return InputMap(W, cell.bias_ih + cell.weight_ih @ encode.bias)


def hidden_map(
    cell: nn.GRUCell, h: Float[Tensor, "rows hidden"], *, zero: bool = False
) -> Float[Tensor, "rows gates"]:
    """Return the contribution of the state h to the gates. zero: h is 0, so it is the bias."""
    if zero:
        return cell.bias_hh.expand(len(h), -1)
    return functional.linear(h, cell.weight_hh, cell.bias_hh)


def next_state(
    x: Float[Tensor, "rows gates"],
    hidden: Float[Tensor, "rows gates"],
    h: Float[Tensor, "rows hidden"],
) -> Float[Tensor, "rows hidden"]:
    """Return a GRU's next state from the mapped input and state (gates r, z, n, as in PyTorch)."""
    if x.is_cuda:
        # The single kernel that GRUCell uses too.
        return torch.ops.aten._thnn_fused_gru_cell(x, hidden, h)[0]
    x_r, x_z, x_n = x.chunk(3, 1)
    h_r, h_z, h_n = hidden.chunk(3, 1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = torch.addcmul(x_n, r, h_n).tanh()
    return n + z * (h - n)
