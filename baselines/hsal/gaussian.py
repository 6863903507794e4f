"""The Gaussian attention mechanism: a mask from a mixture of 2D Gaussians (P§3, App. A)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

PAPER_CELLS = 7


def mask(
    alpha: Float[Tensor, "batch K"],
    beta: Float[Tensor, "batch K"],
    kappa: Float[Tensor, "batch K 2"],
    h: int,
    w: int,
) -> Float[Tensor, "batch cells"]:
    """Return M_ij = sum_k alpha_k exp(-beta_k ((kappa_1k - i)^2 + (kappa_2k - j)^2)), row by row.

    i runs over 1..h and j over 1..w; alpha and beta are positive, kappa is in cells.
    """
    i = torch.arange(1, h + 1, device=alpha.device, dtype=alpha.dtype)
    j = torch.arange(1, w + 1, device=alpha.device, dtype=alpha.dtype)
    # The exponential of a sum of squares is a product of one factor per axis.
    rows = torch.exp(-beta[:, :, None] * (kappa[:, :, :1] - i) ** 2)
    columns = torch.exp(-beta[:, :, None] * (kappa[:, :, 1:] - j) ** 2)
    return torch.einsum("bk,bki,bkj->bij", alpha, rows, columns).flatten(1)


class GaussianAttention(nn.Module):
    """attn(h_t): a linear layer gives the 4K parameters, which are mapped to their ranges; a mask.

    alpha: by a softmax. beta: in [1.5, 2] (App. A), after the exponential by default, before it
    with `beta_before_exp` (nearly one cell wide). kappa: in 0.5..m+0.5, so that a centre can reach
    the far side of every cell; `faithful_centres` uses the printed sigma(kappa) m, half a cell off.
    """

    size: Tensor

    def __init__(
        self,
        hidden: int,
        h: int,
        w: int,
        components: int = 5,
        faithful_centres: bool = False,
        beta_before_exp: bool = False,
    ) -> None:
        super().__init__()
        self.h, self.w, self.components = h, w, components
        self.offset = 0.0 if faithful_centres else 0.5
        self.beta_before_exp = beta_before_exp
        self.parameters_of = nn.Linear(hidden, 4 * components)
        self.register_buffer("size", torch.tensor([float(h), float(w)]), persistent=False)

    def forward(self, h_t: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch cells"]:
        """Return the mask M_t, in [0, 1]."""
        alpha, beta, kappa_1, kappa_2 = self.parameters_of(h_t).chunk(4, dim=1)
        kappa = torch.stack([kappa_1, kappa_2], 2).sigmoid() * self.size + self.offset
        return mask(alpha.softmax(1), self._width(beta), kappa, self.h, self.w)

    def _width(self, beta: Tensor) -> Tensor:
        beta = 1.5 + 0.5 * beta.sigmoid()
        if self.beta_before_exp:
            beta = beta.exp()
        # On a finer grid a Gaussian covers the same part of the image, not the same cells.
        return beta / (self.h / PAPER_CELLS) ** 2
