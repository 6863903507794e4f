"""Compare training speed with the hardware: activation pass, fine-tuning, method updates.

    python benchmarks/train.py --device cuda
    OMP_NUM_THREADS=1 python benchmarks/train.py --device cpu --backbone small --hidden 256 \\
        --batches 64 --image-batches --methods hsal-rl rl multiset-loss

For each it prints images/s of this project's code, the ratio to a plain version (float32, one
kernel launched after another, nothing shared between steps: plain_networks.py), and the ratio of
the measured time to a lower bound, the maximum of floating-point operations divided by the measured
rate of a matrix product, and necessary bytes divided by the measured rate of a copy. Images and
activations are random; images have 1 to 4 objects. On a CPU it measures process time, so that other
programs do not count.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import torch
from plain_networks import make_plain
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from hsal_bench.baselines.hsal.config import HsalConfig
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.method.load import load_method
from hsal_bench.metrics.multiset import counts_from_labels
from hsal_bench.training.backbones import ActivationModel
from hsal_bench.training.device import describe, resolve
from hsal_bench.training.presets import Precision
from hsal_bench.training.single_object import SingleObject, SingleObjectConfig

CLASSES, OBJECTS = 10, 4
M = TypeVar("M", bound=GradientMethod)
BYTES_PER_PARAMETER = 28
"""Adam's least: weight, two moments and gradient read, weight and two moments written, float32."""


@dataclass(frozen=True)
class Rates:
    """Measured rates of the hardware: operations/s per precision, bytes/s of a copy."""

    operations: dict[torch.dtype, float]
    bytes: float

    def floor(self, operations: float, precision: torch.dtype, moved: float) -> float:
        """Return the lower bound in seconds for operations and bytes."""
        return max(operations / self.operations[precision], moved / self.bytes)


@dataclass(frozen=True)
class Work:
    """Work to measure: its function, its number of images, and its least cost.

    least: does it with the fewest operations, and without a captured graph, which hides them.
    """

    name: str
    ours: Callable[[], object]
    plain: Callable[[], object]
    least: Callable[[], object]
    images: int
    precision: torch.dtype
    moved: float


def main() -> None:
    """Print the measurements of the command line."""
    args = _arguments()
    device = resolve(args.device)
    rates = measure_rates(device, args.matrix, {torch.float32, _precision(args)})
    print(f"{describe(device)}, torch {torch.__version__}")
    for precision, rate in rates.operations.items():
        print(f"  {str(precision).removeprefix('torch.')} product {rate / 1e12:,.2f} TFLOP/s")
    print(f"  copy {rates.bytes / 1e9:,.1f} GB/s")
    print(f"{'':<28} {'images/s':>10} {'of plain':>9} {'of floor':>9}")
    for work in works(args, device):
        ours, plain = alternate(work.ours, work.plain, device, args.repeats)
        floor = rates.floor(count_operations(work.least), work.precision, work.moved)
        images = f"{work.images / ours:>10,.0f}"
        ratios = f"{plain / ours:>8.2f}x {ours / floor:>8.2f}x"
        print(f"{work.name:<28} {images} {ratios}", flush=True)


def works(args: argparse.Namespace, device: torch.device) -> Iterator[Work]:
    """Yield the work to measure; the memory of each is freed before the next."""
    for size in args.image_batches:
        yield activation_pass(args, device, size)
        yield fine_tuning(args, device, size)
    for size in args.batches:
        for name in args.methods:
            yield method_update(name, args, device, size)


def activation_pass(args: argparse.Namespace, device: torch.device, size: int) -> Work:
    """The frozen model's volumes of uint8 images on the device."""
    images = torch.randint(0, 256, (size, 1, 100, 100), dtype=torch.uint8, device=device)
    ours, plain = (one.network.eval() for one in _single(args, device))

    def volumes(network: ActivationModel) -> torch.Tensor:
        with torch.no_grad():
            return network.volume(images.float() / 255.0).half()

    moved = images.nbytes + volumes(ours).nbytes + 2 * _numbers(ours)
    precision = _precision(args)
    name = f"activation pass, {size}"
    run_plain = partial(volumes, plain)
    return Work(name, partial(volumes, ours), run_plain, run_plain, size, precision, moved)


def fine_tuning(args: argparse.Namespace, device: torch.device, size: int) -> Work:
    """One update of the activation model."""
    images = torch.randint(0, 256, (size, 1, 100, 100), dtype=torch.uint8, device=device)
    batch = _batch(images.float() / 255.0, size, device)
    ours, plain = _single(args, device)
    moved = images.nbytes + BYTES_PER_PARAMETER * _numbers(ours.network)
    precision = _precision(args)
    name, run_plain = f"fine-tuning update, {size}", _updates(plain, batch)
    return Work(name, _updates(ours, batch), run_plain, run_plain, size, precision, moved)


