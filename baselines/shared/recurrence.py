"""A GRU cell in pieces, so that each of its products is computed once and not once per step.

PyTorch's GRUCell multiplies its whole input and its state at every call. Taken apart, a product
that several steps share is shared, and the linear map in front of the cell is multiplied with the
cell's own: no nonlinearity lies between.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class InputMap:
    """x W + b: what a cell's input matrix makes of the encoding of x."""

    W: Float[Tensor, "inputs gates"]
    b: Float[Tensor, " gates"]


def input_map(encode: nn.Linear, cell: nn.GRUCell) -> InputMap:
    """Return the product of the encoding and the cell's input matrix."""
    W = encode.weight.t() @ cell.weight_ih.t()
    return InputMap(W, cell.bias_ih + cell.weight_ih @ encode.bias)


def hidden_map(
    cell: nn.GRUCell, h: Float[Tensor, "rows hidden"], *, zero: bool = False
) -> Float[Tensor, "rows gates"]:
    """Return what the cell adds for its state h; `zero` says that h is 0, so the bias is all."""
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
        # One kernel, which GRUCell uses itself.
        return torch.ops.aten._thnn_fused_gru_cell(x, hidden, h)[0]
    x_r, x_z, x_n = x.chunk(3, 1)
    h_r, h_z, h_n = hidden.chunk(3, 1)
    r, z = (x_r + h_r).sigmoid(), (x_z + h_z).sigmoid()
    n = torch.addcmul(x_n, r, h_n).tanh()
    return n + z * (h - n)
