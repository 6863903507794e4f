"""The identity of a method's code: a hash that comments and formatting do not change.

For a method in a file, the hash covers the complete file and the modules next to it that it
imports. For a method in a script or notebook it covers the class and what that uses: the rest of
the script, such as the call that runs it, may change.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hsal_bench.errors import UsageError

_CONSTANTS = (bool, int, float, str, bytes, tuple, type(None))


def class_sha256(cls: type) -> str:
    """Return the hash of a class's code.

    Raises:
        UsageError: its source is not available.
    """
    if cls.__module__ != "__main__":
        return file_sha256(source_file(cls))
    code: dict[str, str] = {}
    _collect(cls, code)
    return _sha256(code)


def file_sha256(path: Path) -> str:
    """Return the hash of the code in a file and in the modules next to it that it imports."""
    return _sha256(_file_code(path))


def source_file(cls: type) -> Path:
    """Return the file that defines a class. Raises UsageError: there is none."""
    try:
        return Path(inspect.getfile(cls))
    except (OSError, TypeError) as error:
        raise UsageError(
            f"the source of {cls.__name__} is not available: define it in a file or a notebook"
        ) from error


def neighbours(path: Path) -> dict[str, Path]:
    """Return the modules next to a file that it imports, directly or not: file by dotted name."""
    root = path.parent
    modules = {}
    for file in _files(path):
        if file != path:
            parts = file.relative_to(root).with_suffix("").parts
            modules[".".join(parts).removesuffix(".__init__")] = file
    return modules


def _sha256(code: dict[str, str]) -> str:
    # The names of the parts are not hashed: a copy of the file elsewhere is the same code.
    text = "\n".join(code[name] for name in sorted(code))
    return hashlib.sha256(text.encode()).hexdigest()


def _file_code(path: Path) -> dict[str, str]:
    root = path.parent
    return {str(file.relative_to(root)): _plain(file.read_text("utf-8")) for file in _files(path)}


def _files(path: Path) -> list[Path]:
    """Return a file and the files below its folder that it imports, directly or not."""
    pending, files = [path], []
    while pending:
        file = pending.pop()
        if file not in files:
            files.append(file)
            pending += _imports(ast.parse(file.read_bytes()), file.parent, path.parent)
    return files


def _imports(tree: ast.Module, folder: Path, root: Path) -> Iterator[Path]:
    """Yield the existing files of the modules that a file in `folder` imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names, base = [alias.name for alias in node.names], root
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".lstrip(".") for alias in node.names)]
            base = [root, folder, *folder.parents][node.level]
        else:
            continue
        for name in names:
            parts = [part for part in name.split(".") if part]
            for depth in range(1, len(parts) + 1):
                place = base.joinpath(*parts[:depth])
                files = (place.with_suffix(".py"), place / "__init__.py")
                yield from (file for file in files if file.is_file() and root in file.parents)


def _collect(value: Any, code: dict[str, str]) -> None:
    """Add the code of a class or function of `__main__`, and of everything it refers to."""
    text = _plain(_source(value))
    code[value.__qualname__] = text
    main = vars(sys.modules["__main__"])
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    for name in sorted(names & main.keys() - code.keys()):
        used = main[name]
        module = used.__name__ if inspect.ismodule(used) else getattr(used, "__module__", None)
        if inspect.isclass(used) or inspect.isroutine(used) or inspect.ismodule(used):
            if module == "__main__":
                _collect(used, code)
            elif file := _neighbour(module):
                code |= {f"{name}:{part}": text for part, text in _file_code(file).items()}
        elif isinstance(used, _CONSTANTS):
            code[name] = f"{name} = {used!r}"


def _neighbour(module: str | None) -> Path | None:
    """Return the file of a module that lies next to the script or in the working folder."""
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    script = getattr(sys.modules["__main__"], "__file__", None)
    folder = Path(script).parent if script else Path.cwd()
    return Path(file) if file and Path(file).parent.resolve() == folder.resolve() else None


def _source(value: Any) -> str:
    try:
        # In a notebook, inspect finds the code of functions only.
        in_notebook = hasattr(sys.modules["__main__"], "get_ipython")
        if in_notebook and inspect.isclass(value):
            return _cell_source(value)
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError) as error:
        raise UsageError(
            f"the source of {value.__qualname__} is not available: define it in a file or a "
            "notebook"
        ) from error


def _cell_source(cls: type) -> str:
    """Return the code of a notebook's class, from the cell that one of its functions is in.

    A class without functions of its own, such as a config, is described by its bases, annotations
    and values.
    """
    for name, member in vars(cls).items():
        function = inspect.unwrap(getattr(member, "__func__", getattr(member, "fget", member)))
        generated = name.startswith("__") and _file(function) == "<string>"  # by @dataclass
        if inspect.isfunction(function) and not generated:
            lines, start = inspect.findsource(function)
            nodes = ast.walk(ast.parse("".join(lines)))
            for node in (node for node in nodes if isinstance(node, ast.ClassDef)):
                inside = node.lineno <= start + 1 <= (node.end_lineno or 0)
                if inside and node.name == cls.__name__:
                    return ast.unparse(node)
    bases = ", ".join(base.__name__ for base in cls.__bases__)
    values = {name: repr(value) for name, value in vars(cls).items() if not name.startswith("_")}
    kinds = {name: str(kind) for name, kind in inspect.get_annotations(cls).items()}
    return f"class {cls.__name__}({bases}):\n    {kinds!r}, {values!r}"


def _file(function: Any) -> str | None:
    code = getattr(function, "__code__", None)
    return getattr(code, "co_filename", None)


def _plain(source: str) -> str:
    """Return Python code without comments and formatting."""
    return ast.unparse(ast.parse(source))
