"""Where in a method's source the errors of `check-method` point."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from hsal_bench.method.gradient import GradientMethod


def where(cls: Any, call: str) -> str:
    """Return where a class defines a call: "Mine.predict, mine.py line 30".

    For an `update` inherited from GradientMethod, return where its loss is.
    """
    if call == "update" and getattr(cls, "update", None) is GradientMethod.update:
        call = "loss"
    function = inspect.unwrap(getattr(cls, call))
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{cls.__name__}.{call}"
    return f"{function.__qualname__}, {Path(code.co_filename).name} line {code.co_firstlineno}"
