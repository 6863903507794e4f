"""The device: choosing one, what it can compute with, its memory, and whether it still works."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.method.cuda_graph import current
from hsal_bench.training.presets import Precision


class OutOfMemory(HsalBenchError):  # noqa: N818 - it names what happened
    """A GPU has too little memory."""


def resolve(name: str | None) -> torch.device:
    """Return the device `name` ("cpu", "cuda", "cuda:1"), by default a GPU where there is one.

    Raises:
        UsageError: no such device on this machine, or one that hsal-bench does not support.
    """
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(f"--device {name}: give cpu, cuda or cuda:NUMBER") from None
    if device.type == "mps":
        raise UsageError(
            f"--device {name}: Apple's GPUs have no float64, which the attention metrics need; "
            "use --device cpu"
        )
    if device.type not in ("cpu", "cuda"):
        raise UsageError(f"--device {name}: give cpu, cuda or cuda:NUMBER")
    if device.type == "cuda":
        _check_cuda(device)
        if device.index is not None:
            # For the whole process, so that nothing of it takes memory on another GPU.
            torch.cuda.set_device(device.index)
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


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16: GPUs before Ampere (2020) do not."""
    if device.type != "cuda":
        return True
    with current(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def precision(asked: Precision | None, preset: Precision, device: torch.device) -> Precision:
    """Return the activation model's precision: the one `asked` for, else the preset's.

    float32 takes the place of a preset's bfloat16 on a GPU without it.

    Raises:
        UsageError: the GPU does not compute in the precision asked for.
    """
    if (asked or preset) != "bfloat16" or has_bfloat16(device):
        return asked or preset
    if asked:
        raise UsageError(
            f"--precision bfloat16: {describe(device)} does not support it; use --precision float32"
        )
    return "float32"


def release_memory(device: torch.device) -> int | None:
    """Free unused memory, reset the peak, and return the bytes still allocated; None on a CPU.

    Cycles are collected first: methods from elsewhere can be in one.
    """
    if device.type != "cuda":
        return None
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.max_memory_allocated(device)


def peak_memory(device: torch.device) -> int | None:
    """Return the most bytes allocated since `release_memory`; None on a CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


@contextmanager
def enough_memory(work: str, remedy: str) -> Iterator[None]:
    """Say which `work` needed too much memory, and the `remedy`.

    Raises:
        OutOfMemory: torch ran out of the GPU's memory in the block.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        size = str(error).partition(". GPU")[0]
        raise OutOfMemory(f"{work}: {size}; {remedy}") from error


def require_working(device: torch.device, work: str) -> None:
    """Check that the GPU still works after a failure.

    Some errors (an assertion in a kernel, an illegal address) leave a process without its GPU.

    Raises:
        HsalBenchError: the GPU no longer works in this process.
    """
    if device.type != "cuda":
        return
    try:
        torch.cuda.synchronize(device)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise HsalBenchError(
            f"{work} left {device} unusable ({reason}): later runs were skipped; run the same "
            "command to resume"
        ) from error


def _check_cuda(device: torch.device) -> None:
    number = torch.cuda.device_count()
    if not torch.cuda.is_available():
        raise UsageError(f"--device {device}: no CUDA device on this machine; give --device cpu")
    if device.index is not None and device.index >= number:
        raise UsageError(
            f"--device {device}: this machine has {number}, cuda:0 to cuda:{number - 1}"
        )
