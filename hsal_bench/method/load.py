"""Loading a method's class by its name, or from a file: `path/to/file.py:ClassName`."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from hsal_bench import registry
from hsal_bench.errors import UsageError, suggest


def load_method(name: str) -> Any:
    """Return the method class of that name, or the one a `path/to/file.py:ClassName` holds.

    Raises as `registry.load`, and a UsageError where there is no such file or class, or the class
    leaves open what its base asks for.
    """
    if is_file(name):
        path, _, class_name = name.rpartition(".py")
        return _from_file(Path(f"{path}.py"), class_name[1:])
    return registry.load(registry.METHODS, name, "method")


def is_file(name: str) -> bool:
    """Whether a method's name is a Python file, with or without a class."""
    return name.endswith(".py") or ".py:" in name


def _from_file(path: Path, class_name: str) -> Any:
    if not path.is_file():
        raise UsageError(f"no file {path}: give a method as path/to/file.py:ClassName")
    module = _import_file(path)
    if class_name not in vars(module):
        raise UsageError(_no_class(path, class_name, _methods_of(module)))
    found = vars(module)[class_name]
    if other := _other_kind(found, module):
        known = _known(path, _methods_of(module))
        raise UsageError(f"{path}: {class_name} is {other}, not a method's class: {known}")
    if unwritten := sorted(getattr(found, "__abstractmethods__", ())):
        raise UsageError(
            f"{path} line {_line_of(path, class_name)}: {class_name} has no "
            f"`{'` and no `'.join(unwritten)}`: its base class leaves it to you"
        )
    return found


def _line_of(path: Path, class_name: str) -> int:
    """Return where a file defines a class; 1 if it comes from elsewhere."""
    nodes = ast.walk(ast.parse(path.read_bytes()))
    lines = [
        node.lineno for node in nodes if isinstance(node, ast.ClassDef) if node.name == class_name
    ]
    return lines[-1] if lines else 1


def _methods_of(module: ModuleType) -> list[str]:
    """Return the classes that a module defines and that look like methods."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and hasattr(value, "update")
        and hasattr(value, "predict")
    ]


def _other_kind(found: Any, module: ModuleType) -> str:
    """Return what is named in place of a method's class; "" if it may be one."""
    if inspect.isroutine(found):
        return "a function"
    if not isinstance(found, type):
        return f"an instance of {type(found).__name__}"
    if hasattr(found, "update") or hasattr(found, "predict"):
        return ""
    kind = "a dataclass" if dataclasses.is_dataclass(found) else "a class"
    for name in _methods_of(module):
        if getattr(vars(module)[name], "Config", None) is found:
            return f"{kind}, the Config of {name}"
    return f"{kind} without `update` and `predict`"


def _known(path: Path, methods: Sequence[str]) -> str:
    """Return the end of an error about what is no method: which classes of the file are."""
    if not methods:
        return "no class in it is a method, with `update` and `predict`"
    return f"name the class, as in {' or '.join(f'{path}:{one}' for one in methods)}"


def _no_class(path: Path, class_name: str, known: list[str]) -> str:
    missing = f"{path} has no class {class_name!r}" if class_name else str(path)
    told = suggest(class_name, known) if class_name and known else _known(path, known)
    return f"{missing}: {told}"


def _import_file(path: Path) -> ModuleType:
    name = f"hsal_bench_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their own module up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        told = error.msg if isinstance(error, SyntaxError) else error
        raise UsageError(
            f"{path} line {_failed_line(path, error)}: it cannot be imported "
            f"({type(error).__name__}: {told})"
        ) from error
    return module


def _failed_line(path: Path, error: Exception) -> int | None:
    """Return the line of a file at which its import failed."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    # Where the path is relative, what is imported knows it in full.
    full = str(path.absolute())
    return next((line for name, line in reversed(places) if name in (str(path), full)), None)
