"""Try every method and activation model on a fake GPU: `python check_methods.py cuda:1`.

Prints a line per breach and exits with 1 if there is one. Each is built on the device and trained;
after the first update nothing may go between host and device; what is capturable must be captured
and replayed; predictions and traces must be on the device; a state must load on another kind of
device and train there.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import torch
from fake_cuda import Gpu, fake_cuda

from hsal_bench import registry
from hsal_bench.method.contract import Batch, Setup, Task
from hsal_bench.method.cuda_graph import WARM_UP
from hsal_bench.method.load import load_method
from hsal_bench.training import backbones, single_object

CLASSES, OBJECTS, SIZE = 4, 2, 8
SHAPES = {"activations": (6, 3, 3), "images": (3, 32, 32)}


def subjects() -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, class, config) of the project's methods and of every activation model."""
    for name, target in registry.targets(registry.METHODS).items():
        if target.startswith("hsal_bench."):
            cls = load_method(name)
            yield name, cls, cls.Config()
    for backbone in backbones.BACKBONES:
        for precision in ("float32", "bfloat16"):
            config = single_object.SingleObjectConfig(backbone=backbone, precision=precision)
            yield f"{backbone} {precision}", single_object.SingleObject, config


def batch(inputs: str, device: str, *, labelled: bool = True) -> Batch:
    """Return a batch of SIZE images."""
    x = torch.rand(SIZE, *SHAPES[inputs], device=device)
    shapes = ((SIZE, CLASSES), (SIZE, OBJECTS), (SIZE, OBJECTS, 4))
    truth = [torch.ones(shape, dtype=torch.int64, device=device) for shape in shapes]
    return Batch(x, *truth) if labelled else Batch(x)


def breaches(cls: Any, config: Any, device: str, gpu: Gpu) -> Iterator[str]:
    """Yield what goes wrong with one method."""
    task = Task(CLASSES, OBJECTS, SHAPES[cls.inputs], class_objects=(4, 3, 2, 1))

    def build(where: str) -> Any:
        return cls(task, config, Setup(torch.device(where), 0, 20))

    method = build(device)
    method.update(batch(cls.inputs, device))
    gpu.copies.clear()
    for _ in range(WARM_UP + 1):
        scalars = method.update(batch(cls.inputs, device))
    prediction = method.predict(batch(cls.inputs, device, labelled=False), trace=True)
    yield from gpu.copies
    if method.captured and not (gpu.captured and gpu.replayed):
        yield "capturable, but not captured"
    trace = vars(prediction.trace) if prediction.trace else {}
    for name, value in {**scalars, **vars(prediction), **trace}.items():
        if isinstance(value, torch.Tensor) and value.device != torch.zeros(0, device=device).device:
            yield f"{name} is on {value.device}"
    for source, target in ((device, device), (device, "cpu"), ("cpu", device)):
        given, wanted = batch(cls.inputs, source), batch(cls.inputs, target)
        try:
            _move(build(source), build(target), given, wanted)
        except Exception as error:
            yield f"a state from {source} to {target}: {type(error).__name__}: {error}"


def _move(source: Any, target: Any, given: Batch, wanted: Batch) -> None:
    source.update(given)
    state = torch.utils._pytree.tree_map_only(
        torch.Tensor, lambda tensor: tensor.cpu(), source.state_dict()
    )
    target.load_state_dict(state)
    for _ in range(WARM_UP + 2):
        target.update(wanted)


def main(device: str) -> int:
    """Try everything on the device; return the exit code."""
    warnings.simplefilter("ignore")
    found = 0
    for name, cls, config in subjects():
        with fake_cuda(gpus=2 if ":" in device else 1) as gpu:
            try:
                problems = list(breaches(cls, config, device, gpu))
            except Exception as error:
                problems = [f"{type(error).__name__}: {error}"]
        for problem in problems:
            print(f"{name}: {problem}", flush=True)
        found += len(problems)
    print(f"{found} breaches")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
