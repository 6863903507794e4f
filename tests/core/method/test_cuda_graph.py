"""Captured updates: the bookkeeping anywhere, the numbers where there is a GPU."""

import dataclasses
import gc
import warnings
import weakref
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Literal, get_args, get_origin

import pytest
import torch

from hsal_bench import options, registry
from hsal_bench.baselines.hsal.method import HsalRL
from hsal_bench.baselines.shared import assignment
from hsal_bench.errors import UsageError
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.method.cuda_graph import WARM_UP, CapturedStep
from hsal_bench.method.load import load_method
from hsal_bench.training import backbones
from hsal_bench.training.single_object import SingleObject, SingleObjectConfig

TASK = Task(4, 2, (6, 3, 3), class_objects=(4, 3, 2, 1))
OURS = [
    name
    for name, target in registry.targets(registry.METHODS).items()
    if target.startswith("hsal_bench.")
]


def _batch(seed: int, size: int = 8, device: str = "cpu") -> Batch:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(-1, 4, (size, 2), generator=generator).sort(1, descending=True).values
    counts = torch.nn.functional.one_hot(labels + 1, 5).sum(1)[:, 1:]
    inputs = torch.rand(size, 6, 3, 3, generator=generator)
    corners = torch.randint(30, (size, 2, 2), generator=generator)
    boxes = torch.cat([corners, corners + 9], 2).masked_fill(labels[:, :, None] < 0, -1)
    return Batch(inputs.to(device), counts.to(device), labels.to(device), boxes.to(device))


def _small(name: str):
    """Return a method's class and its config with nothing larger than 16."""
    cls = load_method(name)
    sizes = {
        field: min(value, 16) for field, value in vars(cls.Config()).items() if type(value) is int
    }
    return cls, dataclasses.replace(cls.Config(), **sizes)


def _variants(name: str):
    """Yield a capturable method's configs: the default, and every other choice of each field."""
    cls, config = _small(name)
    if not cls.capturable:
        return
    yield pytest.param(cls, config, id=name)
    for field, kind in options.field_types(cls.Config).items():
        choices = get_args(kind) if get_origin(kind) is Literal else ()
        for value in (False, True) if kind is bool else choices:
            if value == getattr(config, field):
                continue
            try:
                variant = dataclasses.replace(config, **{field: value})
            except UsageError:
                continue  # the config's own word that the two do not go together
            yield pytest.param(cls, variant, id=f"{name}+{field}={value}")


VARIANTS = [variant for name in OURS for variant in _variants(name)]


class FakeGraph:
    """Stands for a CUDA graph: notes the generator, and replays when asked."""

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
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)

    @contextmanager
    def capturing(graph):
        yield

    monkeypatch.setattr(torch.cuda, "graph", capturing)


def test_the_first_updates_are_made_one_by_one_and_the_rest_replayed(fake_cuda):
    seen, generator = [], torch.Generator()

    def step(batch):
        seen.append(batch)
        return {"loss": torch.tensor(float(len(seen)))}

    captured = CapturedStep(generator)
    batches = [_batch(seed) for seed in range(WARM_UP + 3)]
    losses = [captured(step, batch)["loss"].item() for batch in batches]
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
    captured = CapturedStep(torch.Generator())
    for seed in range(WARM_UP + 1):
        captured(_step, _batch(seed))
    with pytest.raises(ValueError, match=r"a batch of \[7, 6, 3, 3\], captured for \[8, 6, 3, 3\]"):
        captured(_step, _batch(0, size=7))


def test_an_empty_graph_is_refused(fake_cuda, monkeypatch):
    @contextmanager
    def capturing_nothing(graph):
        yield
        warnings.warn("The CUDA Graph is empty. This usually means ...", stacklevel=1)

    monkeypatch.setattr(torch.cuda, "graph", capturing_nothing)
    captured = CapturedStep(torch.Generator())
    for seed in range(WARM_UP):
        captured(_step, _batch(seed))
    for _ in range(2):
        with pytest.raises(UserWarning, match="The CUDA Graph is empty"):
            captured(_step, _batch(WARM_UP))


def test_updates_run_on_the_gpu_of_their_batch(fake_cuda, monkeypatch):
    current = [0]
    monkeypatch.setattr(torch.cuda, "current_device", lambda: current[-1])
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    seen = []

    def step(batch):
        seen.append(current[-1])
        return _step(batch)

    captured = CapturedStep(torch.Generator())
    batch = dataclasses.replace(_batch(0), inputs=_OnGpu(torch.zeros(8, 6, 3, 3)))
    for _ in range(WARM_UP):
        captured(step, batch)
    assert seen == [1] * WARM_UP
    assert current[-1] == 0