def method_update(name: str, args: argparse.Namespace, device: torch.device, size: int) -> Work:
    """One update of a sequential method on volumes like ResNet-34's or the small network's."""
    channels = 192 if args.backbone == "small" else 512
    volumes = torch.randn(size, channels, 7, 7, device=device).relu().half()
    batch = _batch(volumes.float(), size, device)
    kind, sizes = load_method(name), {"hidden": args.hidden}
    if hasattr(kind.Config, "trajectories"):
        sizes["trajectories"] = args.trajectories
    config = dataclasses.replace(kind.Config(), **sizes)
    task = Task(CLASSES, OBJECTS, (channels, 7, 7), class_objects=(1,) * CLASSES)
    kinds = (kind, _uncaptured(kind), _uncaptured(kind))
    ours, plain, least = (k(task, config, Setup(device, 0, 10**9)) for k in kinds)
    make_plain(plain)
    moved = volumes.nbytes + BYTES_PER_PARAMETER * _numbers(ours.network)
    in_ours, in_plain, in_least = (_updates(method, batch) for method in (ours, plain, least))
    title = f"{name} update, {size}"
    return Work(title, in_ours, in_plain, in_least, size, torch.float32, moved)


def measure_rates(device: torch.device, side: int, precisions: set[torch.dtype]) -> Rates:
    """Return the rates of a large matrix product and of a large copy."""
    operations = {}
    for precision in sorted(precisions, key=str):
        a, b = (torch.randn(side, side, device=device, dtype=precision) for _ in range(2))
        seconds, _ = alternate(partial(torch.matmul, a, b), None, device, 5)
        operations[precision] = 2 * side**3 / seconds
    source = torch.randn(4 * side, side, device=device)
    target = torch.empty_like(source)
    seconds, _ = alternate(lambda: target.copy_(source), None, device, 5)
    return Rates(operations, 2 * source.nbytes / seconds)


def alternate(
    one: Callable[[], object],
    other: Callable[[], object] | None,
    device: torch.device,
    repeats: int,
) -> tuple[float, float]:
    """Return the median seconds of each, measured in turn after a warm-up; 0 for none."""
    calls = [call for call in (one, other) if call is not None]
    seconds: list[list[float]] = [[] for _ in calls]
    for call in calls:
        for _ in range(6):
            call()
    for _ in range(repeats):
        for call, spent in zip(calls, seconds, strict=True):
            with timed(device, spent):
                call()
    medians = [statistics.median(spent) for spent in seconds]
    return medians[0], medians[1] if other is not None else 0.0


@contextmanager
def timed(device: torch.device, spent: list[float]) -> Iterator[None]:
    """Add the seconds of the block, including the work of the device."""
    start = _now(device)
    yield
    spent.append(_now(device) - start)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()


def count_operations(call: Callable[[], object]) -> float:
    """Return the floating-point operations of matrix products and convolutions in a call."""
    with _OperationCounter() as counter:
        call()
    return float(counter.total)


class _OperationCounter(TorchDispatchMode):
    """Counts like torch's FlopCounterMode, whose hooks of modules fail on gradients in a method."""

    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        result = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func.overloadpacket):
            self.total += count(*args, **(kwargs or {}), out_val=result)
        return result


def _single(args: argparse.Namespace, device: torch.device) -> tuple[SingleObject, SingleObject]:
    task, setup = Task(CLASSES, OBJECTS, (1, 100, 100)), Setup(device, 0, 10**9)
    precision: Precision = "bfloat16" if args.backbone == "resnet34" else "float32"
    ours = SingleObject(
        task, SingleObjectConfig(backbone=args.backbone, precision=precision), setup
    )
    plain = _uncaptured(SingleObject)(task, SingleObjectConfig(backbone=args.backbone), setup)
    plain.network.to(memory_format=torch.contiguous_format)
    return ours, plain


def _uncaptured(kind: type[M]) -> type[M]:
    return type(f"Plain{kind.__name__}", (kind,), {"capturable": False})


def _updates(method: GradientMethod, batch: Batch) -> Callable[[], object]:
    return lambda: method.update(batch)


def _batch(inputs: torch.Tensor, size: int, device: torch.device) -> Batch:
    labels = torch.randint(0, CLASSES, (size, OBJECTS), device=device)
    m = torch.randint(1, OBJECTS + 1, (size, 1), device=device)
    labels = labels.masked_fill(torch.arange(OBJECTS, device=device) >= m, -1)
    return Batch(inputs, counts_from_labels(labels, CLASSES), labels)


def _precision(args: argparse.Namespace) -> torch.dtype:
    return torch.bfloat16 if args.backbone == "resnet34" else torch.float32


def _numbers(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", help="cpu, cuda; by default a GPU if there is one")
    parser.add_argument("--backbone", default="resnet34", help="resnet34 or small")
    parser.add_argument("--methods", nargs="*", default=["hsal-rl"], help="sequential methods")
    parser.add_argument("--hidden", type=int, default=512, help="size of the methods' GRU")
    parser.add_argument("--trajectories", type=int, default=HsalConfig().trajectories)
    parser.add_argument("--batches", type=int, nargs="*", default=[128, 512, 2048])
    parser.add_argument("--image-batches", type=int, nargs="*", default=[128, 512])
    parser.add_argument("--matrix", type=int, default=8192, help="side of the product timed")
    parser.add_argument("--repeats", type=int, default=20, help="the median is printed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
