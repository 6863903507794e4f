"""Base class of methods that predict a set at once: N guesses, each a class or "no object".

Training matches the guesses to the image's objects with the least total of -p(class) and takes the
cross-entropy of each guess with the class of its object; unmatched guesses learn "no object". This
is the set loss of DETR (arXiv 2005.12872 §3.1) without boxes and with different weights: here all
guesses have the same weight and an image's loss is their sum, while DETR weighs "no object" by 0.1
and takes the weighted mean over the guesses of the batch.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from hsal_bench.method.contract import Batch, Prediction, Setup, Task, Unsupported
from hsal_bench.method.gradient import GradientConfig, GradientMethod
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.options import option

from .assignment import assign, on_host


@dataclass(frozen=True)
class MatchingConfig(GradientConfig):
    """The number of guesses, and the weight of those without an object."""

    queries: int = option(8, "guesses per image, at least as many as objects", at_least=1)
    no_object_weight: float = option(
        1.0, "weight of guesses without an object in the loss", at_least=0.0
    )


class SetMatching(GradientMethod):
    """A method whose network scores `queries` guesses over the classes and "no object", the last.

    The guesses for an image must differ, or all of them would predict the same.
    """

    Config: ClassVar[type] = MatchingConfig
    capturable: ClassVar[bool] = True
    any_cardinality: ClassVar[bool] = True

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        if config.queries < task.max_objects:
            raise Unsupported(
                f"{config.queries} queries for {task.max_objects} objects: increase --set queries"
            )
        if on_host(config.queries):
            self.capturable = False  # type: ignore[misc]
        super().__init__(task, config, setup)

    @abstractmethod
    def scores(self, batch: Batch) -> Float[Tensor, "batch queries choices"]:
        """Return the guesses' logits over the classes and, last, "no object"."""

    def loss(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the cross-entropy after matching, summed over the guesses."""
        _, labels = batch.truth()
        scores = self.scores(batch)
        per_guess = functional.cross_entropy(
            scores.transpose(1, 2),
            matched_targets(scores, labels),
            self._weights(scores),
            reduction="none",
        )
        return {"loss": per_guess.sum(1).mean()}

    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Count every guess's likeliest class; the confidence is their joint probability."""
        self.network.eval()
        with torch.no_grad():
            log_p, y_hat = self.scores(batch).log_softmax(-1).max(-1)
        return Prediction(counts_from_labels(y_hat, self.task.num_classes), log_p.sum(1).exp())

    def _weights(self, scores: Tensor) -> Float[Tensor, " choices"]:
        return functional.pad(
            scores.new_ones(self.task.num_classes), (0, 1), value=self.config.no_object_weight
        )


def matched_targets(
    scores: Float[Tensor, "batch queries choices"], labels: Int[Tensor, "batch objects"]
) -> Int[Tensor, "batch queries"]:
    """Return the target of each guess: the label of its object, or choices - 1, "no object".

    Labels are padded with -1. The assignment has the largest total probability of the labels.
    """
    no_object = scores.shape[2] - 1
    wanted = torch.where(labels < 0, no_object, labels)
    p = scores.detach().softmax(2).transpose(1, 2)
    cost = -p.gather(1, wanted[:, :, None].expand(-1, -1, p.shape[2]))
    queries = assign(cost.masked_fill(labels[:, :, None] < 0, 0.0))
    targets = torch.full_like(scores[:, :, 0], no_object, dtype=torch.int64)
    return targets.scatter(1, queries, wanted)
