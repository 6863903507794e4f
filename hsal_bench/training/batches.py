"""Batches: examples held on the device, their order, and the shuffling of labels.

The order is a pure function of (seed, update), so a resumed run gets exactly the batches of an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from hsal_bench.data.file import DataFile
from hsal_bench.method.contract import Batch
from hsal_bench.metrics.multiset import label_order
from hsal_bench.training import device as devices


@dataclass(frozen=True)
class ExampleSet:
    """One split's examples.

    inputs: uint8 images or half-precision activations, on the device if they fit, else
    memory-mapped on the host. counts [N, classes], labels [N, K] and boxes [N, K, 4] (x0, y0, x1,
    y1 in pixels; both padded with -1): int64 on the device. image_size: (height, width) in pixels.
    """

    inputs: Tensor
    counts: Int[Tensor, "examples classes"]
    labels: Int[Tensor, "examples objects"]
    boxes: Int[Tensor, "examples objects 4"]
    image_size: tuple[int, int]

    @property
    def device(self) -> torch.device:
        """The device of the batches."""
        return self.counts.device

    @property
    def on_device(self) -> bool:
        """Whether the inputs are on the device of the batches."""
        return self.inputs.device == self.counts.device

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, rows: Any) -> Batch:
        """Return some rows as a batch with labels. rows: as in `contract.Examples`."""
        if isinstance(rows, slice):
            return Batch(self.rows(rows), self.counts[rows], self.labels[rows], self.boxes[rows])
        # In one dimension: a single row is a batch of one image.
        numbers = torch.as_tensor(rows, device=self.device).reshape(-1)
        inputs = self.rows(numbers.to(self.inputs.device))
        return Batch(inputs, self.counts[numbers], self.labels[numbers], self.boxes[numbers])

    def rows(self, rows: Int[Tensor, " batch"] | slice) -> Tensor:
        """Return the inputs of some rows as float32 on the device; images in [0, 1].

        Row numbers must be on the device of the inputs.
        """
        chosen = self.inputs[rows]
        if not self.on_device:
            # From pinned memory the copy is asynchronous.
            chosen = chosen.pin_memory().to(self.device, non_blocking=True)
        return chosen.float() / 255.0 if chosen.dtype == torch.uint8 else chosen.float()


def example_set(
    data: DataFile, split: str, device: torch.device, inputs: Tensor | None = None
) -> ExampleSet:
    """Return a split of a dataset file with `inputs` as inputs, by default its images."""
    if inputs is None:
        inputs = torch.from_numpy(data.read(split, "images"))
    counts, labels, boxes = (
        torch.from_numpy(data.read(split, name).astype(np.int64)).to(device)
        for name in ("counts", "labels", "boxes")
    )
    _, height, width = data.layout.image_shape
    return ExampleSet(_placed(inputs, device), counts, labels, boxes, (height, width))


def training_batches(
    examples: ExampleSet, batch_size: int, seed: int, start: int = 0
) -> Iterator[Batch]:
    """Yield batches endlessly, from update number `start` on.

    Each epoch has a new order of examples and of the labels of each example (the paper's definition
    of the task, P§5); an incomplete last batch is dropped.
    """
    batch_size = min(batch_size, len(examples))
    per_epoch = len(examples) // batch_size
    for epoch in count(start // per_epoch):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(examples), generator=generator)
        keys = torch.rand(examples.labels.shape, generator=generator).to(examples.device)
        object_order = label_order(examples.labels, keys)
        labels = examples.labels.gather(1, object_order)
        boxes = examples.boxes.gather(1, object_order[:, :, None].expand(-1, -1, 4))
        # Once per epoch: a copy per batch would make the host wait for the device.
        order_on_device = order.to(examples.device)
        inputs_order = order_on_device if examples.on_device else order
        first = start % per_epoch if epoch == start // per_epoch else 0
        for number in range(first, per_epoch):
            batch = slice(number * batch_size, (number + 1) * batch_size)
            rows = order_on_device[batch]
            inputs = examples.rows(inputs_order[batch])
            yield Batch(inputs, examples.counts[rows], labels[rows], boxes[rows])


def evaluation_batches(
    examples: ExampleSet, batch_size: int, first: int = 0
) -> Iterator[tuple[int, Batch]]:
    """Yield the examples from row `first` on, in order, without labels: (first row, batch)."""
    for start in range(first, len(examples), batch_size):
        yield start, Batch(examples.rows(slice(start, start + batch_size)))


def _placed(inputs: Tensor, device: torch.device) -> Tensor:
    if device.type != "cuda":
        return inputs
    devices.release_memory(device)  # memory of an earlier method counts as used until then
    free, _ = torch.cuda.mem_get_info(device)
    # Half of the free memory is left to the network, its gradients and the allocator.
    return inputs.to(device) if inputs.nbytes < free // 2 else inputs
