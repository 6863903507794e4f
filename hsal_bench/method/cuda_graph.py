"""An update captured as a CUDA graph: one launch instead of about a thousand kernel launches.

A recurrent decoder's update consists of many tiny kernels, and launching them takes longer than
running them. A graph records the launches; replaying it repeats the work on the same memory. The
update must use tensors of fixed shape, random numbers from a generator registered with the graph,
and tensors for everything that changes between updates; the host must not read a value.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from hsal_bench.method.contract import Batch

WARM_UP = 3
"""Updates before the capture, in which libraries choose their kernels."""

Step = Callable[[Batch], Mapping[str, Tensor]]


class CapturedStep:
    """Runs the first updates kernel by kernel, captures the next one, then replays it.

    All batches have the same shape. Every update returns the same scalar tensors, which the next
    update overwrites.

    It keeps no reference to the step: that would be a reference cycle with the method, whose GPU
    memory would only be freed by the cycle collector.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.updates = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: Batch | None = None
        self.scalars: Mapping[str, Tensor] = {}

    def __call__(self, step: Step, batch: Batch) -> Mapping[str, Tensor]:
        """Run one update: call `step` on `batch`, or replay its graph.

        Raises:
            ValueError: the shape of the batch differs from the captured one.
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
        # On a separate stream, as in the capture: state that autograd and the allocator keep from
        # the warm-up must not belong to the stream that replays.
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
        # torch creates this stream once per process, on the GPU that is current at that time.
        torch.cuda.graph.default_capture_stream = torch.cuda.Stream()
        failure: Exception | None = None
        try:
            with warnings.catch_warnings():
                # Replaying an empty graph would look like training, but train nothing.
                warnings.filterwarnings("error", "The CUDA Graph is empty")
                with torch.cuda.graph(graph):
                    try:
                        self.scalars = step(self.inputs)
                    except Exception as error:
                        failure = error
        except Exception as error:
            # Ending the capture of a failed step fails too, and hides the first error.
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
    """Make a GPU the current one within the block: new streams and graphs belong to it."""
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
