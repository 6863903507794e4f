"""Batches: examples held on the device, their order, and the shuffling of labels.

The order is a pure function of (seed, update), so a run that is taken up again draws exactly the
batches that an uninterrupted one would have drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from hsal_bench.method import Batch
from hsal_bench.multiset import shuffle_labels


@dataclass(frozen=True)
class ExampleSet:
    """One split's examples.

    inputs: uint8 images or half-precision activations, on the device where they fit there, else
    memory-mapped on the host. counts [N, classes] and labels [N, K] (padded with -1): int64 on
    the device.
    """

    inputs: Tensor
    counts: Int[Tensor, "examples classes"]
    labels: Int[Tensor, "examples objects"]
    device: torch.device

    @classmethod
    def of(
        cls, inputs: Tensor, counts: np.ndarray, labels: np.ndarray, device: torch.device
    ) -> ExampleSet:
        """Put a split's arrays where training wants them."""
        return cls(
            _placed(inputs, device),
            torch.from_numpy(counts.astype(np.int64)).to(device),
            torch.from_numpy(labels.astype(np.int64)).to(device),
            device,
        )

    def __len__(self) -> int:
        return len(self.counts)

    def rows(self, rows: Int[Tensor, " batch"] | slice) -> Tensor:
        """Return the inputs of some rows as float32 on the device; images in [0, 1]."""
        if isinstance(rows, Tensor):
            rows = rows.to(self.inputs.device)
        chosen = self.inputs[rows].to(self.device, non_blocking=True)
        return chosen.float() / 255.0 if chosen.dtype == torch.uint8 else chosen.float()


def training_batches(
    examples: ExampleSet, batch_size: int, seed: int, start: int = 0
) -> Iterator[Batch]:
    """Yield batches without end, from update number `start` on.

    Each epoch visits the examples in a new order, and each example's labels are shuffled anew
    (the paper's definition of the task, P§5); the rest that fills no batch is left out.
    """
    batch_size = min(batch_size, len(examples))
    per_epoch = len(examples) // batch_size
    for epoch in count(start // per_epoch):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(examples), generator=generator)
        keys = torch.rand(examples.labels.shape, generator=generator).to(examples.device)
        labels = shuffle_labels(examples.labels, keys)
        first = start % per_epoch if epoch == start // per_epoch else 0
        for number in range(first, per_epoch):
            rows = order[number * batch_size : (number + 1) * batch_size]
            on_device = rows.to(examples.device)
            yield Batch(examples.rows(rows), examples.counts[on_device], labels[on_device])


def evaluation_batches(examples: ExampleSet, batch_size: int) -> Iterator[Batch]:
    """Yield every example once, in the file's order, without labels."""
    for start in range(0, len(examples), batch_size):
        yield Batch(examples.rows(slice(start, start + batch_size)))


def _placed(inputs: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return inputs
    free, _ = torch.cuda.mem_get_info(device)
    # Half of what is free is left to the network, its gradients and the allocator.
    return inputs.to(device) if inputs.nbytes < free // 2 else inputs
