"""Error texts of `check-method`, and where in a method's source they point."""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from hsal_bench.method.gradient import GradientMethod
from hsal_bench.text import one_line


def described(error: BaseException) -> str:
    """Return an error on one line: "ValueError: out of range"."""
    message = one_line(str(error))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def own_line(cls: Any, error: BaseException) -> str:
    """Return the deepest line in the method's own folder that raised an error; "" if none."""
    folder = Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or "").parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    return f"{Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""


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
