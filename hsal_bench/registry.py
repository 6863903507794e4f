"""Generators and methods by name: listed without an import, imported one at a time.

Those of this project and those of any pip-installed package are found in the same way: through the
entry points `hsal_bench.generators` and `hsal_bench.methods`.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from itertools import accumulate
from pathlib import Path
from typing import Any

from hsal_bench.errors import UsageError, suggest

GENERATORS, METHODS = "hsal_bench.generators", "hsal_bench.methods"


class Broken(UsageError):  # noqa: N818 - it names the state of what is installed
    """An installed generator or method is unusable: its import fails, or its name is taken."""


def names(group: str) -> list[str]:
    """Return the names in an entry point group, without an import."""
    return list(_points(group))


def targets(group: str) -> dict[str, str]:
    """Return the `module:attribute` of each name in a group, without an import."""
    return {name: points[0].value for name, points in _points(group).items()}


def load(group: str, name: str, kind: str) -> Any:
    """Import and return the object of the entry point `name`.

    kind: what it is, for error messages ("method").

    Raises:
        UsageError: no such name.
        Broken: two packages offer it; it cannot be imported.
    """
    points = _points(group).get(name)
    if not points:
        raise UsageError(f"no {kind} {name!r}: {suggest(name, _points(group))}")
    if len(points) > 1:
        owners = " and ".join(sorted(map(_owner, points)))
        raise Broken(f"{kind} {name!r} is offered by {owners}: uninstall one of them")
    try:
        return points[0].load()
    except Exception as error:
        raise Broken(
            f"{kind} {name!r} of {_owner(points[0])} cannot be imported ({error}): "
            "fix or uninstall that package"
        ) from error


def docstring(target: str) -> str:
    """Return the docstring of `module:attribute`, read from its source without an import.

    "" if there is none, or no source that can be parsed.
    """
    module, _, attribute = target.partition(":")
    try:
        source = _source(module)
        tree = ast.parse(source.read_bytes()) if source else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return ""
    docstrings = [
        ast.get_docstring(node) or ""
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == attribute
    ]
    return docstrings[-1] if docstrings else ""


def _source(module: str) -> Path | None:
    """Return the file of a module. Unlike importlib's `find_spec` this imports no parent package.

    Asking the finders one by one is what an import does, so editable installs are found as well.
    """
    spec, folders = None, None
    for name in accumulate(module.split("."), "{}.{}".format):
        specs = (finder.find_spec(name, folders) for finder in sys.meta_path)
        spec = next(filter(None, specs), None)
        if spec is None:
            return None
        folders = spec.submodule_search_locations
    return Path(spec.origin) if spec and spec.origin and spec.has_location else None


@cache
def _points(group: str) -> dict[str, list[EntryPoint]]:
    points: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        # An editable install can list one distribution twice; the same target is not a clash.
        same_name = points.setdefault(point.name, [])
        if all(other.value != point.value for other in same_name):
            same_name.append(point)
    return points


def _owner(point: EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist else point.value
