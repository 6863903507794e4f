"""Finding generators, methods and commands by name, importing none but the one that is wanted.

What this project ships and what a stranger's pip-installed package offers are found in the same
way: through the entry points `hsal_bench.generators`, `hsal_bench.methods` and
`hsal_bench.commands`.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from hsal_bench.errors import UsageError, suggest

GENERATORS, METHODS = "hsal_bench.generators", "hsal_bench.methods"
COMMANDS = "hsal_bench.commands"


class Broken(UsageError):  # noqa: N818 - it names the state of what is installed
    """What a package offers cannot be had: it fails to import, or another offers the name too."""


def names(group: str) -> list[str]:
    """Return the names in an entry point group, importing nothing."""
    return list(_found(group))


def targets(group: str) -> dict[str, str]:
    """Return what each name of a group stands for, as `module:attribute`, importing nothing."""
    return {name: points[0].value for name, points in _found(group).items()}


def owners(group: str, name: str) -> str:
    """Return which packages offer a name, in words."""
    return " and ".join(sorted(_owner(point) for point in _found(group)[name]))


def load(group: str, name: str, kind: str) -> Any:
    """Import and return what the entry point `name` stands for.

    Raises:
        UsageError: no such name.
        Broken: two packages offer it; it cannot be imported.
    """
    found = _found(group).get(name)
    if not found:
        raise UsageError(f"no {kind} {name!r}: {suggest(name, _found(group))}")
    if len(found) > 1:
        offered = owners(group, name)
        raise Broken(f"{kind} {name!r} is offered by {offered}: uninstall one of them")
    try:
        return found[0].load()
    except Exception as error:
        raise Broken(
            f"{kind} {name!r} of {_owner(found[0])} cannot be imported ({error}): "
            "mend or uninstall that package"
        ) from error


@cache
def _found(group: str) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: point.name):
        # An editable install can list one distribution twice; the same target is not a clash.
        others = found.setdefault(point.name, [])
        if all(other.value != point.value for other in others):
            others.append(point)
    return found


def _owner(point: EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist else point.value
