"""Load a method's class by name, or from a file: `path/to/file.py:ClassName`."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from hsal_bench import registry
from hsal_bench.errors import UsageError, near_path, suggest
from hsal_bench.method.code import neighbours
from hsal_bench.text import named


def load_method(name: str) -> Any:
    """Return a method's class by its registered name or by `path/to/file.py:ClassName`.

    The file can import modules next to it.

    Raises:
        UsageError: there is no such name, file or class, the file cannot be imported, or the class
            is not a complete method; see also `registry.load`.
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
        remedy = near_path(path) or "give a method as path/to/file.py:ClassName"
        raise UsageError(f"no file {path}: {remedy}")
    module = _import_file(path)
    if class_name not in vars(module):
        raise UsageError(_no_class(path, class_name, _methods_of(module)))
    cls = vars(module)[class_name]
    if kind := _other_kind(cls):
        known = _known(path, _methods_of(module))
        raise UsageError(f"{path}: {class_name} is {kind}, not a method's class: {known}")
    if missing := [f"`{name}`" for name in sorted(getattr(cls, "__abstractmethods__", ()))]:
        line = _line_of(path, class_name)
        raise UsageError(f"{path} line {line}: {class_name} lacks {named(missing)}")
    return cls


def _line_of(path: Path, class_name: str) -> int:
    """Return the line where a file defines a class; 1 if it imports the class."""
    nodes = ast.walk(ast.parse(path.read_bytes()))
    lines = [
        node.lineno for node in nodes if isinstance(node, ast.ClassDef) if node.name == class_name
    ]
    return lines[-1] if lines else 1


def _methods_of(module: ModuleType) -> list[str]:
    """Return the names of the classes in a module that look like methods."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type)
        and value.__module__ == module.__name__
        and hasattr(value, "predict")
        and (hasattr(value, "update") or hasattr(value, "fit"))
    ]


def _other_kind(value: Any) -> str:
    """Return the kind of a value that is not a method's class; "" if it may be one."""
    if inspect.isroutine(value):
        return "a function"
    if not isinstance(value, type):
        return f"an instance of {type(value).__name__}"
    if any(hasattr(value, name) for name in ("update", "fit", "predict")):
        return ""
    return "a class without `update` and `predict`"


def _known(path: Path, methods: Sequence[str]) -> str:
    """Return the end of an error: which classes of a file are methods."""
    if not methods:
        return "the file has no class with `update` and `predict`"
    return f"name the class, as in {' or '.join(f'{path}:{method}' for method in methods)}"


def _no_class(path: Path, class_name: str, known: list[str]) -> str:
    missing = f"{path} has no class {class_name!r}" if class_name else str(path)
    hint = suggest(class_name, known) if class_name and known else _known(path, known)
    return f"{missing}: {hint}"


def _import_file(path: Path) -> ModuleType:
    name = f"hsal_bench_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look up their module there
    try:
        with _importable(path):
            spec.loader.exec_module(module)
    except UsageError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        message = error.msg if isinstance(error, SyntaxError) else error
        raise UsageError(
            f"{path} line {_failed_line(path, error)}: import failed "
            f"({type(error).__name__}: {message})"
        ) from error
    return module


@contextmanager
def _importable(path: Path) -> Iterator[None]:
    """Let a file import the modules next to it: first in the block, later behind all others.

    Raises:
        UsageError: such a module has the name of one that was imported from elsewhere.
    """
    folder = str(path.parent.absolute())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
    for name, file in neighbours(path).items():
        other = getattr(sys.modules.get(name), "__file__", None)
        if other and Path(other).resolve() != file.resolve():
            raise UsageError(
                f"{path} imports {file}, but the module {name} is already imported from {other}: "
                "rename one of the two files"
            )


def _failed_line(path: Path, error: BaseException) -> int | None:
    """Return the line of a file where its import failed."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    # Frames have the full path even if the given path is relative.
    full = str(path.absolute())
    return next((line for name, line in reversed(places) if name in (str(path), full)), None)
