"""The log-marginal loss: -log of the probability of predicting any label that is still available.

The multiset loss asks for every remaining label in proportion; this loss accepts any of them. We
know of no publication. Labels are executed as for the multiset loss.
"""

from __future__ import annotations

from typing import ClassVar

from hsal_bench.baselines.shared.losses import log_marginal
from hsal_bench.baselines.shared.sequence import SMALL
from hsal_bench.method.contract import Presets

from .multiset_loss import MultisetLoss


class LogMarginal(MultisetLoss):
    """-log of the summed probability of the labels still available."""

    presets: ClassVar[Presets] = {
        "quick": {**SMALL, "learning_rate": 3e-3, "execution": "stochastic"}
    }
    per_step = staticmethod(log_marginal)
