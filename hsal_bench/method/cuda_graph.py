"""An update captured as a CUDA graph: launched as one piece, instead of as some thousand kernels.

A recurrent decoder's update is many tiny kernels, and launching them takes longer than running
them. A graph holds the launches; replaying it does the same work on the same memory. The update
has to use tensors of one shape, random numbers from a generator that the graph knows, and tensors
for whatever changes from update to update; the host must not look at a value.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from hsal_bench.method.contract import Batch

WARM_UP = 3
"""Updates before the capture: libraries choose their kernels in these."""

Step = Callable[[Batch], Mapping[str, Tensor]]


class CapturedStep:
    """Runs the first updates kernel by kernel, captures the next one, and replays it from then on.

    Every batch has the shape of the first one. Every update returns the same scalar tensors; the
    next update overwrites them.

    It does not keep the step it is called with: a method whose step it kept could be freed by the
    cycle collector alone, and its memory on the GPU with it.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.updates = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Batch | None = None
        self.scalars: Mapping[str, Tensor] = {}

    def __call__(self, step: Step, batch: Batch) -> Mapping[str, Tensor]:
        """Run one update: `step` on `batch`, or the graph of it.

        Raises:
            ValueError: the batch has another shape than the captured one.
            UserWarning: the captured graph is empty.
        """
        self.updates += 1
        with current(batch.inputs.device):
            if self.updates <= WARM_UP:
                return self._warm_up(step, batch)
            if self.graph is None:
                self._capture(step, batch)
            self._copy_in(batch)
            assert self.graph is not None
            self.graph.replay()
        return self.scalars

    def _warm_up(self, step: Step, batch: Batch) -> Mapping[str, Tensor]:
        # On a stream of its own, as in the capture: what autograd and the allocator keep from the
        # warm-up must not belong to the stream that replays.
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            scalars = step(batch)
        torch.cuda.current_stream().wait_stream(stream)
        return scalars

    def _capture(self, step: Step, batch: Batch) -> None:
        self.inputs = Batch(*(tensor.clone() for tensor in _tensors(batch)))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self.generator)
        # torch makes this stream once per process, on the GPU that is current then.
        torch.cuda.graph.default_capture_stream = torch.cuda.Stream()
        failure: Exception | None = None
        try:
            with warnings.catch_warnings():
                # Replaying an empty graph would train nothing and look like training.
                warnings.filterwarnings("error", "The CUDA Graph is empty")
                with torch.cuda.graph(graph):
                    try:
                        self.scalars = step(self.inputs)
                    except Exception as error:
                        failure = error
        except Exception as error:
            # Ending the capture of a step that failed fails as well, and hides why.
            raise failure or error from None
        if failure:
            raise failure
        self.graph = graph

    def _copy_in(self, batch: Batch) -> None:
        assert self.inputs is not None
        for target, source in zip(_tensors(self.inputs), _tensors(batch), strict=True):
            if target.shape != source.shape:
                raise ValueError(
                    f"a batch of {list(source.shape)}, captured for {list(target.shape)}"
                )
            target.copy_(source)


@contextmanager
def current(device: torch.device) -> Iterator[None]:
    """Make a GPU the current one in the block: new streams and graphs belong to the current one."""
    before = torch.cuda.current_device()
    if device.index in (None, before):
        yield
        return
    torch.cuda.set_device(device.index)
    try:
        yield
    finally:
        torch.cuda.set_device(before)


def _tensors(batch: Batch) -> list[Tensor]:
    fields = (batch.inputs, batch.counts, batch.labels, batch.boxes)
    return [field for field in fields if field is not None]
