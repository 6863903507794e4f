"""The log-marginal loss: -log of the probability of predicting any label that is still available.

The multiset loss asks for every remaining label in proportion; this loss accepts any of them. We
know of no publication. Labels are executed as for the multiset loss.
"""

from __future__ import annotations

from hsal_bench.baselines.shared.losses import log_marginal

from .multiset_loss import MultisetLoss


class LogMarginal(MultisetLoss):
    """-log of the summed probability of the labels still available."""

    per_step = staticmethod(log_marginal)
