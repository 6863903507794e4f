"""Data sets that a generator makes with other options than its own: by what command.

A generator's data set of another source or placement has another name, which a user meets in
files and tables and then types. A generator tells which of its specs has a name by an optional
method `spec_of(name) -> spec | None`.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hsal_bench import registry
from hsal_bench.errors import UsageError, suggest
from hsal_bench.options import as_text


def remedy(name: str, known: Iterable[str], out: Path | None = None) -> str:
    """Return the end of an error about a data set `name` that no generator is called.

    It is the command that makes it (into the folder `out`), or the nearest of `known`.
    """
    for generator_name in registry.names(registry.GENERATORS):
        if (flags := _flags(generator_name, name)) is not None:
            folder = [] if out is None else ["--out", str(out)]
            command = ["hsal-bench", "generate", generator_name, *flags, *folder]
            return f"it is `{shlex.join(command)}`"
    return suggest(name, known)


def _flags(generator_name: str, name: str) -> list[str] | None:
    """Return the options with which a generator makes the data set `name`; None: it does not."""
    try:
        generator: Any = registry.load_generator(generator_name)
    except UsageError:  # another package's fault is not what the user asked about
        return None
    spec = generator.spec_of(name) if hasattr(generator, "spec_of") else None
    if spec is None:
        return None
    return flags(generator.defaults, spec)


def flags(defaults: Any, spec: Any) -> list[str]:
    """Return the options of `hsal-bench generate` that make `spec` of `defaults`, as words."""
    changed = {
        field.name: getattr(spec, field.name)
        for field in dataclasses.fields(spec)
        if getattr(spec, field.name) != getattr(defaults, field.name)
    }
    return [word for field, value in changed.items() for word in _flag(field, value)]


def _flag(field: str, value: Any) -> list[str]:
    option = field.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{option}" if value else f"--no-{option}"]
    return [f"--{option}", as_text(value)]
