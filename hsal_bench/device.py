"""Choosing a device."""

from __future__ import annotations

import torch

from hsal_bench.errors import UsageError


def resolve(name: str | None) -> torch.device:
    """Return the device `name` ("cpu", "cuda", "cuda:1"), by default a GPU where there is one.

    Raises:
        UsageError: no such device on this machine.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name}: give cpu, cuda or cuda:NUMBER") from None
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: give cpu, cuda or cuda:NUMBER")
    if device.type == "cuda":
        _check_cuda(device)
        # TF32 for float32 products: what these networks need, several times as fast.
        torch.set_float32_matmul_precision("high")
        # Batches keep their shape, so that trying the ways of convolving once is worth it.
        torch.backends.cudnn.benchmark = True
    return device


def describe(device: torch.device) -> str:
    """Return the device's name as a record states it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}"


def _check_cuda(device: torch.device) -> None:
    number = torch.cuda.device_count()
    if not torch.cuda.is_available():
        raise UsageError(f"--device {device}: no CUDA device on this machine; give --device cpu")
    if device.index is not None and device.index >= number:
        raise UsageError(
            f"--device {device}: this machine has {number}, cuda:0 to cuda:{number - 1}"
        )