class _OnGpu(torch.Tensor):
    """A tensor that says it is on the second GPU."""

    device = torch.device("cuda", 1)


def _step(batch: Batch):
    return {"loss": torch.zeros(())}


@pytest.mark.parametrize("name", OURS)
def test_a_finished_method_is_freed_at_once(name, fake_cuda):
    """Not by the cycle collector, some time later: its graph and weights are on the GPU."""
    cls, config = _small(name)
    method = cls(TASK, config, Setup(torch.device("cpu"), 0, 10))
    if cls.capturable:
        method._captured_step = CapturedStep(method.generator)
    gc.disable()
    try:
        for seed in range(WARM_UP + 1):
            method.update(_batch(seed))
        freed = weakref.ref(method)
        del method
        assert freed() is None
    finally:
        gc.enable()


FROM_HOST = ("tensor", "as_tensor", "from_numpy")
TO_HOST = ("cpu", "item", "tolist", "numpy", "nonzero", "masked_select", "__bool__", "__float__")


def _refuse(*args, **kwargs):
    raise AssertionError("a copy between the host and the device")


def _pick(tensor, index, pick=torch.Tensor.__getitem__):
    """Index as a tensor does, except for masks: how many cells they pick the host must know."""
    parts = index if isinstance(index, tuple) else (index,)
    masked = any(isinstance(part, torch.Tensor) and part.dtype == torch.bool for part in parts)
    return _refuse() if masked else pick(tensor, index)


@pytest.fixture
def on_the_device_alone(monkeypatch):
    """Return a context in which no tensor moves between host and device."""
    monkeypatch.setattr(assignment, "assign_by_scipy", assignment.assign_by_subsets)

    @contextmanager
    def opened():
        with monkeypatch.context() as patch:
            for name in FROM_HOST:
                patch.setattr(torch, name, _refuse)
            for name in TO_HOST:
                patch.setattr(torch.Tensor, name, _refuse)
            patch.setattr(torch.Tensor, "__getitem__", _pick)
            yield

    return opened


@pytest.mark.parametrize(
    "copy",
    [
        lambda x: torch.tensor([1.0]),
        lambda x: torch.as_tensor(2),
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: float(x[0]),
        lambda x: bool((x > 0).all()),
    ],
)
def test_copies_from_and_to_the_host_are_noticed(copy, on_the_device_alone):
    x = torch.ones(3)
    with on_the_device_alone(), pytest.raises(AssertionError, match="between the host"):
        copy(x)
    copy(x)


BACKBONES = [
    pytest.param(SingleObject, SingleObjectConfig(backbone=name), id=name)
    for name in backbones.BACKBONES
]


@pytest.mark.parametrize(("cls", "config"), VARIANTS + BACKBONES)
def test_what_says_it_can_be_captured_stays_on_the_device(cls, config, on_the_device_alone):
    """What it keeps from the host for good, it has after the first update."""
    shape = (3, 32, 32) if cls.inputs == "images" else TASK.input_shape
    first, second = (
        dataclasses.replace(_batch(seed, size=2), inputs=torch.rand(2, *shape)) for seed in (0, 1)
    )
    task = dataclasses.replace(TASK, input_shape=shape)
    method = cls(task, config, Setup(torch.device("cpu"), 0, 10))
    assert method.capturable
    method.update(first)
    method.captured = True  # as on a GPU: a loss may look at values where nothing is captured
    with on_the_device_alone():
        method.loss(second)["loss"].backward()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("kind", "config"), VARIANTS)
def test_a_captured_update_is_the_eager_one(kind, config):
    """The same seed gives the same updates, up to float32 rounding of sums in another order."""
    methods = {}
    for captured in (True, False):
        setup = Setup(torch.device("cuda"), 0, 20)
        made = type("Made", (kind,), {"capturable": captured})(TASK, config, setup)
        methods[captured] = [
            {name: value.item() for name, value in made.update(_batch(seed, device="cuda")).items()}
            for seed in range(10)
        ]
    for one, other in zip(methods[True], methods[False], strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_captured_method_resumes_from_its_state():
    done, updates = WARM_UP + 3, 2 * (WARM_UP + 3)  # both parts replay their graph
    setup = Setup(torch.device("cuda"), 0, updates)
    whole, broken, resumed = (HsalRL(TASK, HsalRL.Config(hidden=16), setup) for _ in range(3))
    for seed in range(updates):
        whole.update(_batch(seed, device="cuda"))
        if seed < done:
            broken.update(_batch(seed, device="cuda"))
    resumed.load_state_dict(broken.state_dict())
    for seed in range(done, updates):
        resumed.update(_batch(seed, device="cuda"))
    for one, other in zip(whole.network.parameters(), resumed.network.parameters(), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)
