"""What a command or a method says of itself, read from its source: telling of it imports nothing.

It is named as an entry point names it, `module:attribute`: a function or class with a docstring.
"""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from itertools import accumulate
from pathlib import Path


def docstring(target: str) -> str:
    """Return the docstring of `module:attribute`; "" where there is none that can be read."""
    module, _, attribute = target.partition(":")
    try:
        source = _source(module)
        tree = ast.parse(source.read_bytes()) if source else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return ""
    found = [
        ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute
    ]
    return found[-1] if found else ""


def _source(module: str) -> Path | None:
    """Return the file of a module. Unlike importlib's `find_spec` this imports no package above it.

    Asking the finders one by one is what an import does, so editable installs are found as well.
    """
    spec, inside = None, None
    for name in accumulate(module.split("."), "{}.{}".format):
        spec = _spec(name, inside)
        if spec is None:
            return None
        inside = spec.submodule_search_locations
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


def _spec(name: str, inside: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    specs = (finder.find_spec(name, inside) for finder in sys.meta_path)
    return next(filter(None, specs), None)
