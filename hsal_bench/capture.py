"""An update captured as a CUDA graph: launched as one piece, instead of as some thousand kernels.

A recurrent decoder's update is many tiny kernels, and launching them takes longer than running
them. A graph holds the launches; replaying it does the same work on the same memory. That asks of
the update: tensors of one shape, no value looked at by the host, random numbers from a generator
that the graph knows of, and whatever changes from update to update kept in tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from hsal_bench.method import Batch

WARM_UP = 3
"""Updates made one by one before the capture: libraries choose their kernels in these."""

Step = Callable[[Batch], Mapping[str, Tensor]]


class CapturedStep:
    """Makes updates like `step`: the first ones by calling it, the rest by replaying its graph.

    Every batch is of the first one's shape. The scalars that come back are the same tensors at
    every update, overwritten by the next.
    """

    def __init__(self, step: Step, generator: torch.Generator) -> None:
        self.step, self.generator = step, generator
        self.made = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Batch | None = None
        self.scalars: Mapping[str, Tensor] = {}

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        """Make one update."""
        self.made += 1
        if self.made <= WARM_UP:
            return self._aside(batch)
        if self.graph is None:
            self._capture(batch)
        self._put(batch)
        assert self.graph is not None
        self.graph.replay()
        return self.scalars

    def _aside(self, batch: Batch) -> Mapping[str, Tensor]:
        # On a stream of its own, as the capture will be: what autograd and the allocator keep
        # from the warm-up must not belong to the stream that replays.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            scalars = self.step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        return scalars

    def _capture(self, batch: Batch) -> None:
        self.inputs = Batch(*(part.clone() for part in _parts(batch)))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        with torch.cuda.graph(graph):
            self.scalars = self.step(self.inputs)
        self.graph = graph

    def _put(self, batch: Batch) -> None:
        assert self.inputs is not None
        for mine, new in zip(_parts(self.inputs), _parts(batch), strict=True):
            if mine.shape != new.shape:
                raise ValueError(f"a batch of {list(new.shape)}, captured for {list(mine.shape)}")
            mine.copy_(new)


def _parts(batch: Batch) -> list[Tensor]:
    parts = (batch.inputs, batch.counts, batch.labels, batch.boxes)
    return [part for part in parts if part is not None]
