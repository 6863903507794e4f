"""`Fitted`: a method that learns in one call, `fit(train, valid)`, instead of by mini-batches."""

from __future__ import annotations

import pickle
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from hsal_bench.method.contract import Batch, Examples, Prediction, Presets, Setup, Task
from hsal_bench.method.validate import Breach

_GIVEN = ("task", "config", "setup")
_KIND, _PICKLED = "kind of value", "pickled"


@dataclass(frozen=True)
class NoSettings:
    """The Config of a method without settings."""


class Fitted(ABC):
    """A method that is fitted: nearest neighbours, scikit-learn, a training loop of its own.

    A subclass defines `fit` and `predict`, and a `Config` if it has settings. It takes the time it
    needs: tables mark it "own budget". An interrupted `fit` starts again.

    The state is every attribute besides task, config and setup. Attributes may be tensors, NumPy
    arrays, numbers, texts, and lists, tuples and dicts of these. Networks (nn.Module) must be
    created in `__init__`. `pickled`: save attributes of any kind, such as scikit-learn's
    estimators, with pickle. Loading a pickled state can run any code in it.
    """

    Config: ClassVar[type] = NoSettings
    inputs: ClassVar[Literal["images", "activations"]] = "activations"
    presets: ClassVar[Presets] = {}
    any_cardinality: ClassVar[bool] = False
    pickled: ClassVar[bool] = False

    def __init__(self, task: Task, config: Any, setup: Setup) -> None:
        self.task, self.config, self.setup = task, config, setup

    @abstractmethod
    def fit(self, train: Examples, valid: Examples) -> None:
        """Learn from `train`; choose between candidates on `valid`.

        The global random generators of torch, NumPy and Python are seeded with the run's seed.
        """

    @abstractmethod
    def predict(self, batch: Batch, *, trace: bool = False) -> Prediction:
        """Predict, see `Method.predict`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the attributes that `fit` may have set.

        Raises:
            Breach: one is of a kind that only `pickled` saves.
        """
        own = {name: value for name, value in vars(self).items() if name not in _GIVEN}
        if self.pickled:
            return {_PICKLED: torch.frombuffer(bytearray(pickle.dumps(own)), dtype=torch.uint8)}
        return {
            name: {_KIND: "network", "value": value.state_dict()}
            if isinstance(value, nn.Module)
            else self._saved(f"self.{name}", value)
            for name, value in own.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the attributes from a state.

        Raises:
            ValueError: it holds a network that `__init__` does not create.
        """
        if self.pickled:
            vars(self).update(pickle.loads(state[_PICKLED].numpy().tobytes()))
            return
        for name, value in state.items():
            if _kind(value) != "network":
                setattr(self, name, self._restored(value))
            elif isinstance(network := getattr(self, name, None), nn.Module):
                network.load_state_dict(value["value"])
            else:
                raise ValueError(f"create self.{name} in __init__, so that it can be restored")

    def _saved(self, name: str, value: Any) -> Any:
        """Return a value as `torch.load(weights_only=True)` reads it."""
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, Tensor):
            kind = "tensor" if value.device.type == self.setup.device.type else "host tensor"
            return {_KIND: kind, "value": value.detach()}
        if type(value) in (list, tuple):
            return type(value)(self._saved(f"{name}[{k}]", item) for k, item in enumerate(value))
        if type(value) is dict:
            return {key: self._saved(f"{name}[{key!r}]", item) for key, item in value.items()}
        try:
            if isinstance(value, np.ndarray | np.generic):
                return {_KIND: "array", "value": torch.from_numpy(np.array(value))}
        except TypeError:  # an array of texts or objects
            pass
        raise Breach(
            f"{type(self).__name__}: {name} is of type {type(value).__name__}, which is not saved: "
            "use a tensor, an array or plain values, or set `pickled = True` on the class"
        )

    def _restored(self, value: Any) -> Any:
        kind = _kind(value)
        if kind == "array":
            return value["value"].numpy()[()]  # a scalar for an array without dimensions
        if kind:
            tensor: Tensor = value["value"]
            return tensor.to(self.setup.device) if kind == "tensor" else tensor
        if isinstance(value, list | tuple):
            return type(value)(map(self._restored, value))
        if isinstance(value, dict):
            return {key: self._restored(item) for key, item in value.items()}
        return value


def _kind(value: Any) -> str | None:
    return value.get(_KIND) if isinstance(value, dict) else None
