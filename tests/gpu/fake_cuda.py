"""A CUDA GPU that does not exist: run torch code on fake `cuda` tensors and see what a GPU would.

`fake_cuda()` opens a block in which torch finds one or more GPUs. Tensors there have shapes,
dtypes and devices but no values (torch's FakeTensorMode), so their size costs nothing. Values are
invented: `.item()` gives 0 or True, `.numpy()` zeros.

It raises, as a GPU does, for

- an operation on tensors of two devices;
- a random generator on another device than the tensor it fills, or of another device's state;
- inside `torch.cuda.graph`: a copy between host and device, a value read by the host, a generator
  that the graph does not know, a tensor on another GPU than the graph's.

It counts every copy between host and device, by line of code. It cannot see copies inside kernels.

Written for torch 2.15; it patches private parts, so use it in a process of its own. Traps: a
subclass of torch.Generator and a deep copy of a fake tensor corrupt the heap; a fake tensor must
not survive the block in a cache.
"""

from __future__ import annotations

import contextlib
import copy
import gc
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.autograd.graph import get_gradient_edge
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

aten = torch.ops.aten
READS_VALUES = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten.equal.default,
    aten.is_nonzero.default,
    aten.repeat_interleave.Tensor,
    aten._unique2.default,
    aten.unique_dim.default,
    aten.bincount.default,
}
INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
COPIES = {aten._to_copy.default, aten.copy_.default, aten._copy_from.default}
COPIES_ITS_SCALARS = {aten.where.self, aten.index_put_.default, aten.masked_scatter.default}
# torch has no fake of these; they return nothing, so none is needed.
IN_PLACE = {aten._fused_adamw_.default, aten._fused_adamw_.tensor_lr}
DRAWS = ("rand", "randn", "randint", "randperm", "multinomial", "normal", "bernoulli")
CODE_UNDER_TEST = ("hsal_bench/", "baselines/", "tests/gpu/check")
STATE_BYTES = {"cuda": 16, "cpu": 5056}


@dataclass
class Gpu:
    """What happened on the fake GPUs. copies: between host and device, by line of code."""

    copies: Counter[str] = field(default_factory=Counter)
    current: int = 0
    captured: int = 0
    replayed: int = 0
    capture: SimpleNamespace | None = None

    def note(self, event: str) -> None:
        """Count a copy; in a capture, raise as a GPU does."""
        line = f"{code_line()}: {event}"
        self.copies[line] += 1
        if self.capture:
            raise RuntimeError(f"not permitted during CUDA graph capture: {line}")


def code_line() -> str:
    """Return the innermost line of the code under test, as file:line function."""
    frame = sys._getframe(1)
    while frame:
        path = frame.f_code.co_filename
        if any(part in path for part in CODE_UNDER_TEST):
            return f"{'/'.join(Path(path).parts[-2:])}:{frame.f_lineno} {frame.f_code.co_name}"
        frame = frame.f_back
    return "?"


@contextlib.contextmanager
def fake_cuda(gpus: int = 1) -> Iterator[Gpu]:
    """Open a block in which torch has `gpus` GPUs of 80 GiB; yield what happens on them."""
    gpu = Gpu()
    patches = [
        *((torch.cuda, name, fake) for name, fake in _cuda_module(gpu, gpus).items()),
        *((torch.accelerator, name, fake) for name, fake in _accelerator_module(gpu).items()),
        *((torch, name, _draw(gpu, getattr(torch, name))) for name in DRAWS),
        *((torch.Tensor, name, fake) for name, fake in _tensor_methods(gpu).items()),
        *((torch, name, fake) for name, fake in _files().items()),
        (torch, "Generator", Generator),
        (torch.nn.Module, "_apply", _apply),
        (torch.autograd, "grad", _grad),
        # It would make a true tensor on the GPU first.
        (fake_tensor, "init_gpu_context", lambda device: None),
    ]
    with contextlib.ExitStack() as stack:
        for owner, name, fake in patches:
            stack.enter_context(mock.patch.object(owner, name, fake))
        stack.enter_context(_Fakes(allow_non_fake_inputs=True, allow_fallback_kernels=False))
        stack.enter_context(_Watch(gpu))
        yield gpu


