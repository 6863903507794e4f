"""hsal-bench: a benchmark suite for multiset prediction from images.

>>> import hsal_bench as hb
>>> train = hb.load("mnist-multiset", split="train")
>>> records = hb.run(models=["hsal-rl", "cross-entropy"], dataset="mnist-multiset", seeds=range(3))
>>> hb.table("runs")
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
__all__ = (
    "Callback",
    "Dataset",
    "Evaluator",
    "TensorBoard",
    "WandB",
    "collate",
    "compare",
    "figures",
    "load",
    "records",
    "run",
    "score",
    "table",
)

_MODULES = {
    "api.datasets": ("Dataset", "collate", "load"),
    "api.results": ("compare", "figures", "records", "run", "table"),
    "api.scoring": ("Evaluator", "score"),
    "runs.callbacks": ("Callback", "TensorBoard", "WandB"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name on first use: importing torch takes seconds."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"hsal_bench.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
