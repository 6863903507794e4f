"""How `check-method` tells a failure: what came, what was expected, and where to look."""

from __future__ import annotations

import inspect
import sys
import traceback
from pathlib import Path
from typing import Any

from hsal_bench.checking import Failed
from hsal_bench.method.contract import Method
from hsal_bench.method.gradient import GradientMethod
from hsal_bench.text import one_line

CONTRACT = "hsal_bench/method/contract.py"


def failure(cls: Any, call: str, came: str, expected: str) -> Failed:
    """Return the failure of a call of the contract, with where it is written and asked for."""
    told = f"{came}; expected {expected}"
    return Failed(f"{told} ({where(cls, call)}; Method.{call} in {CONTRACT})")


def broken(cls: Any, call: str, error: BaseException) -> Failed:
    """Return the failure of a call that raised `error`: with the method's own line, if it has one.

    An error that no line of the method is part of comes of how it was called, or of what another
    call gave.
    """
    told = described(error)
    if line := own_line(cls, error):
        return Failed(f"{line}: {told}")
    frames = traceback.extract_tb(error.__traceback__)
    place = Path(frames[-1].filename)
    if _raised_in(error).startswith("hsal_bench.conformance."):
        return failure(cls, call, f"{call} raised {told}", signature(call))
    came = f"{call} raised {told} in {place.name} line {frames[-1].lineno}"
    expected = "that it raises nothing"
    if call == "load_state_dict":
        expected = f"that it takes what state_dict returned ({where(cls, 'state_dict')})"
    return failure(cls, call, came, expected)


def _raised_in(error: BaseException) -> str:
    """Return the name of the module that raised an error."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_globals.get("__name__", "")


def described(error: BaseException) -> str:
    """Return an error in a line."""
    message = one_line(str(error))
    if isinstance(error, SystemExit):
        return f"SystemExit: {message}: a method does not end the program"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def own_line(cls: Any, error: BaseException) -> str:
    """Return the deepest line of the method's own folder that an error came by; "" if none."""
    folder = Path(getattr(sys.modules.get(cls.__module__), "__file__", None) or "").parent
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).parent == folder]
    return f"{Path(own[-1].filename).name} line {own[-1].lineno}" if own else ""


def signature(call: str) -> str:
    """Return a call as the contract has it: "predict(self, batch, *, trace=False)"."""
    asked = inspect.signature(getattr(Method, call))
    plain = [one.replace(annotation=one.empty) for one in asked.parameters.values()]
    return f"{call}{inspect.Signature(plain)}"


def where(cls: Any, call: str) -> str:
    """Return where a method of a class is written: "Mine.predict, mine.py line 30".

    Of an update that GradientMethod makes, the loss that it follows.
    """
    if call == "update" and getattr(cls, "update", None) is GradientMethod.update:
        call = "loss"
    function = inspect.unwrap(getattr(cls, call))
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{cls.__name__}.{call}"
    return f"{function.__qualname__}, {Path(code.co_filename).name} line {code.co_firstlineno}"