class Generator:
    """A generator of any device: it draws nothing, and its state has the size of a true one's."""

    def __init__(self, device: object = "cpu") -> None:
        self.device, self.seed = _indexed(device), 0

    def manual_seed(self, seed: int) -> Generator:
        self.seed = seed
        return self

    def initial_seed(self) -> int:
        return self.seed

    def get_state(self) -> torch.Tensor:
        return torch.zeros(STATE_BYTES[self.device.type], dtype=torch.uint8)

    def set_state(self, state: torch.Tensor) -> Generator:
        if state.device.type != "cpu" or state.dtype != torch.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        if state.numel() != STATE_BYTES[self.device.type]:
            raise RuntimeError(f"RNG state is wrong size: {state.numel()}")
        return self


class Graph:
    """Stands for torch.cuda.CUDAGraph."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu, self.generators = gpu, []

    def register_generator_state(self, generator: Generator) -> None:
        if generator.device.type != "cuda":
            raise RuntimeError("a generator of the host cannot be registered")
        self.generators.append(generator)

    def replay(self) -> None:
        self.gpu.replayed += 1


class _Fakes(FakeTensorMode):
    """Fake tensors whose makers do not look for a driver, though torch.cuda reports a GPU."""

    avoid_device_init = True


class _Watch(TorchDispatchMode):
    """Sees every operation: notes copies, and which GPU the tensors of a capture are on."""

    def __init__(self, gpu: Gpu) -> None:
        super().__init__()
        self.gpu = gpu

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device for tensor in tensors}
        if any(device.type == "cuda" for device in devices):
            self._note_copies(func, args, kwargs, tensors, devices)
            self._check_capture(devices)
        if func == aten._local_scalar_dense.default and isinstance(tensors[0], FakeTensor):
            dtype = tensors[0].dtype
            return True if dtype == torch.bool else 0.0 if dtype.is_floating_point else 0
        if func in IN_PLACE:
            if len(devices) > 1:
                raise RuntimeError(f"{func} of tensors on {sorted(map(str, devices))}")
            return None
        if func in COPIES:
            self._note_transfer(func, args, kwargs)
        return func(*args, **kwargs)

    def _note_copies(self, func, args, kwargs, tensors, devices):
        if func in READS_VALUES:
            self.gpu.note(f"the host reads values ({func})")
        if func in INDEXING:
            indices = [index for index in args[1] if index is not None]
            if any(index.dtype in (torch.bool, torch.uint8) for index in indices):
                self.gpu.note("a mask as index: the host waits for the number of its cells")
            if any(index.device.type == "cpu" for index in indices):
                self.gpu.note("an index on the host")
        mixed = len({device.type for device in devices}) > 1
        # A kernel takes a number of the host's as an argument; some copy it first.
        on_host = any(tensor.device.type == "cpu" and tensor.dim() for tensor in tensors)
        if mixed and func not in COPIES and (func in COPIES_ITS_SCALARS or on_host):
            self.gpu.note(f"tensors of two devices ({func})")

    def _note_transfer(self, func, args, kwargs):
        source = args[1] if func == aten.copy_.default else args[0]
        here = args[0].device if func == aten.copy_.default else source.device
        target = torch.device(kwargs.get("device") or here)
        if target.type != source.device.type:
            self.gpu.note(f"copied from {source.device.type} to {target.type}")

    def _check_capture(self, devices):
        if self.gpu.capture is None:
            return
        here = torch.device("cuda", self.gpu.capture.index)
        if elsewhere := [device for device in devices if device.type == "cuda" and device != here]:
            raise RuntimeError(
                f"{code_line()}: a tensor on {elsewhere[0]}, captured on {here}: a GPU leaves it "
                "out of the graph"
            )


def _cuda_module(gpu: Gpu, gpus: int) -> dict[str, object]:
    """Return the stand-ins for functions and classes of torch.cuda, by name."""
    stream = SimpleNamespace(wait_stream=lambda other: None, synchronize=lambda: None)

    @contextlib.contextmanager
    def capture(graph):
        gpu.capture = SimpleNamespace(graph=graph, index=gpu.current)
        try:
            yield
        finally:
            gpu.capture = None
        gpu.captured += 1

    def set_device(device):
        gpu.current = device if isinstance(device, int) else torch.device(device).index

    return {
        "is_available": lambda: True,
        "device_count": lambda: gpus,
        "current_device": lambda: gpu.current,
        "set_device": set_device,
        "get_device_name": lambda device=None: "fake GPU",
        "mem_get_info": lambda device=None: (80 << 30, 80 << 30),
        "max_memory_allocated": lambda device=None: 0,
        "reset_peak_memory_stats": lambda device=None: None,
        "synchronize": lambda device=None: None,
        "empty_cache": lambda: None,
        "is_bf16_supported": lambda *_, **__: True,
        "is_current_stream_capturing": lambda: gpu.capture is not None,
        "manual_seed": lambda seed: None,
        "Stream": lambda *_, **__: stream,
        "current_stream": lambda *_: stream,
        "stream": lambda _: contextlib.nullcontext(),
        "CUDAGraph": lambda *_, **__: Graph(gpu),
        "graph": capture,
        "_lazy_init": lambda: None,
    }


def _accelerator_module(gpu: Gpu) -> dict[str, object]:
    """Return the same for torch.accelerator, which optimisers ask whether they are captured."""
    stream = SimpleNamespace(is_capturing=lambda: gpu.capture is not None)
    return {
        "current_accelerator": lambda check_available=False: torch.device("cuda"),
        "current_stream": lambda *_: stream,
    }


def _draw(gpu: Gpu, draw):
    """Return `draw` with a check that tensor, generator and graph belong together."""

    def drawn(*args, generator=None, **kwargs):
        tensor = draw(*args, **kwargs)
        if generator is None:
            return tensor
        if tensor.device != generator.device:
            raise RuntimeError(
                f"{code_line()}: a generator of {generator.device}, a tensor on {tensor.device}"
            )
        if gpu.capture and generator not in gpu.capture.graph.generators:
            raise RuntimeError(f"{code_line()}: a generator that the graph does not know")
        return tensor

    return drawn


def _tensor_methods(gpu: Gpu) -> dict[str, object]:
    """Return the stand-ins for methods of torch.Tensor, by name."""
    plain = {name: getattr(torch.Tensor, name) for name in ("numpy", "tolist", "__deepcopy__")}

    def zeros(tensor):
        return np.zeros(tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."))

    def numpy(self, *, force=False):
        if self.device.type != "cpu":
            raise TypeError(f"can't convert a tensor on {self.device} to numpy: use Tensor.cpu()")
        return zeros(self) if isinstance(self, FakeTensor) else plain["numpy"](self, force=force)

    def tolist(self):
        if not isinstance(self, FakeTensor):
            return plain["tolist"](self)
        if self.device.type == "cuda":
            gpu.note("the host reads values (tolist)")
        return zeros(self).tolist()

    def deepcopy(self, memo):
        # torch copies the storage, which a fake tensor does not have: it corrupts the heap.
        if isinstance(self, FakeTensor):
            return self.detach().clone()
        return plain["__deepcopy__"](self, memo)

    return {"numpy": numpy, "tolist": tolist, "__deepcopy__": deepcopy, "backward": _backward}


def _files() -> dict[str, object]:
    """Return torch.save and torch.load for fake tensors: a file holds the number of a state."""
    states: dict[str, object] = {}
    plain_load = torch.load

    def save(state, buffer, **_):
        key = f"fake state {len(states)}"
        states[key] = _copied(state, None)
        buffer.write(key.encode())

    def load(file, map_location=None, weights_only=True, **kwargs):
        content = file.getvalue() if hasattr(file, "getvalue") else Path(file).read_bytes()
        if content.startswith(b"fake state"):
            return _copied(states[content.decode()], map_location)
        return plain_load(file, map_location=map_location, weights_only=weights_only, **kwargs)

    return {"save": save, "load": load}


def _copied(state, map_location):
    if isinstance(state, torch.Tensor):
        tensor = state.detach().clone()
        return tensor if map_location is None else tensor.to(map_location)
    if isinstance(state, dict):
        return {name: _copied(value, map_location) for name, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_copied(value, map_location) for value in state)
    return copy.deepcopy(state)


def _indexed(device: object) -> torch.device:
    device = torch.device(device)
    return torch.device("cuda", 0) if device.type == "cuda" and device.index is None else device


def _apply(module, function, recurse=True):
    """Do what Module._apply does with new parameters: fake ones cannot be changed in place."""
    for child in module.children() if recurse else ():
        child._apply(function)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            with torch.no_grad():
                moved = function(parameter)
            module._parameters[name] = torch.nn.Parameter(moved, parameter.requires_grad)
    for name, buffer in module._buffers.items():
        if buffer is not None:
            module._buffers[name] = function(buffer)
    return module


def _backward(tensor, gradient=None, retain_graph=None, create_graph=False, inputs=None):
    assert inputs is None
    _follow([tensor], [gradient], {}, create_graph)


def _grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, **_):
    outputs, inputs = _list(outputs), _list(inputs)
    edges = {tensor: _edge(tensor) for tensor in inputs}
    wanted = dict.fromkeys(edges.values())
    _follow(outputs, _list(grad_outputs) or [None] * len(outputs), wanted, create_graph)
    return tuple(wanted[edges[tensor]] for tensor in inputs)


def _edge(tensor):
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def _list(value):
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _follow(outputs, gradients, wanted, create_graph):
    """Do what autograd's engine does, node by node: torch's needs a driver for its streams."""
    collecting = gc.isenabled()
    gc.disable()  # torch 2.15's wrappers of nodes do not outlive a collection
    try:
        _walk(outputs, gradients, wanted, create_graph)
    finally:
        if collecting:
            gc.enable()


def _walk(outputs, gradients, wanted, create_graph):
    roots = [_edge(tensor) for tensor in outputs]
    waits, arrived, stack = Counter(), {}, [node for node, _ in roots]
    while stack:
        node = stack.pop()
        if node not in arrived:
            arrived[node] = [None] * len(node._input_metadata)
            children = [child for child, _ in node.next_functions if child is not None]
            waits.update(children)
            stack += children
    with torch.set_grad_enabled(create_graph):
        for (node, slot), output, gradient in zip(roots, outputs, gradients, strict=True):
            arrived[node][slot] = torch.ones_like(output) if gradient is None else gradient
        ready = [node for node in {node for node, _ in roots} if not waits[node]]
        while ready:
            node = ready.pop()
            given = arrived.pop(node)
            for edge_node, slot in wanted:
                if edge_node is node:
                    wanted[edge_node, slot] = given[slot]
            passed_on = _run_node(node, given, accumulate=not wanted)
            for (child, slot), gradient in zip(node.next_functions, passed_on, strict=False):
                if child is None:
                    continue
                if gradient is not None:
                    gradient = _fitted(gradient, child._input_metadata[slot], node)
                    before = arrived[child][slot]
                    arrived[child][slot] = gradient if before is None else before + gradient
                waits[child] -= 1
                if not waits[child]:
                    ready.append(child)


def _run_node(node, given, accumulate):
    if type(node).__name__ == "AccumulateGrad":
        if accumulate:
            before, new = node.variable.grad, given[0].detach()
            node.variable.grad = new if before is None else before + new
        return []
    if all(gradient is None for gradient in given):
        return [None] * len(node.next_functions)
    gradients = node(*given)
    return gradients if isinstance(gradients, tuple) else (gradients,)


def _fitted(gradient, like, node):
    if gradient.shape != like.shape:
        gradient = gradient.sum_to_size(like.shape)
    if gradient.device != like.device:
        raise RuntimeError(f"{node.name()}: a gradient on {gradient.device}, not {like.device}")
    return gradient.to(like.dtype)
