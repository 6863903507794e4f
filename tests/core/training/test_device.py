"""Devices: what they compute with, their memory, and whether they still work."""

import pytest
import torch

from hsal_bench.errors import HsalBenchError, UsageError
from hsal_bench.training import device as devices

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


@pytest.fixture
def old_gpu(monkeypatch):
    """A GPU without bfloat16, such as a T4."""
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)


@pytest.mark.parametrize(
    ("asked", "preset", "expected"),
    [
        (None, "bfloat16", "bfloat16"),
        (None, "float32", "float32"),
        ("float32", "bfloat16", "float32"),
        ("bfloat16", "float32", "bfloat16"),
    ],
)
def test_a_cpu_computes_in_the_precision_asked_for(asked, preset, expected):
    assert devices.precision(asked, preset, CPU) == expected


def test_a_gpu_without_bfloat16_computes_in_float32(old_gpu):
    assert devices.precision(None, "bfloat16", GPU) == "float32"
    assert devices.precision("float32", "bfloat16", GPU) == "float32"
    with pytest.raises(UsageError, match="bfloat16: Tesla T4 does not support it; use --prec"):
        devices.precision("bfloat16", "float32", GPU)


def test_memory_of_a_run_is_counted_anew(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("empty"))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda device: calls.append("reset"))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 7)
    assert devices.release_memory(GPU) == 7
    assert calls == ["empty", "reset"]
    assert devices.peak_memory(GPU) == 7
    assert devices.release_memory(CPU) is devices.peak_memory(CPU) is None


def test_too_little_memory_names_the_work_and_the_remedy():
    message = "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 1 GiB"
    with pytest.raises(devices.OutOfMemory) as raised, devices.enough_memory("tuning", "shrink it"):
        raise torch.OutOfMemoryError(message)
    assert str(raised.value) == (
        "tuning: CUDA out of memory. Tried to allocate 2.00 GiB; shrink it"
    )


def test_a_gpu_that_no_longer_works_is_one_line(monkeypatch):
    def synchronize(device):
        raise RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be")

    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    with pytest.raises(HsalBenchError) as raised:
        devices.require_working(GPU, "rl seed 0")
    assert str(raised.value) == (
        "rl seed 0 left cuda:0 unusable (CUDA error: device-side assert triggered): later "
        "runs were skipped; run the same command to resume"
    )
    devices.require_working(CPU, "rl seed 0")
