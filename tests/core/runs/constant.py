"""A method of a stranger's: it predicts the same multiset for every image."""

from dataclasses import dataclass

import torch

from hsal_bench.method.contract import Prediction, Unsupported


@dataclass(frozen=True)
class Config:
    label: int = 0
    diverge: bool = False
    unsupported: bool = False
    breaks: bool = False
    ends: bool = False
    large: bool = False
    note: str = ""


class Constant:
    Config = Config
    inputs = "images"
    presets = {}  # noqa: RUF012 - as an author may write it

    def __init__(self, task, config, setup):
        if config.unsupported:
            raise Unsupported("it has no eyes")
        self.task, self.config = task, config

    def update(self, batch):
        if self.config.ends:
            raise SystemExit("enough")
        if self.config.large:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 1.00 GiB."
            )
        return {"loss": torch.tensor(float("nan") if self.config.diverge else 1.0)}

    def predict(self, batch, *, trace=False):
        if self.config.breaks:
            raise RuntimeError("out of memory")
        assert batch.labels is None and batch.counts is None
        counts = torch.zeros(len(batch.inputs), self.task.num_classes, dtype=torch.int64)
        counts[:, self.config.label] = 1
        return Prediction(counts)

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
