"""Errors that a method raises: on one line, and where in its own code."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

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
