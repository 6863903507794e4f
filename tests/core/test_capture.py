"""Captured updates: the bookkeeping anywhere, the numbers where there is a GPU."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import pytest
import torch

from hsal_bench.baselines.hsal import CrossEntropy, HsalRL
from hsal_bench.capture import WARM_UP, CapturedStep
from hsal_bench.method import Batch, Setup, Task

TASK = Task(4, 2, (6, 3, 3))


def _batch(seed: int, size: int = 8, device: str = "cpu") -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (size, 2), generator=generator)
    counts = torch.nn.functional.one_hot(labels, 4).sum(1)
    inputs = torch.rand(size, 6, 3, 3, generator=generator)
    return Batch(inputs.to(device), counts.to(device), labels.to(device))


class FakeGraph:
    """Stands for a CUDA graph: notes the generator, and replays what it is told to."""

    def __init__(self):
        self.generators, self.replays = [], 0

    def register_generator_state(self, generator):
        self.generators.append(generator)

    def replay(self):
        self.replays += 1


@pytest.fixture
def fake_cuda(monkeypatch):
    stream = SimpleNamespace(wait_stream=lambda other: None)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)

    @contextmanager
    def capturing(graph):
        yield

    monkeypatch.setattr(torch.cuda, "graph", capturing)


def test_the_first_updates_are_made_one_by_one_and_the_rest_replayed(fake_cuda):
    seen, generator = [], torch.Generator()

    def step(batch):
        seen.append(batch)
        return {"loss": torch.tensor(float(len(seen)))}

    captured = CapturedStep(step, generator)
    batches = [_batch(seed) for seed in range(WARM_UP + 3)]
    losses = [captured(batch)["loss"].item() for batch in batches]
    assert seen[:WARM_UP] == batches[:WARM_UP]
    assert losses == [1, 2, 3, 4, 4, 4]
    assert captured.graph.generators == [generator]
    assert captured.graph.replays == 3
    # The graph reads its own tensors: the last batch was copied into them.
    mine, last = seen[-1], batches[-1]
    assert mine.inputs is not last.inputs
    for one, other in zip((mine.inputs, *mine.truth()), (last.inputs, *last.truth()), strict=True):
        assert torch.equal(one, other)


def test_a_batch_of_another_shape_is_refused(fake_cuda):
    captured = CapturedStep(lambda batch: {"loss": torch.zeros(())}, torch.Generator())
    for seed in range(WARM_UP + 1):
        captured(_batch(seed))
    with pytest.raises(ValueError, match=r"a batch of \[7, 6, 3, 3\], captured for \[8, 6, 3, 3\]"):
        captured(_batch(0, size=7))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", [HsalRL, CrossEntropy])
def test_a_captured_update_is_the_eager_one(kind):
    """The same seed gives the same updates, but for what the order of sums does to float32."""
    methods = {}
    for captured in (True, False):
        setup = Setup(torch.device("cuda"), 0, 20)
        made = type("Made", (kind,), {"capturable": captured})(TASK, kind.Config(hidden=16), setup)
        methods[captured] = [
            {name: value.item() for name, value in made.update(_batch(seed, device="cuda")).items()}
            for seed in range(10)
        ]
    for one, other in zip(methods[True], methods[False], strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_method_goes_on_from_its_state():
    setup = Setup(torch.device("cuda"), 0, 20)
    whole, broken = (HsalRL(TASK, HsalRL.Config(hidden=16), setup) for _ in range(2))
    for seed in range(8):
        whole.update(_batch(seed, device="cuda"))
        if seed < 5:
            broken.update(_batch(seed, device="cuda"))
    resumed = HsalRL(TASK, HsalRL.Config(hidden=16), setup)
    resumed.load_state_dict(broken.state_dict())
    for seed in range(5, 8):
        resumed.update(_batch(seed, device="cuda"))
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)
